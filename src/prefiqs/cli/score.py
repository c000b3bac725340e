"""`prefiqs score`."""

import inspect
import json
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Argument, Exit, Option

from prefiqs.cli import _shared as shared
from prefiqs.errors import InputError

_UNSCORED = 3  # exit status of `score --strict`

_method = partial(Option, rich_help_panel="Method")
_output = partial(Option, rich_help_panel="Output")


def score(
    photos: Annotated[
        list[Path],
        Argument(
            help="Photos, folders (searched at any depth), globs in quotes, "
            "@LIST (one path a line), or - (a list on standard input)."
        ),
    ],
    aligned: shared.Aligned = False,
    all_faces: shared.AllFaces = False,
    landmarks: Annotated[
        Path | None,
        Option(help="A table or text file with five points per face (`PATH x1 y1 … x5 y5`), instead of detection."),
    ] = None,
    device: shared.Device = "auto",
    batch_size: Annotated[int | None, Option(min=1, help="Faces per batch.")] = None,
    method: shared.Methods = "prefiqs",
    model: shared.Model = "sface",
    ratio: Annotated[float | None, _method(help="Pruning ratio, for methods that prune.")] = None,
    option: Annotated[list[str] | None, _method("-o", help="NAME=VALUE: another option of the method.")] = None,
    out: Annotated[Path | None, _output(help=".csv, .parquet or .txt (`PATH SCORE`); default: CSV on stdout.")] = None,
    html: Annotated[
        Path | None,
        _output(help="Also write a page with the faces; the table is then written, too, if need be beside it."),
    ] = None,
    resume: Annotated[bool, _output("--resume", help="Keep existing rows and score the remaining photos.")] = False,
    force: Annotated[bool, _output("--force", help="Replace a file with scores of other photos or settings.")] = False,
    strict: Annotated[bool, _output("--strict", help=f"Exit with status {_UNSCORED} if a photo has no score.")] = False,
    as_json: Annotated[bool, _output("--json", help="Print one JSON object per line on stdout.")] = False,
    engine: Annotated[
        Literal["local", "ray"], shared.ray_option(help="In this process, or on a Ray cluster.")
    ] = "local",
    workers: shared.Workers = None,
    shard_size: shared.ShardSize = 1024,
    address: shared.Address = None,
) -> None:
    """Score the faces in photos; a higher score means a more recognisable face.

    The columns are path, face (its number in the photo), method, score, drift, box, landmarks, confidence, acquisition
    hints (faces in the photo, distance of the eyes, roll, yaw, sharpness …), status and settings. If a photo cannot be
    read or has no face, the status says why, and the run continues. With --out, results are written to FILE.progress
    first and to FILE at the end. An interrupted run can be resumed with --resume.

    PHOTOS may be JPEG, PNG, HEIC, AVIF, WebP, TIFF, JPEG 2000 and other images, Parquet files with a column of image
    bytes, tar files of images, or folders of these. Hidden files and files of other kinds in a folder are passed over
    and counted at the end. docs/usage.md has a table of what is read and how. For very large data sets, use --engine
    ray with a folder as --out; workers write Parquet shards there.

    Examples:

        prefiqs score holiday/ portrait.jpg --out scores.csv

        prefiqs score "photos/**/*.jpg" --all-faces --out scores.parquet --resume

        prefiqs score faces/ --aligned --method prefiqs-fast --out scores.txt

        prefiqs score holiday/ --html report.html

        find photos -name "*.jpg" | prefiqs score - --out scores.csv

        prefiqs score portrait.jpg --json --strict

        prefiqs score holiday/ --method froq -o calibration=froq.json

        prefiqs score shards/ --aligned --engine ray --workers 8 --out scores.parquet
    """
    from prefiqs.apps.ray.cluster import Cluster
    from prefiqs.apps.score.page import write_page
    from prefiqs.apps.score.ray import RayScorer, score_dataset
    from prefiqs.apps.score.rows import read_scores
    from prefiqs.apps.score.run import check_out, print_scores, write_scores
    from prefiqs.apps.score.scorer import PhotoScorer
    from prefiqs.faces.find import find_images, in_words
    from prefiqs.faces.lists import expand_lists

    if html and not out:
        out = html.with_suffix(".csv")
    options: dict[str, Any] = {name: _json_value(text) for name, text in shared.name_value_pairs("-o", option).items()}
    if own := options.keys() & inspect.signature(PhotoScorer).parameters.keys() | options.keys() & {"device"}:
        raise InputError(f"-o is for options of the method, but {min(own)} is none of them.")
    options |= {name: value for name, value in {"ratio": ratio, "batch_size": batch_size}.items() if value is not None}
    into_folder = engine == "ray" and out is not None and not out.suffix
    methods = method.split(",")
    photos = expand_lists(photos)
    check_out(out, resume, as_json, all_faces or len(methods) > 1, into_folder, force)
    if engine == "local" and (workers is not None or address is not None):
        raise InputError("--workers and --address need --engine ray.")
    if out is not None and into_folder:
        summary = score_dataset(photos, out, methods, model, aligned, workers, device, shard_size, address, all_faces,
                                landmarks, **options)  # fmt: skip
        lost = summary.failed
        print(summary, file=sys.stderr)
    else:
        passed_over: Counter[str] = Counter()
        shards, given = find_images(photos, shard_size, passed_over), (methods, model, aligned, all_faces)
        scorer: PhotoScorer | RayScorer
        if engine == "ray":
            scorer = RayScorer(Cluster(workers, device, address), *given, landmarks=landmarks, **options)
        else:
            scorer = PhotoScorer(*given, landmarks=landmarks, device=device, **options)
        found, lost = write_scores(scorer, shards, out, resume, force) if out else print_scores(scorer, shards, as_json)
        told = f"{found} photos, {found - lost} scored, {lost} without a score. {in_words(passed_over)}"
        print(told.rstrip(), file=sys.stderr)
    if out and html:
        write_page(read_scores(out).to_pandas(), html, html.stem)
        print(f"page: {html}, table: {out}", file=sys.stderr)
    if strict and lost:
        raise Exit(_UNSCORED)


def _json_value(text: str) -> object:
    """A number, true, false or null as JSON has them; anything else is the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
