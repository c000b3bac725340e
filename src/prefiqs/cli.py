"""The command line: scores for a folder of photos, what is there, and the runner of the pipeline's notebooks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from tqdm import tqdm

from prefiqs.core.errors import InputError, NoFaceFound, PrefiqsError
from prefiqs.core.paths import data_root

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
listing = typer.Typer(no_args_is_help=True, help="Show what is known and what is present.")
app.add_typer(listing, name="list")

_PHOTOS = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm"}


def main() -> None:
    """Run the command line; an error of this package or of the disk is one sentence on stderr and exit status 1."""
    try:
        app()
    except PrefiqsError as error:
        print(f"prefiqs: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"prefiqs: Expected to read and write files, got: {error}; make room, or choose another place.",
              file=sys.stderr)  # fmt: skip
        sys.exit(1)


@app.command()
def score(
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders that are searched for photos.")],
    out: Annotated[Path | None, typer.Option(help="Write to this .csv or .txt (PATH SCORE) instead of stdout.")] = None,
    method: Annotated[str, typer.Option(help="Quality method; see `prefiqs list methods`.")] = "prefiqs",
    model: Annotated[str, typer.Option(help="FR model, or an .onnx file.")] = "sface",
    ratio: Annotated[float | None, typer.Option(help="Pruning ratio of the methods that prune.")] = None,
    option: Annotated[list[str] | None, typer.Option("-o", help="NAME=VALUE, any other option of the method.")] = None,
    aligned: Annotated[bool, typer.Option(help="The photos are aligned 112×112 faces already.")] = False,
) -> None:
    """Score the largest face of each photo, higher = better; a photo without a face gets NA and a reason."""
    from prefiqs.quality import score as score_faces  # torch is slow to load: not for --help

    options = {name: _value(text) for name, text in _pairs("-o", option).items()}
    if ratio is not None:
        options["ratio"] = ratio
    paths = _find_photos(photos)
    faces, reasons = _faces_of(paths, aligned)
    found = [i for i, face in enumerate(faces) if face is not None]
    table = pd.DataFrame({"path": [str(p) for p in paths], "score": float("nan"), "problem": reasons})
    table.loc[found, "score"] = score_faces((faces[i] for i in found), method, model, **options).astype(float)
    _write_scores(table, out)
    print(f"{len(paths)} photos, {len(found)} scored, {len(paths) - len(found)} without a score", file=sys.stderr)


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

    paths = _find_photos(photos)
    faces = [face for face in _faces_of(paths, aligned)[0] if face is not None]
    calibration = choose_layers(np.stack(faces) if faces else np.empty(0), load_model(model))
    calibration.save(out)
    print(f"{len(paths)} photos, {len(faces)} faces; Spearman correlation {calibration.correlation:.3f} with "
          f"{', '.join(calibration.layers)}", file=sys.stderr)  # fmt: skip


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
def plan(params: Annotated[Path, typer.Argument(help="params.yaml, or a preset before it is chosen.")] = "params.yaml"):
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
def site(out: Annotated[Path, typer.Argument(help="Folder of the site; one made before is replaced.")] = "site"):
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
        print(f"{name}: {sys.modules[function.__module__].__doc__.splitlines()[0]}")


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


def _find_photos(given: list[Path]) -> list[Path]:
    paths = []
    for path in given:
        if path.is_dir():
            paths += sorted(p for p in path.rglob("*") if p.suffix.lower() in _PHOTOS and p.is_file())
        else:
            paths.append(path)
    if not paths:
        raise InputError(f"Expected photos in {', '.join(map(str, given))}, got none ({', '.join(sorted(_PHOTOS))}).")
    return paths


def _faces_of(paths: list[Path], aligned: bool) -> tuple[list, list[str]]:
    """The aligned face of each photo, None where there is none, and the reason for that."""
    read = [_face_of(path, aligned) for path in tqdm(paths, unit="photo", desc="aligning", disable=None)]
    return [face for face, _ in read], [reason for _, reason in read]


def _face_of(path: Path, aligned: bool):
    """The aligned face of a photo and no reason, or no face and the reason."""
    from prefiqs.api import align
    from prefiqs.imaging import read_photo
    from prefiqs.models import check_faces

    try:
        return (check_faces(read_photo(path)[None])[0] if aligned else align(path).image), ""
    except (NoFaceFound, InputError) as error:
        return None, str(error)


def _write_scores(table: pd.DataFrame, out: Path | None) -> None:
    from prefiqs.core.records import write_score_file, write_table

    if out is None:
        print(table.to_csv(index=False, na_rep="NA", float_format="%.9g"), end="")
    elif out.suffix == ".csv":
        write_table(table.assign(score=table["score"].map(lambda s: "NA" if s != s else f"{s:.9g}")), out)
    elif out.suffix == ".txt":
        scored = table.dropna(subset="score")
        write_score_file(scored["path"], scored["score"].to_numpy(), out)
    else:
        raise InputError(f"Expected --out to end in .csv or .txt, got {out}.")


if __name__ == "__main__":
    main()
