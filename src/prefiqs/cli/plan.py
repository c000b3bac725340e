"""`prefiqs plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from prefiqs.assets.location import data_root


def plan(
    params: Annotated[Path, typer.Argument(help="params.yaml, or a preset before it is chosen.")] = Path("params.yaml"),
):
    """Say what a run will cost (stages, forward passes, disk space) before anything starts."""
    from prefiqs.pipeline.params import load_params
    from prefiqs.pipeline.plan import plan as cost

    table = cost(load_params(params), data_root())
    total = table.drop(columns="stage").sum().to_frame().T.assign(stage="total")
    table = pd.concat([table, total], ignore_index=True)
    print(table.astype({"runs": int, "forward_passes": int}).round({"megabytes": 0}).to_markdown(
        index=False, intfmt=",", floatfmt=",.0f"
    ))  # fmt: skip
