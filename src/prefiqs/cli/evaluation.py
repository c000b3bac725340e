"""Commands for recognisers: which method, which threshold, and the method as an ONNX file."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from prefiqs.cli._shared import Device, Methods, Model
from prefiqs.errors import InputError

_FMRS, _TARGET_FNMRS = [1e-3, 1e-4], [0.05]
_Fmrs = Annotated[list[float], Option("--fmr", help="Target FMR; may be repeated.")]
_TargetFnmrs = Annotated[
    list[float], Option("--target-fnmr", help="Target FNMR for the rejection threshold; may be repeated.")
]
_LowerIsBetter = Annotated[list[str] | None, Option(help="Method whose lower scores are better; may be repeated.")]
_Groups = Annotated[str | None, Option(help="FILE:COLUMN: a table with the group of each image or person.")]


def benchmark(
    people: Annotated[Path, Argument(help="A folder with one folder per person, or a table of name and subject.")],
    out: Annotated[Path, Option(help="Folder for scores, embeddings, tables and report.html.")],
    method: Methods = "norm,pruning-margin,quality-network@qualityface,ser-fiq,prefiqs",  # in the order of their cost
    model: Model = "sface",
    verifier: Annotated[
        list[str] | None, Option(help="Your recogniser: a model or NAME=FILE; may be repeated. Default: as --model.")
    ] = None,
    scores: Annotated[
        list[str] | None, Option(help="Scores of another tool for these photos: FILE or METHOD=FILE; may be repeated.")
    ] = None,
    lower_is_better: _LowerIsBetter = None,
    fmr: _Fmrs = _FMRS,
    impostors: Annotated[int, Option(min=1, help="Impostor pairs to draw; all genuine pairs are compared.")] = 100_000,
    target_fnmr: _TargetFnmrs = _TARGET_FNMRS,
    groups: _Groups = None,
    bootstrap: Annotated[int, Option(help="Bootstrap resamples of people for 95 % intervals; 0 = none.")] = 1000,
    seed: Annotated[int, Option(help="Seed of impostor pairs and bootstrap.")] = 0,
    device: Device = "auto",
) -> None:
    """Find the quality method and the threshold for your own recogniser and photos.

    Aligns, scores and embeds the photos, and compares all genuine pairs and a sample of the impostor pairs. The report
    says which method is best, below which score to reject a photo, and what that costs. List cheap methods first: of
    those that cannot be told apart, the first is recommended. Scores and embeddings in --out are reused, so an
    interrupted run can be started again. docs/choose.md explains each step.

    Example: prefiqs benchmark people/ --verifier mine.onnx --out report
    """
    from prefiqs.apps import benchmark as app
    from prefiqs.apps.evaluate.inputs import Settings, labelled

    verifiers: dict[str, str] = {}
    for label, network in map(labelled, verifier or [model]):
        name = label or (network.stem if network.is_file() else str(network))
        if name in verifiers:
            raise InputError(f"Two verifiers are called {name}. Call one NAME={network}.")
        verifiers[name] = str(network)
    settings = Settings(tuple(fmr), resamples=bootstrap, seed=seed, target_fnmrs=tuple(target_fnmr))
    report = app.benchmark(
        people, out, method.split(","), model, verifiers, settings, scores or (), lower_is_better or (), impostors,
        groups, device,
    )  # fmt: skip
    print(report.markdown())
    print(f"report: {out / 'report.html'}", file=sys.stderr)


def evaluate(
    scores: Annotated[list[str], Argument(help="`PATH SCORE` text or tables: FILE, FILE:COLUMN or METHOD=FILE.")],
    embeddings: Annotated[
        list[str], Option(help="FILE or VERIFIER=FILE: array, table, text, or folder of NAME.npy; may be repeated.")
    ],
    pairs: Annotated[Path, Option(help="`NAME NAME 1|0` text, a table with left, right, genuine, or LFW's list.")],
    out: Annotated[Path, Option(help="Folder for tables, figures and report.html.")],
    names: Annotated[Path | None, Option(help="Names of the rows of an array: one per line, or a table.")] = None,
    templates: Annotated[
        Path | None, Option(help="`NAME TEMPLATE MEDIUM` text or a table, if --pairs lists templates (IJB-C).")
    ] = None,
    lower_is_better: _LowerIsBetter = None,
    fmr: _Fmrs = _FMRS,
    threshold: Annotated[
        str, Option(help="Similarity threshold of the curves: recomputed (CR-FIQA) or fixed (ISO/IEC 29794-1).")
    ] = "recomputed",
    threshold_rule: Annotated[
        str, Option(help="FMR nearest to the target, conservative (not above it), or cr-fiqa (nearest, as published).")
    ] = "nearest",
    step: Annotated[float, Option(help="Step of the discard fraction.")] = 0.05,
    max_discard: Annotated[float, Option(help="Upper limit of the discard fraction for pAUC.")] = 0.3,
    target_fnmr: _TargetFnmrs = _TARGET_FNMRS,
    groups: _Groups = None,
    bootstrap: Annotated[
        int | None, Option(help="Bootstrap resamples; 0 = none; default: 1,000, but 100 above a million pairs.")
    ] = None,
    resample_unit: Annotated[str, Option(help="What the bootstrap resamples: people or pairs.")] = "people",
    seed: Annotated[int, Option(help="Seed of the bootstrap.")] = 0,
    title: Annotated[str | None, Option(help="Title of the report; default: the name of the folder.")] = None,
) -> None:
    """Say which quality scores and which threshold suit your recogniser: a report with verdict, tables and figures.

    List the score files of cheap methods first: of those that cannot be told apart, the first is recommended.
    docs/usage.md describes the input files.

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


def export(
    model: Annotated[str, Argument(help="Face recognition model; see `prefiqs list models`.")],
    out: Annotated[Path, Argument(help="The .onnx file to write.")],
    ratio: Annotated[float, Option(help="Pruning ratio.")] = 0.4,
    granularity: Annotated[str, Option(help="unstructured or structured.")] = "unstructured",
    criterion: Annotated[str, Option(help="l1 or random.")] = "l1",
    seed: Annotated[int, Option(help="Seed of the random criterion.")] = 0,
) -> None:
    """Export PreFIQs as one ONNX graph. Input: aligned faces, uint8 RGB n×112×112×3; output: score, drift, embedding.

    Example: prefiqs export sface quality.onnx --ratio 0.4
    """
    from prefiqs.apps.export import export_onnx
    from prefiqs.pruning.spec import PruningSpec

    for name, value in export_onnx(model, PruningSpec(ratio, granularity, criterion, seed), out).items():
        print(f"{name}: {value}")
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB", file=sys.stderr)
