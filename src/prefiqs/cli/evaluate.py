"""`prefiqs evaluate`."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from prefiqs.cli import _shared as shared


def evaluate(
    scores: Annotated[
        list[str], Argument(help="Scores, `PATH SCORE` text or tables: FILE, FILE:COLUMN or METHOD=FILE.")
    ],
    embeddings: Annotated[
        list[str],
        Option(help="FILE or VERIFIER=FILE: array, table, `NAME v1 …` text, or folder of NAME.npy; may be repeated."),
    ],
    pairs: Annotated[
        Path, Option(help="`NAME NAME 1|0` text, a table with columns left, right, genuine, or LFW's list.")
    ],
    out: Annotated[Path, Option(help="Folder for tables, figures and report.html.")],
    names: Annotated[Path | None, Option(help="Names of the rows of an array: one per line, or a table.")] = None,
    templates: Annotated[
        Path | None, Option(help="`NAME TEMPLATE MEDIUM` text or a table, if --pairs lists templates (IJB-C).")
    ] = None,
    lower_is_better: shared.LowerIsBetter = None,
    fmr: shared.Fmrs = shared.FMRS,
    threshold: Annotated[
        str, Option(help="Similarity threshold of the curves: recomputed (CR-FIQA) or fixed (ISO/IEC 29794-1).")
    ] = "recomputed",
    threshold_rule: Annotated[
        str, Option(help="How the threshold meets --fmr: nearest, conservative (not above it) or cr-fiqa (published).")
    ] = "nearest",
    step: Annotated[float, Option(help="Step of the discard fraction.")] = 0.05,
    max_discard: Annotated[float, Option(help="Upper limit of the discard fraction for pAUC.")] = 0.3,
    target_fnmr: shared.TargetFnmrs = shared.TARGET_FNMRS,
    groups: shared.Groups = None,
    bootstrap: Annotated[
        int | None,
        Option(
            help="Bootstrap resamples for intervals and verdict; 0 = none; default: 1,000 (100 above a million pairs)."
        ),
    ] = None,
    resample_unit: Annotated[str, Option(help="What the bootstrap resamples: people or pairs.")] = "people",
    seed: Annotated[int, Option(help="Seed of the bootstrap.")] = 0,
    title: Annotated[str | None, Option(help="Title of the report; default: the name of the folder.")] = None,
) -> None:
    """Find the quality score and the threshold that suit your recogniser: a report with verdict, tables and figures.

    List the score files of cheap methods first: of those that cannot be told apart, the first is recommended.
    docs/reference/file-formats.md describes the input files.

    Example: prefiqs evaluate CRFIQAL_lfw.txt PFE=pfe.txt --lower-is-better PFE --embeddings lfw_ArcFaceModel/
    --pairs lfw/pair_list.txt --out lfw-report
    """
    from prefiqs.apps.evaluate import compare
    from prefiqs.apps.evaluate.inputs import Settings, read_groups, read_inputs

    protocol = tuple(fmr), threshold, threshold_rule, step, max_discard
    settings = Settings(*protocol, bootstrap, resample_unit, seed, tuple(target_fnmr))
    inputs = read_inputs(scores, embeddings, pairs, names, lower_is_better or (), templates)
    grouping = read_groups(groups, inputs) if groups else None
    report = compare.evaluate(inputs, settings, out, title or out.absolute().name, grouping)
    print(report.markdown())
    print(f"{len(inputs.names)} images, {len(inputs.pairs)} pairs; report: {out / 'report.html'}", file=sys.stderr)
