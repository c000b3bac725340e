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
        list[str],
        Argument(
            help="Photos, folders (searched at any depth), globs in quotes, "
            "@LIST (one path per line), or - (a list on standard input)."
        ),
    ],
    aligned: shared.Aligned = False,
    all_faces: shared.AllFaces = False,
    landmarks: Annotated[
        Path | None,
        Option(help="Use the landmarks in this table or text (`PATH x1 y1 … x5 y5`) instead of detecting faces."),
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
        _output(help="Also write a page with the faces. Without --out, the table is written next to it as .csv."),
    ] = None,
    resume: Annotated[bool, _output("--resume", help="Resume an interrupted run, or add photos to a table.")] = False,
    force: Annotated[bool, _output("--force", help="Start again, and replace what --out contains.")] = False,
    strict: Annotated[bool, _output("--strict", help=f"Exit with status {_UNSCORED} if a photo has no score.")] = False,
    as_json: Annotated[bool, _output("--json", help="Print one JSON object per line on stdout.")] = False,
    engine: Annotated[
        Literal["local", "ray"], shared.ray_option(help="Where to compute: in this process, or on a Ray cluster.")
    ] = "local",
    workers: shared.Workers = None,
    shard_size: shared.ShardSize = 1024,
    address: shared.Address = None,
) -> None:
    """Score the faces in photos; a higher score means a more recognisable face.

    The table has one row per face and method: path, face (its number in the photo), method, score, drift, percentile
    (share (%) of LFW's 7,701 faces that score lower), box, landmarks, confidence, acquisition hints (faces in the
    photo, distance between the eyes, roll, yaw, sharpness …), status and settings. If a photo cannot be read or has no
    face, the status says why, and the run continues. With --out, results are written to FILE.progress as they arrive
    and to FILE at the end, so an interrupted run can be resumed with --resume.

    PHOTOS may be JPEG, PNG, HEIC, AVIF, WebP, TIFF, JPEG 2000 and other images, Parquet files with a column of image
    bytes, tar or zip files of images, or folders of these. In folders, hidden and other files are skipped and counted
    at the end. docs/reference/file-formats.md lists what can be read. For very large data sets, use --engine ray with a
    folder as --out: workers write Parquet shards there.

    Examples:

        prefiqs score holiday/ portrait.jpg --out scores.csv

        prefiqs score "photos/**/*.jpg" --all-faces --out scores.parquet --resume

        prefiqs score faces/ --aligned --method pruning-margin --out scores.txt

        prefiqs score holiday/ --html report.html

        find photos -name "*.jpg" | prefiqs score - --out scores.csv

        prefiqs score portrait.jpg --json --strict

        prefiqs score holiday/ --method froq -o calibration=froq.json

        prefiqs score shards/ --aligned --engine ray --workers 8 --out scores.parquet
    """
    from prefiqs.apps.ray.cluster import Cluster
    from prefiqs.apps.score.ray import RayScorer, score_dataset
    from prefiqs.apps.score.run import check_out, print_scores, write_scores
    from prefiqs.apps.score.scorer import PhotoScorer
    from prefiqs.faces.find import find_images, in_words
    from prefiqs.faces.lists import expand_lists

    if html and not out:
        out = html.with_suffix(".csv")
    options: dict[str, Any] = {name: _json_value(text) for name, text in shared.name_value_pairs("-o", option).items()}
    if own := options.keys() & inspect.signature(PhotoScorer).parameters.keys() | options.keys() & {"device"}:
        raise InputError(f"-o {min(own)}=… is not an option of a method. See `prefiqs score --help`.")
    options |= {name: value for name, value in {"ratio": ratio, "batch_size": batch_size}.items() if value is not None}
    into_folder = engine == "ray" and out is not None and not out.suffix
    methods = method.split(",")
    paths = expand_lists(photos)
    check_out(out, resume, as_json, all_faces or len(methods) > 1, into_folder, force, html)
    if engine == "local" and (workers is not None or address is not None):
        raise InputError("--workers and --address need --engine ray. Add it, or leave them out.")
    if out is not None and into_folder:
        summary = score_dataset(paths, out, methods, model, aligned, workers, device, shard_size, address, all_faces,
                                landmarks, **options)  # fmt: skip
        lost = summary.failed
        print(summary, file=sys.stderr)
    else:
        passed_over: Counter[str] = Counter()
        shards, given = find_images(paths, shard_size, passed_over), (methods, model, aligned, all_faces)
        scorer: PhotoScorer | RayScorer
        if engine == "ray":
            scorer = RayScorer(Cluster(workers, device, address), *given, landmarks=landmarks, **options)
        else:
            single = not all_faces and len(shards) == 1 and len(shards[0].names()) == 1
            scorer = PhotoScorer(*given, landmarks=landmarks, one_by_one=single, device=device, **options)
        found, lost = write_scores(scorer, shards, out, resume, force) if out else print_scores(scorer, shards, as_json)
        told = f"{found} photos, {found - lost} scored, {lost} without a score. {in_words(passed_over, shards)}"
        print(told.rstrip(), file=sys.stderr)
    if out and html:
        from prefiqs.apps.score.page import write_page  # which loads pandas
        from prefiqs.apps.score.rows import read_scores

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
