"""`prefiqs plan`."""

from typing import Annotated

from typer import Argument

from prefiqs.cli._shared import Settings, name_value_pairs


def plan(
    preset: Annotated[
        str | None, Argument(help="A preset from presets/, or a YAML file; default: params.yaml.")
    ] = None,
    setting: Settings = None,
) -> None:
    """Estimate the cost of a run (stages, forward passes, disk space) without starting it."""
    import pandas as pd

    from prefiqs.pipeline.params import stage_items
    from prefiqs.pipeline.plan import plan as estimate
    from prefiqs.pipeline.run import open_run
    from prefiqs.pipeline.workspace import run_parameters

    layout = open_run().layout
    params, content = run_parameters(layout.root, preset, name_value_pairs("--set", setting), "planned")
    table = estimate(params, stage_items(layout.root, content), layout.data)
    total = table.drop(columns="stage").sum(skipna=False).to_frame().T.assign(stage="total")
    shown = pd.concat([table, total], ignore_index=True).astype({"runs": int})
    for column in ("forward_passes", "megabytes"):
        shown[column] = [f"{value:,.0f}" if value == value else "not known yet" for value in shown[column]]
    print(shown.to_markdown(index=False, colalign=("left", "right", "right", "right"), disable_numparse=True))
