"""Commands for photos: scores, what to make of them, embeddings."""

import inspect
import json
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from typer import Argument, Exit, Option

from prefiqs.cli._shared import Device, Methods, Model, name_value_pairs
from prefiqs.errors import InputError

_UNSCORED = 3  # exit status of `score --strict`
_SHOWN = ["path", "face", "score", "percentile", "hints"]

_method = partial(Option, rich_help_panel="Method")
_output = partial(Option, rich_help_panel="Output")
_ray = partial(Option, rich_help_panel="Ray")

_Aligned = Annotated[bool, Option("--aligned", help="The photos are already aligned 112×112 faces.")]
_AllFaces = Annotated[bool, Option("--all-faces", help="A row for every face of a photo, not only the largest.")]
_Workers = Annotated[int | None, _ray(help="Number of processes; default: one per GPU, or one per machine.")]
_ShardSize = Annotated[int, _ray(help="Images per shard; a tar file is always one shard.")]
_Address = Annotated[str | None, _ray(help="Address of a running cluster; default: this machine.")]
_Folder = Annotated[Path, Option(help="Folder to which relative paths in the table refer.")]


def score(
    photos: Annotated[
        list[Path],
        Argument(help="Photos, folders, globs in quotes, @LIST (one path a line), or - (a list on standard input)."),
    ],
    aligned: _Aligned = False,
    all_faces: _AllFaces = False,
    landmarks: Annotated[
        Path | None, Option(help="Table or text (`PATH x1 y1 … x5 y5`) of landmarks, instead of detecting faces.")
    ] = None,
    device: Device = "auto",
    batch_size: Annotated[int | None, Option(min=1, help="Faces per batch.")] = None,
    method: Methods = "prefiqs",
    model: Model = "sface",
    ratio: Annotated[float | None, _method(help="Pruning ratio, for methods that prune.")] = None,
    option: Annotated[list[str] | None, _method("-o", help="NAME=VALUE: another option of the method.")] = None,
    out: Annotated[Path | None, _output(help=".csv, .parquet or .txt (`PATH SCORE`); default: CSV on stdout.")] = None,
    html: Annotated[
        Path | None, _output(help="Also write a page with the faces; without --out, the table next to it as .csv.")
    ] = None,
    resume: Annotated[bool, _output("--resume", help="Resume an interrupted run, or add photos to a table.")] = False,
    force: Annotated[bool, _output("--force", help="Start again, and replace what --out holds.")] = False,
    strict: Annotated[bool, _output("--strict", help=f"Exit with status {_UNSCORED} if a photo has no score.")] = False,
    as_json: Annotated[bool, _output("--json", help="Print one JSON object per line on stdout.")] = False,
    engine: Annotated[Literal["local", "ray"], _ray(help="Compute in this process, or on a Ray cluster.")] = "local",
    workers: _Workers = None,
    shard_size: _ShardSize = 1024,
    address: _Address = None,
) -> None:
    """Score the faces in photos; a higher score means a more recognisable face.

    The table has one row per face and method: path, face (its number in the photo), method, score, drift, percentile,
    box, landmarks, confidence, acquisition hints (faces in the photo, distance between the eyes, roll, yaw, sharpness
    …), status and settings. If a photo cannot be read or has no face, the status says why, and the run continues.
    With --out, results are written to FILE.progress as they arrive and to FILE at the end, so an interrupted run can be
    resumed with --resume.

    PHOTOS may be JPEG, PNG, HEIC, AVIF, WebP, TIFF, JPEG 2000 and other images, Parquet files with a column of image
    bytes, tar files of images, or folders of these. In folders, hidden files and files of other types are skipped and
    counted at the end. docs/usage.md lists what can be read. For very large data sets, use --engine ray with a folder
    as --out: workers write Parquet shards there.

    Examples:

    * prefiqs score holiday/ portrait.jpg --out scores.csv
    * prefiqs score "photos/**/*.jpg" --all-faces --out scores.parquet --resume
    * prefiqs score holiday/ --html report.html
    * find photos -name "*.jpg" | prefiqs score - --out scores.csv
    * prefiqs score portrait.jpg --json --strict
    * prefiqs score shards/ --aligned --engine ray --workers 8 --out scores.parquet
    """
    from prefiqs.apps.ray.cluster import Cluster
    from prefiqs.apps.score.page import write_page
    from prefiqs.apps.score.ray import RayScorer
    from prefiqs.apps.score.rows import read_scores
    from prefiqs.apps.score.run import check_out, print_scores, write_scores
    from prefiqs.apps.score.scorer import PhotoScorer
    from prefiqs.faces.find import find_images, in_words
    from prefiqs.faces.lists import expand_lists

    if html and not out:
        out = html.with_suffix(".csv")
    options: dict[str, Any] = {name: _json_value(text) for name, text in name_value_pairs("-o", option).items()}
    if own := options.keys() & inspect.signature(PhotoScorer).parameters.keys() | options.keys() & {"device"}:
        raise InputError(f"-o {min(own)}=… is not an option of a method. See `prefiqs score --help`.")
    options |= {name: value for name, value in {"ratio": ratio, "batch_size": batch_size}.items() if value is not None}
    into_folder = engine == "ray" and out is not None and not out.suffix
    methods = method.split(",")
    photos = expand_lists(photos)
    check_out(out, resume, as_json, all_faces or len(methods) > 1, into_folder, force, html)
    if engine == "local" and (workers is not None or address is not None):
        raise InputError("--workers and --address need --engine ray. Add it, or leave them out.")
    given = methods, model, aligned, all_faces
    scorer: PhotoScorer | RayScorer
    if engine == "ray":
        scorer = RayScorer(Cluster(workers, device, address), *given, landmarks=landmarks, **options)
    else:
        scorer = PhotoScorer(*given, landmarks=landmarks, device=device, **options)
    if out is not None and isinstance(scorer, RayScorer) and into_folder:
        summary = scorer.write(photos, out, shard_size)
        lost, told = summary.failed, str(summary)
    else:
        passed_over: Counter[str] = Counter()
        shards = find_images(photos, shard_size, passed_over)
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


def show(
    table: Annotated[Path, Argument(help="A .csv or .parquet of `prefiqs score`.")],
    worst: Annotated[int, Option(min=0, help="How many of the lowest scores to show.")] = 20,
    best: Annotated[int, Option(min=0, help="How many of the highest scores to show.")] = 0,
    html: Annotated[Path | None, Option(help="Also write a self-contained page with these faces.")] = None,
    photos: _Folder = Path(),
) -> None:
    """Show the lowest and highest scores of a table, with hints. The page of --html also has a threshold to try.

    Examples:

    * prefiqs show scores.csv --worst 20
    * prefiqs show scores.csv --worst 100 --best 50 --html scores.html
    """
    from prefiqs.apps.score.page import write_page
    from prefiqs.apps.score.rows import read_scores
    from prefiqs.apps.score.run import check_page

    if html:
        check_page(html)
    rows = read_scores(table).to_pandas()
    for method, scored in rows.dropna(subset="score").sort_values("score", kind="stable").groupby("method", sort=False):
        for end, some in (("lowest", scored.head(worst)), ("highest", scored.tail(best)[::-1])):
            if len(some):
                print(f"The {len(some)} {end} scores of {method}:\n")
                shown = some[_SHOWN].astype({"face": int}).astype(object).fillna("")
                print(shown.to_markdown(index=False, disable_numparse=True), end="\n\n")
    lost = rows.loc[rows["score"].isna(), "path"].nunique()
    print(f"{rows['path'].nunique():,} photos, {lost:,} without a score", file=sys.stderr)
    if html:
        write_page(rows, html, table.name, photos, worst, best)
        print(f"page: {html}", file=sys.stderr)


def best(
    people: Annotated[Path, Argument(help="A folder with one folder per person, or a table of `prefiqs score`.")],
    count: Annotated[int, Option("-k", min=1, help="Photos per person.")] = 1,
    copy_to: Annotated[Path | None, Option(help="Copy the chosen photos to this folder, as PERSON/NAME.")] = None,
    photos: _Folder = Path(),
    method: Annotated[str, _method(help="Quality method (see `prefiqs list methods`).")] = "prefiqs",
    model: Model = "sface",
    aligned: _Aligned = False,
    device: Device = "auto",
) -> None:
    """Choose the best photos of each person by the score of the largest face, and print them as CSV with hints.

    In a table, the folder of a photo stands for the person, and --method is needed only if there are several methods.

    Examples:

    * prefiqs best people/ -k 1
    * prefiqs best scores.csv -k 3 --copy-to enrolment/
    """
    from prefiqs.apps.score.best import COLUMNS, best_photos, copy_photos, photos_by_folder
    from prefiqs.apps.score.run import progress
    from prefiqs.apps.score.scorer import PhotoScorer
    from prefiqs.datasets.people import people_in
    from prefiqs.faces.find import find_images

    if people.is_dir():
        photos_of = people_in(people, least=1)
        if photos_of.warning:
            print(photos_of.warning, file=sys.stderr)
        person_of = photos_of.person_of
        rows = PhotoScorer(method, model, aligned, device=device)(find_images(person_of))
        kept = [{name: row.get(name) for name in (*COLUMNS, "face", "status")}
                for of_photo in progress(rows, len(person_of)) for row in of_photo]  # fmt: skip
        table = pd.DataFrame(kept)
        table["person"] = table["path"].map(person_of)
    else:
        table = photos_by_folder(people, method)
    chosen = best_photos(table, count)
    chosen.to_csv(sys.stdout, index=False, lineterminator="\n", na_rep="NA")
    if copy_to:
        print(f"{copy_photos(chosen, photos, copy_to)} photos copied to {copy_to}", file=sys.stderr)


def embed_dataset(
    source: Annotated[list[Path], Argument(help="Photos, .parquet or .tar files of images, or folders of these.")],
    out: Annotated[Path, Argument(help="Folder for the Parquet shards; to resume, run the command again.")],
    model: Model = "sface",
    aligned: _Aligned = False,
    all_faces: _AllFaces = False,
    device: Device = "auto",
    workers: _Workers = None,
    shard_size: _ShardSize = 1024,
    address: _Address = None,
) -> None:
    """Write the raw embeddings of a data set of any size, computed on a Ray cluster.

    The output has the columns of `prefiqs score`, with embedding instead of method, score, drift and percentile.

    Example: prefiqs embed-dataset faces/ embeddings/ --aligned
    """
    from prefiqs.apps.score.ray import embed_dataset as run
    from prefiqs.faces.lists import expand_lists

    photos = expand_lists(source)
    print(run(photos, out, model, aligned, workers, device, shard_size, address, all_faces), file=sys.stderr)


def froq_calibrate(
    photos: Annotated[list[Path], Argument(help="A few hundred photos of good and bad quality, or folders of them.")],
    out: Annotated[Path, Option(help="The .json file to write.")],
    model: Model = "sface",
    aligned: _Aligned = False,
) -> None:
    """Choose the layers for the method froq, and save them in a file.

    Then score with `prefiqs score --method froq -o calibration=FILE`.
    """
    from prefiqs.faces.find import find_images
    from prefiqs.faces.lists import expand_lists
    from prefiqs.faces.reader import FaceReader
    from prefiqs.methods.froq import calibrate
    from prefiqs.models.loading import load_model

    images = (image for shard in find_images(expand_lists(photos)) for image in shard.images())
    found = list(map(FaceReader(aligned), images))
    faces = [face.image for photo in found for face in photo.faces]
    calibration = calibrate(np.stack(faces) if faces else np.empty(0), load_model(model))
    calibration.save(out)
    print(f"{len(found)} photos, {len(faces)} faces; Spearman correlation {calibration.correlation:.3f} with "
          f"{', '.join(calibration.layers)}", file=sys.stderr)  # fmt: skip
