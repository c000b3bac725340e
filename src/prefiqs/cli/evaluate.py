"""`prefiqs evaluate`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

_FMRS = [1e-3, 1e-4]  # of `evaluate`


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
    threshold_rule: Annotated[
        str, typer.Option(help="Similarity threshold nearest to the target FMR, or conservative (not above it).")
    ] = "nearest",
    step: Annotated[float, typer.Option(help="Step of the discard fraction.")] = 0.05,
    max_discard: Annotated[float, typer.Option(help="Discard fraction up to which pAUC is taken.")] = 0.3,
    bootstrap: Annotated[int, typer.Option(help="Resamples for 95 % intervals; 0 for no intervals.")] = 0,
    resample_unit: Annotated[str, typer.Option(help="What the bootstrap draws: people or pairs.")] = "people",
    score_mapping: Annotated[
        str | None, typer.Option(help="Fit a scale of 0 to 100, sigmoid or percentile, on half of the people.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap, and of the choice of people held out.")] = 0,
    title: Annotated[str | None, typer.Option(help="Of the report; the folder's name if not given.")] = None,
) -> None:
    """Compare quality scores on your own embeddings and pairs: EDC figures, pAUC tables, a one-page report.

    Example: prefiqs evaluate CRFIQAL_lfw.txt PFE=pfe.txt --lower-is-better PFE --embeddings lfw_ArcFaceModel/
    --pairs lfw/pair_list.txt --bootstrap 1000 --out lfw-report
    """
    from prefiqs.apps.evaluate.compare import Settings
    from prefiqs.apps.evaluate.compare import evaluate as compare
    from prefiqs.apps.evaluate.inputs import read_inputs

    settings = Settings(
        tuple(fmr), threshold, threshold_rule, step, max_discard, bootstrap, resample_unit, seed, score_mapping
    )
    inputs = read_inputs(scores, embeddings, pairs, names, lower_is_better or ())
    areas = compare(inputs, settings, out, title or out.absolute().name)
    print(areas.markdown())
    print(f"{len(inputs.names)} images, {len(inputs.pairs)} pairs; report: {out / 'report.html'}", file=sys.stderr)
