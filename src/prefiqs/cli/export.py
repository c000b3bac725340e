"""`prefiqs export`."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option


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
