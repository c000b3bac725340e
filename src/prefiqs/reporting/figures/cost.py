"""What scores are worth for what they cost, and those that nothing beats in both."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from prefiqs.reporting.figures.curves import PAUC_LABEL
from prefiqs.reporting.figures.style import GREY, MARKERS, PALETTE, SMALL, check_table, new_figure, themed


@themed
def pauc_by_passes(points: pd.DataFrame, named: list[str], title: str = "") -> Figure:
    """Draw the pAUC of scores over their cost, a panel a verifier, with the Pareto front; lower left is better.

    points: columns verifier, method, group, passes (forward passes of a face), pauc (pAUC·10³). A group has one colour
        and marker.
    named: methods whose name stands beside their point.
    """
    check_table("points", points, ("verifier", "method"), ("passes", "pauc"))
    verifiers, groups = points["verifier"].unique(), points["group"].unique()
    figure = new_figure(height=1.0 + 3.2 * len(verifiers))
    panels = figure.subplots(len(verifiers), squeeze=False, sharex=True)[:, 0]
    for axes, verifier in zip(panels, verifiers, strict=True):
        part = points[points["verifier"] == verifier]
        for i, group in enumerate(groups):
            of_group = part[part["group"] == group]
            style = dict(color=PALETTE[i % len(PALETTE)], marker=MARKERS[i % len(MARKERS)], linestyle="")
            axes.plot(of_group["passes"], of_group["pauc"], label=group, markersize=6, alpha=0.8, **style)
        best = pareto_front(part)
        axes.step(best["passes"], best["pauc"], where="post", color=GREY, linewidth=1, zorder=1, label="Pareto front")
        axes.set(ylabel=PAUC_LABEL, title=f"{verifier} verifies")
        axes.margins(x=0.08)
    panels[-1].set_xlabel("forward passes of a face")
    figure.suptitle(title)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9.5)
    figure.draw_without_rendering()  # names are kept apart on the final scale
    for axes, verifier in zip(panels, verifiers, strict=True):
        _name_points(axes, points[(points["verifier"] == verifier) & points["method"].isin(named)])
    return figure


def _name_points(axes: Axes, points: pd.DataFrame) -> None:
    """Write the names of points beside them, towards the middle, each above those that it would cover."""
    placed: list[Bbox] = []
    middle = np.mean(axes.get_xlim())
    for row in points.sort_values("pauc").itertuples():
        way, side = (-1, "right") if row.passes > middle else (1, "left")
        line = dict(arrowstyle="-", color=GREY, linewidth=0.6, shrinkA=0, shrinkB=2)
        text = axes.annotate(row.method, (row.passes, row.pauc), (12 * way, 3), arrowprops=line, fontsize=SMALL)
        text.set(anncoords="offset points", ha=side, zorder=4, path_effects=[withStroke(linewidth=2, foreground="w")])
        text.set_in_layout(False)
        while any(_extent(text).overlaps(other) for other in placed):
            text.xyann = (12 * way, text.xyann[1] + 1)
        placed.append(_extent(text))


def _extent(text: Annotation) -> Bbox:
    """Where the slug of a name are, without the line to its point."""
    text.get_window_extent()  # moves them to where the name now is
    return Text.get_window_extent(text)


def pareto_front(points: pd.DataFrame) -> pd.DataFrame:
    """The rows that no other row beats: none that costs no more has a smaller pauc; by increasing passes."""
    ordered = points.sort_values(["passes", "pauc"], kind="stable")
    before = np.minimum.accumulate(np.r_[np.inf, ordered["pauc"]])[:-1]
    return ordered[ordered["pauc"] < before]
