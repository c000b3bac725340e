"""`prefiqs score`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import prefiqs
from prefiqs.cli._shared import (
    Address,
    PartSize,
    Workers,
    json_value,
    name_value_pairs,
    report_shards,
)
from prefiqs.errors import InputError

_UNSCORED = 3  # exit status of `score --strict`


Engine = Literal["local", "ray"]


def score(
    photos: Annotated[list[Path], typer.Argument(help="Photos, folders (searched at any depth), or globs in quotes.")],
    out: Annotated[
        Path | None, typer.Option(help="Write to this .csv, .parquet or .txt (`PATH SCORE`); else CSV on stdout.")
    ] = None,
    method: Annotated[str, typer.Option(help="Quality method; see `prefiqs list methods`.")] = "prefiqs",
    model: Annotated[str, typer.Option(help="FR model (see `prefiqs list models`), or an .onnx file.")] = "sface",
    ratio: Annotated[float | None, typer.Option(help="Pruning ratio of the methods that prune.")] = None,
    option: Annotated[list[str] | None, typer.Option("-o", help="NAME=VALUE, any other option of the method.")] = None,
    device: Annotated[str, typer.Option(help="auto (a GPU where there is one), cpu, cuda or cuda:N.")] = "auto",
    batch_size: Annotated[int | None, typer.Option(min=1, help="Faces at a time through the network.")] = None,
    aligned: Annotated[bool, typer.Option("--aligned", help="The photos are aligned 112×112 faces already.")] = False,
    all_faces: Annotated[bool, typer.Option("--all-faces", help="A row for each face; else the largest.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the rows that are there, score the photos that have none.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help=f"Exit with status {_UNSCORED} if a photo has no score.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")] = False,
    engine: Annotated[Engine, typer.Option(help="local: this process; ray: a cluster, for any size.")] = "local",
    workers: Workers = None,
    part_size: PartSize = 1024,
    address: Address = None,
) -> None:
    """Score the faces in photos, higher = better.

    A row has path, face (its number in the photo), score, drift, box, landmarks, confidence and status. A photo
    that cannot be read or has no face gets a row with the reason, and the run goes on. With --out the file appears at
    the end; a run that was stopped leaves FILE.progress, and --resume goes on from there.

    With --engine ray, PHOTOS is one folder of photos, .parquet or .tar files, or one such file, and --out a folder for
    Parquet shards (name, method, score, problem); a run that was stopped always goes on.

    Examples:

        prefiqs score holiday/ portrait.jpg --out scores.csv

        prefiqs score "photos/**/*.jpg" --all-faces --out scores.parquet --resume

        prefiqs score faces/ --aligned --method prefiqs-fast --out scores.txt

        prefiqs score portrait.jpg --json --strict

        prefiqs score holiday/ --method froq -o calibration=froq.json

        prefiqs score shards/ --aligned --engine ray --workers 8 --out scores/
    """
    from prefiqs.apps.score.run import check_out, print_scores, write_scores
    from prefiqs.apps.score.scorer import FaceScorer, PhotoScorer
    from prefiqs.faces.find import find_photos

    options = {name: json_value(text) for name, text in name_value_pairs("-o", option).items()}
    if ratio is not None:
        options["ratio"] = ratio
    if engine == "ray":
        if len(photos) != 1 or out is None or as_json or all_faces:
            raise InputError("Expected one source, --out with a folder, and neither --json nor --all-faces beside "
                             "--engine ray, got others; leave out --engine for single photos.")  # fmt: skip
        if batch_size is not None:
            options["batch_size"] = batch_size
        cluster: dict[str, Any] = {"workers": workers, "device": device, "part_size": part_size, "address": address}
        lost = report_shards(prefiqs.score_dataset(photos[0], out, method, model, aligned, **cluster, **options))
    else:
        check_out(out, resume, as_json, all_faces)
        paths = find_photos(photos)
        given: dict[str, Any] = {"device": device, "batch_size": batch_size} | options
        scorer = PhotoScorer(FaceScorer(method, model, **given), aligned, all_faces)
        lost = print_scores(scorer, paths, as_json) if out is None else write_scores(scorer, paths, out, resume)
        print(f"{len(paths)} photos, {len(paths) - lost} scored, {lost} without a score", file=sys.stderr)
    if strict and lost:
        raise typer.Exit(_UNSCORED)
