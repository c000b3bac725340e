"""The command line: scores for a folder of photos, what is there, and the runner of the pipeline's notebooks."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import typer

import prefiqs
from prefiqs.core.errors import InputError, PrefiqsError
from prefiqs.core.paths import data_root

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown", help=__doc__)
listing = typer.Typer(no_args_is_help=True, help="Show what is known and what is present.")
app.add_typer(listing, name="list")

_UNSCORED = 3  # exit status of `score --strict`
Engine = Literal["local", "ray"]
_FMRS = [1e-3, 1e-4]  # of `evaluate`


def main() -> None:
    """Run the command line; a mistake or a fault outside it is one sentence on stderr and exit status 1."""
    try:
        app()
    except (PrefiqsError, OSError) as error:
        if logging.getLogger("prefiqs").isEnabledFor(logging.DEBUG):
            raise
        if isinstance(error, BrokenPipeError):  # `prefiqs score … | head` has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            print(f"prefiqs: {_sentence(error)}", file=sys.stderr)
        sys.exit(1)


def _sentence(error: PrefiqsError | OSError) -> str:
    if isinstance(error, PrefiqsError):
        return str(error)
    place = f" ({error.filename})" if error.filename else ""
    return f"Expected to be able to read and write files, got: {error.strerror or error}{place}."


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"prefiqs {prefiqs.__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Say more, and show where an error came from.")] = False,
) -> None:
    """Face image quality is what survives pruning: scores for photos, and the runner of the pipeline's notebooks."""
    logging.basicConfig(format="%(name)s: %(message)s")
    logging.getLogger("prefiqs").setLevel(logging.DEBUG if debug else logging.WARNING)
    if not debug:  # what is wrong with a photo stands in its row
        warnings.filterwarnings("ignore", module="PIL")
        os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")


_Source = Annotated[Path, typer.Argument(help="Folder of photos, .parquet or .tar files, or one such file.")]
_Shards = Annotated[Path, typer.Argument(help="Folder for the Parquet shards; a run that was interrupted goes on.")]
_Workers = Annotated[int | None, typer.Option(help="Ray: processes; by default one a GPU, or a machine without.")]
_Device = Annotated[str, typer.Option(help="auto (GPUs where the cluster has them), cpu or cuda.")]
_PartSize = Annotated[int, typer.Option(help="Ray: images that a worker does at a time; a tar file is one part.")]
_Address = Annotated[str | None, typer.Option(help="Ray: a running cluster; by default this machine.")]


@app.command()
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
    workers: _Workers = None,
    part_size: _PartSize = 1024,
    address: _Address = None,
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
    from prefiqs.scoring import FaceScorer, PhotoScorer, check_out, find_photos, print_scores, write_scores

    options = {name: _value(text) for name, text in _pairs("-o", option).items()}
    if ratio is not None:
        options["ratio"] = ratio
    if engine == "ray":
        if len(photos) != 1 or out is None or as_json or all_faces:
            raise InputError("Expected one source, --out with a folder, and neither --json nor --all-faces beside "
                             "--engine ray, got others; leave out --engine for single photos.")  # fmt: skip
        if batch_size is not None:
            options["batch_size"] = batch_size
        cluster: dict[str, Any] = {"workers": workers, "device": device, "part_size": part_size, "address": address}
        lost = _say(prefiqs.score_dataset(photos[0], out, method, model, aligned, **cluster, **options))
    else:
        check_out(out, resume, as_json, all_faces)
        paths = find_photos(photos)
        given: dict[str, Any] = {"device": device, "batch_size": batch_size} | options
        scorer = PhotoScorer(FaceScorer(method, model, **given), aligned, all_faces)
        lost = print_scores(scorer, paths, as_json) if out is None else write_scores(scorer, paths, out, resume)
        print(f"{len(paths)} photos, {len(paths) - lost} scored, {lost} without a score", file=sys.stderr)
    if strict and lost:
        raise typer.Exit(_UNSCORED)


@app.command()
def embed_dataset(
    source: _Source,
    out: _Shards,
    model: Annotated[str, typer.Option(help="FR model, or an .onnx file.")] = "sface",
    aligned: Annotated[bool, typer.Option(help="The images are aligned 112×112 faces already.")] = False,
    workers: _Workers = None,
    device: _Device = "auto",
    part_size: _PartSize = 1024,
    address: _Address = None,
) -> None:
    """Embed a data set of any size (raw embeddings) on all processes of a Ray cluster."""
    from prefiqs.distributed import embed_dataset as run

    _say(run(source, out, model, aligned, workers, device, part_size, address))


def _say(summary) -> int:
    """How many images have no result, after a line about all of them."""
    print(f"{summary.images} images in {summary.parts} parts, {summary.failed} with a problem; {summary.found} parts "
          "were there already", file=sys.stderr)  # fmt: skip
    return summary.failed


@app.command()
def calibrate(
    photos: Annotated[list[Path], typer.Argument(help="Photos of all qualities, or folders of them; a few hundred.")],
    out: Annotated[Path, typer.Option(help="Write the calibration to this .json.")],
    model: Annotated[str, typer.Option(help="FR model that is calibrated.")] = "sface",
    aligned: Annotated[bool, typer.Option(help="The photos are aligned 112×112 faces already.")] = False,
) -> None:
    """Calibrate the method froq: choose the layers of a model that it listens to, for `-o calibration=FILE`."""
    from prefiqs.models import load_model
    from prefiqs.quality.froq import calibrate as choose_layers
    from prefiqs.scoring import FacesOf, find_photos

    paths = find_photos(photos)
    faces = [face.image for photo in map(FacesOf(aligned), paths) for face in photo.faces]
    calibration = choose_layers(np.stack(faces) if faces else np.empty(0), load_model(model))
    calibration.save(out)
    print(f"{len(paths)} photos, {len(faces)} faces; Spearman correlation {calibration.correlation:.3f} with "
          f"{', '.join(calibration.layers)}", file=sys.stderr)  # fmt: skip


@app.command()
def evaluate(
    scores: Annotated[
        list[str], typer.Argument(help="Score files (`PATH SCORE` text, .csv, .parquet), or METHOD=FILE.")
    ],
    embeddings: Annotated[
        Path, typer.Option(help=".npy (see --names), .csv, .parquet, `NAME v1 v2 …` text, or a folder of NAME.npy.")
    ],
    pairs: Annotated[Path, typer.Option(help="`NAME NAME 1|0` text, or left, right, genuine in a .csv or .parquet.")],
    out: Annotated[Path, typer.Option(help="Folder for tables, figures and report.html.")],
    names: Annotated[Path | None, typer.Option(help="Names (one a line, or a table) of the rows of a .npy.")] = None,
    lower_is_better: Annotated[list[str] | None, typer.Option(help="Method whose scores fall with quality.")] = None,
    fmr: Annotated[list[float], typer.Option(help="Target FMR; several may be given.")] = _FMRS,
    threshold: Annotated[str, typer.Option(help="recomputed (CR-FIQA) or fixed (ISO/IEC 29794-1).")] = "recomputed",
    rule: Annotated[str, typer.Option(help="nearest or conservative, to the target FMR.")] = "nearest",
    step: Annotated[float, typer.Option(help="Of the discard fraction.")] = 0.05,
    limit: Annotated[float, typer.Option(help="Discard fraction up to which pAUC is taken.")] = 0.3,
    bootstrap: Annotated[int, typer.Option(help="Resamples for 95 % intervals; 0: none.")] = 0,
    resampled: Annotated[str, typer.Option(help="What the bootstrap draws: people or pairs.")] = "people",
    calibrate: Annotated[
        str | None, typer.Option(help="Fit a scale of 0-100, sigmoid or percentile, on half of the people.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap, and of the people held out.")] = 0,
    title: Annotated[str | None, typer.Option(help="Of the report; the folder's name if not given.")] = None,
) -> None:
    """Compare quality scores on your own embeddings and pairs: EDC figures, pAUC tables, a one-page report.

    Example: prefiqs evaluate CRFIQAL_lfw.txt PFE=pfe.txt --lower-is-better PFE --embeddings lfw_ArcFaceModel/
    --pairs lfw/pair_list.txt --bootstrap 1000 --out lfw-report
    """
    from prefiqs.comparing import Settings, read_material
    from prefiqs.comparing import evaluate as compare

    settings = Settings(tuple(fmr), threshold, rule, step, limit, bootstrap, resampled, seed, calibrate)
    material = read_material(scores, embeddings, pairs, names, lower_is_better or ())
    areas = compare(material, settings, out, title or out.absolute().name)
    print(areas.drop(columns="verifier").to_markdown(index=False, floatfmt=".4g"))
    print(f"{len(material.names)} images, {len(material.pairs)} pairs; report: {out / 'report.html'}", file=sys.stderr)


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="FR model; see `prefiqs list models`.")],
    out: Annotated[Path, typer.Argument(help="Write this .onnx file.")],
    ratio: Annotated[float, typer.Option(help="Pruning ratio.")] = 0.4,
    granularity: Annotated[str, typer.Option(help="unstructured or structured.")] = "unstructured",
    criterion: Annotated[str, typer.Option(help="l1 or random.")] = "l1",
    seed: Annotated[int, typer.Option(help="Of the random criterion.")] = 0,
) -> None:
    """Write PreFIQs as one ONNX graph: aligned faces, uint8 RGB n×112×112×3, to score, drift and embedding.

    Example: prefiqs export sface quality.onnx --ratio 0.4
    """
    from prefiqs.core.recipe import Recipe
    from prefiqs.export import export_onnx

    for name, value in export_onnx(model, Recipe(ratio, granularity, criterion, seed), out).items():
        print(f"{name}: {value}")
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB", file=sys.stderr)


@app.command()
def fetch(names: Annotated[list[str] | None, typer.Argument(help="Assets; all of them if none is named.")] = None):
    """Download weights and faces that are not there yet, and check them."""
    from prefiqs.assets import fetch_all

    for name, path in fetch_all(names or None).items():
        print(f"{name}: {path}")


@app.command()
def notebook(
    source: Annotated[Path, typer.Argument(help="A notebook of notebooks/.")],
    html: Annotated[Path, typer.Argument(help="Where the rendered page goes.")],
    parameter: Annotated[list[str] | None, typer.Option("-p", help="NAME=VALUE of the parameters cell.")] = None,
) -> None:
    """Execute a notebook with papermill and render it; this is what every stage of `dvc repro` calls."""
    from prefiqs.reporting import run_notebook

    run_notebook(source, html, _pairs("-p", parameter))


@app.command()
def plan(
    params: Annotated[Path, typer.Argument(help="params.yaml, or a preset before it is chosen.")] = Path("params.yaml"),
):
    """Say what a run will cost (stages, forward passes, disk space) before anything starts."""
    from prefiqs.core.config import load_params
    from prefiqs.plan import plan as cost

    table = cost(load_params(params), data_root())
    total = table.drop(columns="stage").sum().to_frame().T.assign(stage="total")
    table = pd.concat([table, total], ignore_index=True)
    print(table.astype({"runs": int, "forward_passes": int}).round({"megabytes": 0}).to_markdown(
        index=False, intfmt=",", floatfmt=",.0f"
    ))  # fmt: skip


@app.command()
def site(out: Annotated[Path, typer.Argument(help="Folder of the site; one made before is replaced.")] = Path("site")):
    """Make a static site of what `dvc repro` found: findings, sortable results, a gallery of faces by score."""
    from prefiqs.core.config import load_params
    from prefiqs.site import build_site

    params = load_params()
    print(build_site(out, params, "data", params.report.folder) / "index.html")


@listing.command()
def methods() -> None:
    """Quality methods and what each is."""
    from prefiqs.quality import METHODS

    for name, function in METHODS.items():
        about = (sys.modules[function.__module__].__doc__ or "").partition("\n")[0]
        print(f"{name}: {about}")


@listing.command()
def models() -> None:
    """FR models: input, size of the embedding, licence of the weights, and whether they are there."""
    from prefiqs.models import card_of, known_models, weights_state

    for name in known_models():
        card, spec = card_of(name), card_of(name).input_spec
        pixels = f"{spec.colour.upper()}, (x - {spec.mean:g})/{spec.std:g}"
        size = f"{card.embedding_size}-d" if card.embedding_size else "size of the embedding as in the file"
        print(f"{name}: {card.description}; {pixels}; {size}; licence: {card.licence}; {weights_state(name)}")


@listing.command()
def assets() -> None:
    """Weights and data sets: where they lie, whether they are right, their licence."""
    from prefiqs.assets import status

    for asset in status():
        print(f"{asset.name}: {asset.state}, {asset.path}, {asset.licence}")


@listing.command()
def benchmarks() -> None:
    """Every known benchmark: built (with counts), source present, or what is missing; and those made of others."""
    from prefiqs.datasets import inventory

    for state in inventory(data_root()):
        print(state)


def _pairs(flag: str, given: list[str] | None) -> dict[str, str]:
    pairs = [p.partition("=") for p in given or []]
    if bad := [name for name, equals, _ in pairs if not equals]:
        raise InputError(f"Expected {flag} NAME=VALUE, got {bad[0]!r}.")
    return {name: value for name, _, value in pairs}


def _value(text: str) -> object:
    """A number, true, false or null as JSON has them; anything else is the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


if __name__ == "__main__":
    main()
