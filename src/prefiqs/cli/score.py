"""`prefiqs score`."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import prefiqs
from prefiqs.cli._shared import (
    Address,
    Aligned,
    AllFaces,
    Device,
    Model,
    ShardSize,
    Workers,
    json_value,
    name_value_pairs,
    report_shards,
)
from prefiqs.errors import InputError

_UNSCORED = 3  # exit status of `score --strict`
_METHOD, _OUTPUT, _RAY = "Method", "Output", "Ray"


def score(
    photos: Annotated[list[Path], typer.Argument(help="Photos, folders (searched at any depth), or globs in quotes.")],
    aligned: Aligned = False,
    all_faces: AllFaces = False,
    device: Device = "auto",
    batch_size: Annotated[int | None, typer.Option(min=1, help="Faces that go through the network at once.")] = None,
    method: Annotated[
        str, typer.Option(help="Quality method (see `prefiqs list methods`).", rich_help_panel=_METHOD)
    ] = "prefiqs",
    model: Model = "sface",
    ratio: Annotated[
        float | None, typer.Option(help="Pruning ratio, for methods that prune.", rich_help_panel=_METHOD)
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("-o", help="NAME=VALUE: any other option of the method.", rich_help_panel=_METHOD),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A .csv, .parquet or .txt (`PATH SCORE`); by default CSV on stdout.", rich_help_panel=_OUTPUT
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Keep existing rows and score the other photos.", rich_help_panel=_OUTPUT),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help=f"Exit with status {_UNSCORED} if a photo has no score.", rich_help_panel=_OUTPUT
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line on stdout.", rich_help_panel=_OUTPUT)
    ] = False,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Score in this process, or on a Ray cluster.", rich_help_panel=_RAY),
    ] = "local",
    workers: Workers = None,
    shard_size: ShardSize = 1024,
    address: Address = None,
) -> None:
    """Score the faces in photos: the higher the score, the better the face can be recognised.

    A row has path, face (its number in the photo), score, drift, box, landmarks, confidence, status and settings. A
    photo that cannot be read or has no face gets a row with the reason, and the run goes on. With --out the file
    appears at the end; until then results are in FILE.progress, so that an interrupted run can continue with --resume.

    PHOTOS may also be Parquet files with a column of image bytes, tar files of images, or folders of these. For data
    sets of many millions, --engine ray takes a folder as --out, in which workers write Parquet shards.

    Examples:

        prefiqs score holiday/ portrait.jpg --out scores.csv

        prefiqs score "photos/**/*.jpg" --all-faces --out scores.parquet --resume

        prefiqs score faces/ --aligned --method prefiqs-fast --out scores.txt

        prefiqs score portrait.jpg --json --strict

        prefiqs score holiday/ --method froq -o calibration=froq.json

        prefiqs score shards/ --aligned --engine ray --workers 8 --out scores.parquet
    """
    from prefiqs.apps.ray.cluster import Cluster
    from prefiqs.apps.score.ray import RayScorer
    from prefiqs.apps.score.run import Executor, check_out, print_scores, write_scores
    from prefiqs.apps.score.scorer import PhotoScorer
    from prefiqs.faces.find import find_images

    options: dict[str, Any] = {name: json_value(text) for name, text in name_value_pairs("-o", option).items()}
    options |= {name: value for name, value in {"ratio": ratio, "batch_size": batch_size}.items() if value is not None}
    into_folder = engine == "ray" and out is not None and not out.suffix
    check_out(out, resume, as_json, all_faces, into_folder)
    if engine == "local" and (workers is not None or address is not None):
        raise InputError("--workers and --address need --engine ray.")
    if into_folder:
        lost = report_shards(prefiqs.score_dataset(
            photos, out, method, model, aligned, workers, device, shard_size, address, all_faces, **options
        ))  # fmt: skip
    else:
        shards = find_images(photos, shard_size)
        scorer: Executor
        if engine == "ray":
            scorer = RayScorer(Cluster(workers, device, address), method, model, aligned, all_faces, **options)
        else:
            scorer = PhotoScorer(method, model, aligned, all_faces, device=device, **options)
        found, lost = (
            print_scores(scorer, shards, as_json) if out is None else write_scores(scorer, shards, out, resume)
        )
        print(f"{found} photos, {found - lost} scored, {lost} without a score", file=sys.stderr)
    if strict and lost:
        raise typer.Exit(_UNSCORED)
