"""How a training went."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from prefiqs.reporting.figures.style import GREY, new_figure, themed

LOSSES = ("loss", "cosine", "similarity", "quality")


@themed
def training_curves(log: pd.DataFrame, teacher: Mapping[str, float]) -> Figure:
    """Draw the terms of the loss (logarithmic), and beside them what was watched, over the steps.

    log: one row a checkpoint: step, the `LOSSES`, and a column in [0, 1] for each benchmark that was watched.
    teacher: benchmark -> what the teacher reaches there.
    """
    figure = new_figure(height=3.6)
    left, right = figure.subplots(1, 2)
    for name in LOSSES:
        left.plot(log["step"], log[name], label=name)
    left.set(yscale="log", xlabel="step", ylabel="mean loss since the last checkpoint")
    left.legend()
    for name, reached in teacher.items():
        right.plot(log["step"], 100 * log[name], label=name)
        right.axhline(100 * reached, color=GREY, linestyle=":", label=f"teacher on {name}")
    right.set(xlabel="step", ylabel="verification accuracy (%)")
    right.legend(loc="lower right")
    return figure
