"""`prefiqs benchmark`."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from prefiqs.cli import _shared as shared
from prefiqs.errors import InputError

_METHODS = "norm,pruning-margin,quality-network@qualityface,ser-fiq,prefiqs"  # in the order of their cost


def benchmark(
    people: Annotated[
        Path, Argument(help="A folder with one folder per person, or a table with columns name (path) and subject.")
    ],
    out: Annotated[Path, Option(help="Folder for scores, embeddings, tables and report.html.")],
    method: shared.Methods = _METHODS,
    model: shared.Model = "sface",
    verifier: Annotated[
        list[str] | None,
        Option(help="Your recogniser: a model, an .onnx file, or NAME=FILE; may be repeated. Default: as --model."),
    ] = None,
    scores: Annotated[
        list[str] | None, Option(help="Scores of another tool for these photos: FILE or METHOD=FILE; may be repeated.")
    ] = None,
    lower_is_better: shared.LowerIsBetter = None,
    fmr: shared.Fmrs = shared.FMRS,
    impostors: Annotated[int, Option(min=1, help="Impostor pairs to draw; all genuine pairs are compared.")] = 100_000,
    target_fnmr: shared.TargetFnmrs = shared.TARGET_FNMRS,
    groups: shared.Groups = None,
    bootstrap: Annotated[int, Option(help="Bootstrap resamples of people for 95 % intervals; 0 = none.")] = 1000,
    seed: Annotated[int, Option(help="Seed of impostor pairs and bootstrap.")] = 0,
    device: shared.Device = "auto",
) -> None:
    """Find the quality method and the threshold for your own recogniser and photos.

    Aligns, scores and embeds the photos, and compares all genuine pairs and a sample of the impostor pairs. The report
    says which method is best, below which score to reject a photo, and what that costs. List cheap methods first: of
    those that cannot be told apart, the first is recommended. Scores and embeddings in --out are reused, so an
    interrupted run can be started again. docs/how-to/choose.md explains each step.

    Example: prefiqs benchmark people/ --verifier mine.onnx --out report
    """
    from prefiqs.apps import benchmark as app
    from prefiqs.apps.evaluate.inputs import Settings, labelled

    verifiers: dict[str, str] = {}
    for label, network in map(labelled, verifier or [model]):
        name = label or (network.stem if network.is_file() else str(network))
        if name in verifiers:
            raise InputError(f"Two verifiers are called {name}. Rename one: NAME={network}.")
        verifiers[name] = str(network)
    settings = Settings(tuple(fmr), resamples=bootstrap, seed=seed, target_fnmrs=tuple(target_fnmr))
    report = app.benchmark(
        people, out, method.split(","), model, verifiers, settings, scores or (), lower_is_better or (), impostors,
        groups, device,
    )  # fmt: skip
    print(report.markdown())
    print(f"report: {out / 'report.html'}", file=sys.stderr)
