"""What scores are worth for what they cost, and those that nothing beats in both."""

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
    MARKERS,
    PALETTE,
    PAUC_LABEL,
    SMALL,
    check_table,
    legend_below,
    new_figure,
    themed,
)

_POINT = 4.5  # points around the middle of a point that a name keeps free
# Where a name may stand, in points from its point: nearest first.
_OFFSETS = [
    (float(radius * np.cos(angle)), float(radius * np.sin(angle)))
    for radius in range(10, 100, 6)
    for angle in np.linspace(0, 2 * np.pi, 16, endpoint=False)
]


@themed
def pauc_by_passes(points: pd.DataFrame, named: Iterable[str] = (), title: str = "") -> Figure:
    """Draw the pAUC of scores over their cost, a panel a verifier, with the Pareto front; lower left is better.

    points: columns verifier, key, label, group, passes (forward passes of a face), pauc (pAUC·10³). A group has one
        colour and marker.
    named: keys of scores whose label stands beside their point, besides those of the front.
    """
    check_table("points", points, ("verifier", "key"), ("label", "group", "passes", "pauc"))
    verifiers, groups = points["verifier"].unique(), sorted(points["group"].unique())
    figure = new_figure(height=0.8 + 3.2 * len(verifiers))
    panels = figure.subplots(len(verifiers), squeeze=False, sharex=True)[:, 0]
    for axes, verifier in zip(panels, verifiers, strict=True):
        part = points[points["verifier"] == verifier]
        for i, group in enumerate(groups):
            of_group = part[part["group"] == group]
            style = dict(color=PALETTE[i % len(PALETTE)], marker=MARKERS[i % len(MARKERS)], linestyle="")
            axes.plot(of_group["passes"], of_group["pauc"], label=group, markersize=6, alpha=0.8, **style)
        best = pareto_front(part)
        axes.step(best["passes"], best["pauc"], where="post", color=GREY, linewidth=1, zorder=1, label="Pareto front")
        axes.set(ylabel=f"{PAUC_LABEL} (lower is better)", title=f"verified by {verifier}")
        axes.margins(x=0.08, y=0.15)
    panels[-1].set_xlabel("forward passes of a face")
    figure.suptitle(title)
    legend_below(figure, panels[0].get_legend_handles_labels()[0])
    figure.draw_without_rendering()  # names are placed on the final scale
    for axes, verifier in zip(panels, verifiers, strict=True):
        part = points[points["verifier"] == verifier]
        keys = {*named, *pareto_front(part)["key"]}
        _name_points(axes, part[part["key"].isin(keys)], part)
    return figure


def pareto_front(points: pd.DataFrame) -> pd.DataFrame:
    """The rows that no other row beats: none that costs no more has a smaller pauc; by increasing passes."""
    ordered = points.sort_values(["passes", "pauc"], kind="stable")
    before = np.minimum.accumulate(np.r_[np.inf, ordered["pauc"]])[:-1]
    return ordered[ordered["pauc"] < before]


def _name_points(axes: Axes, named: pd.DataFrame, points: pd.DataFrame) -> None:
    """Write the names of points beside them, as near as they cover no point, no line of the front and no other name."""
    pixels = axes.figure.dpi / 72
    middles = axes.transData.transform(points[["passes", "pauc"]].to_numpy())
    taken = [Bbox.from_extents(*(middle - _POINT * pixels), *(middle + _POINT * pixels)) for middle in middles]
    front = axes.transData.transform(pareto_front(points)[["passes", "pauc"]].to_numpy())
    for (x, y), (to_x, to_y) in pairwise(front):
        taken += [
            Bbox.from_extents(x, y - pixels, to_x, y + pixels),
            Bbox.from_extents(to_x - pixels, to_y, to_x + pixels, y),
        ]
    frame = axes.get_window_extent()
    for row in named.sort_values("pauc").itertuples():
        line = dict(arrowstyle="-", color=GREY, linewidth=0.6, shrinkA=0, shrinkB=2)
        text = axes.annotate(row.label, (row.passes, row.pauc), (0, 0), arrowprops=line, fontsize=SMALL, va="center")
        text.set(anncoords="offset points", zorder=4, path_effects=[withStroke(linewidth=2, foreground="w")])
        text.set_in_layout(False)
        point, size = axes.transData.transform((row.passes, row.pauc)), Text.get_window_extent(text).size
        boxes = {offset: _box(point + pixels * np.array(offset), size, offset[0] < 0) for offset in _OFFSETS}
        offset = min(boxes, key=lambda offset: _covered(boxes[offset], taken, frame))  # the first of the best
        text.set(position=offset, horizontalalignment="right" if offset[0] < 0 else "left")
        taken.append(boxes[offset])


def _box(anchor: np.ndarray, size: tuple[float, float], leftwards: bool) -> Bbox:
    """The box of a name of this size, beside its anchor and level with it."""
    x, y = anchor - [size[0] * leftwards, size[1] / 2]
    return Bbox.from_bounds(x, y, *size)


def _covered(box: Bbox, taken: list[Bbox], frame: Bbox) -> int:
    """How many of the boxes a name in this one would cover; more than all where it would leave the frame."""
    inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
    return box.count_overlaps(taken) + (len(taken) + 1) * (not inside)
