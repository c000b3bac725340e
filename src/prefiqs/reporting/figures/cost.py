"""What scores are worth for what they cost: those that nothing beats in both, and the exits of a transformer."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from prefiqs.reporting.figures.style import (
    GREY,
    PALETTE,
    PAUC_LABEL,
    SMALL,
    STYLES,
    draw_random_areas,
    legend_below,
    new_figure,
    themed,
)

_POINT = 4.5  # points around the middle of a point that a name keeps free
# Where a name may stand, in points from its point: nearest first.
_ANGLES = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_OFFSETS = np.concatenate([radius * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1) for radius in range(10, 100, 6)])
_HALO = [withStroke(linewidth=2, foreground="w")]


@themed
def pauc_by_passes(points: pd.DataFrame, named: Iterable[str] = (), title: str = "") -> Figure:
    """Draw the pAUC of scores over their cost, a panel a verifier, with the Pareto front; lower left is better.

    points: columns verifier, key, label, group, passes (forward passes of a face), pauc (pAUC·10³). A group has one
        colour and marker.
    named: keys of scores whose label stands beside their point, besides those of the front.
    """
    parts = dict(list(points.groupby("verifier", sort=False)))
    figure = new_figure(height=0.8 + 3.2 * len(parts))
    panels = figure.subplots(len(parts), squeeze=False, sharex=True)[:, 0]
    styles = dict(zip(sorted(points["group"].unique()), STYLES, strict=False))
    for axes, (verifier, part) in zip(panels, parts.items(), strict=True):
        for group, style in styles.items():
            of_group = part[part["group"] == group]
            axes.plot(of_group["passes"], of_group["pauc"], linestyle="", label=group, alpha=0.8, **style)
        best = pareto_front(part)
        axes.step(best["passes"], best["pauc"], where="post", color=GREY, linewidth=1, zorder=1, label="Pareto front")
        axes.set(ylabel=f"{PAUC_LABEL} (lower is better)", title=f"verified by {verifier}")
        axes.margins(x=0.08, y=0.15)
    panels[-1].set_xlabel("forward passes of a face")
    figure.suptitle(title)
    legend_below(figure, panels[0].get_legend_handles_labels()[0])
    figure.draw_without_rendering()  # names are placed on the final scale
    for axes, part in zip(panels, parts.values(), strict=True):
        _name_points(axes, part, {*named})
    return figure


@themed
def pauc_by_gflops(exits: pd.DataFrame, fusions: pd.DataFrame, random: pd.Series, title: str) -> Figure:
    """Draw the pAUC of each exit over its cost, one line a network, with the exit's number; lower left is better.

    exits: columns network, exit, gflops (of one face), pauc (pAUC·10³), in any order.
    fusions: columns network, fusion, gflops, pauc; marked points in the colour of their network.
    random: pAUC·10³ of random orders, a row of `random_table`.
    """
    figure = new_figure(height=4.4)
    axes = figure.subplots()
    draw_random_areas(axes, random)
    colours = dict(zip(exits["network"].unique(), PALETTE, strict=False))
    for position, (network, colour) in enumerate(colours.items()):
        part = exits[exits["network"] == network].sort_values("gflops")
        axes.plot(part["gflops"], part["pauc"], color=colour, marker="o", label=f"{network}, block by block")
        above = (0, -10 if position % 2 else 10)
        beside = (12, 0)  # of the last exit, as fusions stand above and below it
        for row, place in zip(part.itertuples(), [above] * (len(part) - 1) + [beside], strict=True):
            number = axes.annotate(f"{row.exit:g}", (row.gflops, row.pauc), place, textcoords="offset points")
            number.set(color=colour, fontsize=SMALL, ha="center", va="center", zorder=2.5, path_effects=_HALO)
    markers = dict(zip(fusions["fusion"].unique(), "s^Dv", strict=False))
    for row in fusions.itertuples():
        label = f"{row.fusion}, {row.network} ({row.pauc:.2f})"
        (point,) = axes.plot(row.gflops, row.pauc, markers[row.fusion], color=colours[row.network], label=label)
        point.set(markersize=10, markeredgecolor="black", zorder=3)
    axes.set(xlabel="GFLOPs for one face", ylabel=f"{PAUC_LABEL} (lower is better)", title=title)
    axes.set_xlim(0, None)
    axes.margins(y=0.1)
    legend_below(figure, axes.get_legend_handles_labels()[0], columns=2)
    return figure


def pareto_front(points: pd.DataFrame) -> pd.DataFrame:
    """The rows that no other row beats: none that costs no more has a smaller pauc; by increasing passes."""
    ordered = points.sort_values(["passes", "pauc"], kind="stable")
    before = np.minimum.accumulate(np.r_[np.inf, ordered["pauc"]])[:-1]
    return ordered[ordered["pauc"] < before]


def _name_points(axes: Axes, points: pd.DataFrame, named: set[str]) -> None:
    """Write names beside points, as near as they cover no point, no line of the front and no other name."""
    front, frame, pixels = pareto_front(points), axes.get_window_extent(), axes.figure.dpi / 72
    taken = [Bbox([middle, middle]).padded(_POINT * pixels) for middle in _on_screen(axes, points)]
    for (x, y), (to_x, to_y) in pairwise(_on_screen(axes, front)):
        taken += [Bbox([(x, y), (to_x, y)]).padded(pixels), Bbox([(to_x, to_y), (to_x, y)]).padded(pixels)]
    shown = points[points["key"].isin(named | {*front["key"]})].sort_values("pauc")
    for row, (x, y) in zip(shown.itertuples(), _on_screen(axes, shown), strict=True):
        line = dict(arrowstyle="-", color=GREY, linewidth=0.6, shrinkA=0, shrinkB=2)
        text = axes.annotate(row.label, (row.passes, row.pauc), (0, 0), textcoords="offset points", arrowprops=line)
        text.set(fontsize=SMALL, va="center", zorder=4, path_effects=_HALO, in_layout=False)
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
    return axes.transData.transform(points[["passes", "pauc"]].to_numpy())
