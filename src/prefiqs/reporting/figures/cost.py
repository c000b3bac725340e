"""What scores are worth for what they cost: those that nothing beats in both, and the exits of a transformer."""

from itertools import cycle, pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from prefiqs.reporting.figures import style

_POINT = 4.5  # points around the middle of a point that a name keeps free
# Where a name may stand, in points from its point: nearest first.
_ANGLES = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_OFFSETS = np.concatenate([radius * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1) for radius in range(10, 100, 6)])
_HALO = [withStroke(linewidth=2, foreground="w")]


@style.themed
def pauc_by_cost(
    points: pd.DataFrame, cost: str, title: str, random: pd.Series | None = None, area: str = style.LOWER_IS_BETTER
) -> Figure:
    """Draw the pAUC of scores over their cost, in panels, with the Pareto front; lower left is better.

    points: columns panel (its title), key, label, group, method, cost, pauc (pAUC·10³). A group has one colour and
        marker, those of its method; without one (method "") it is grey. Labels are printed on the front and for a score
        that is a group of its own.
    cost, area: labels of the axes. random: a row of `random_table`.
    """
    parts = dict(list(points.groupby("panel", sort=False)))
    figure = style.new_figure(height=1.2 + 2.5 * len(parts))
    panels = figure.subplots(len(parts), squeeze=False, sharex=True)[:, 0]
    looks = _looks(points.drop_duplicates("group").set_index("group")["method"])
    for axes, (name, part) in zip(panels, parts.items(), strict=True):
        if random is not None:
            style.draw_random_areas(axes, random)
        for group, look in looks.items():
            of_group = part[part["group"] == group]
            axes.plot(of_group["cost"], of_group["pauc"], label=group if len(of_group) > 1 else None, **look)
        steps = pareto_front(part)[["cost", "pauc"]].to_numpy().T
        axes.step(*steps, where="post", color=style.GREY, linewidth=1, zorder=1, label="Pareto front")
        axes.set(ylabel=area, title=name)
        axes.margins(x=0.08, y=0.15)
    panels[-1].set_xlabel(cost)
    figure.suptitle(title)
    style.legend_below(figure)
    figure.draw_without_rendering()  # names are placed on the final scale
    for axes, part in zip(panels, parts.values(), strict=True):
        _name_points(axes, part)
    return figure


def pareto_front(points: pd.DataFrame) -> pd.DataFrame:
    """The rows that no other row beats: none that costs no more has a smaller pauc; by increasing cost."""
    ordered = points.sort_values(["cost", "pauc"], kind="stable")
    before = np.minimum.accumulate(np.r_[np.inf, ordered["pauc"]])[:-1]
    return ordered[ordered["pauc"] < before]


def _looks(methods: pd.Series) -> dict[str, dict[str, Any]]:
    """Colour and marker by group, from the method of each: hollow and grey where it has none."""
    named, shapes = style.looks(method for method in methods if method), cycle("^vPX<>")
    plain = dict(markerfacecolor="none", color=style.GREY, markersize=5, zorder=1.5, linestyle="")
    line = dict(linewidth=0.8, zorder=3)
    return {g: line | named[m] if m else plain | {"marker": next(shapes)} for g, m in methods.items()}


def _name_points(axes: Axes, points: pd.DataFrame) -> None:
    """Write names beside points, as near as they cover no point, no line of the front and no other name."""
    front, frame, pixels = pareto_front(points), axes.get_window_extent(), axes.figure.dpi / 72
    taken = [Bbox([middle, middle]).padded(_POINT * pixels) for middle in _on_screen(axes, points)]
    for (x, y), (to_x, to_y) in pairwise(_on_screen(axes, front)):
        taken += [Bbox([(x, y), (to_x, y)]).padded(pixels), Bbox([(to_x, to_y), (to_x, y)]).padded(pixels)]
    alone = ~points["group"].duplicated(keep=False)
    shown = points[alone | points["key"].isin(front["key"])].sort_values("pauc")
    for row, (x, y) in zip(shown.itertuples(), _on_screen(axes, shown), strict=True):
        line = dict(arrowstyle="-", color=style.GREY, linewidth=0.6, shrinkA=0, shrinkB=2)
        text = axes.annotate(row.label, (row.cost, row.pauc), (0, 0), textcoords="offset points", arrowprops=line)
        text.set(fontsize=style.SMALL, va="center", zorder=4, path_effects=_HALO, in_layout=False)
        width, height = Text.get_window_extent(text).size  # without the line
        boxes = [
            Bbox.from_bounds(x + to_x - width * (to_x < 0), y + to_y - height / 2, width, height)
            for to_x, to_y in pixels * _OFFSETS
        ]
        outside = [not (frame.contains(*box.min) and frame.contains(*box.max)) for box in boxes]
        covered = [box.count_overlaps(taken) for box in boxes]
        best = np.argmin(np.array(covered) + (len(taken) + 1) * np.array(outside))  # the first of them
        text.set(position=_OFFSETS[best], ha="right" if _OFFSETS[best][0] < 0 else "left")
        taken.append(boxes[best])


def _on_screen(axes: Axes, points: pd.DataFrame) -> np.ndarray:
    return axes.transData.transform(points[["cost", "pauc"]].to_numpy())
