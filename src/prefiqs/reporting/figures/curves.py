"""Error-versus-discard curves, and areas and accuracies by pruning ratio."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from prefiqs.errors import InputError
from prefiqs.evaluation.curve import Curve
from prefiqs.evaluation.random_order import RandomOrder
from prefiqs.reporting.figures.style import (
    BAND,
    GREY,
    MARKERS,
    PALETTE,
    PAUC_LABEL,
    RANDOM_CURVES,
    RANDOM_LABEL,
    check_table,
    legend_below,
    new_figure,
    themed,
)

PALE = 0.35


@themed
def edc_figure(
    curves: Mapping[str, Curve],
    random: RandomOrder | None = None,
    oracle: Curve | None = None,
    title: str = "",
    limit: float = 0.3,
) -> Figure:
    """Draw FNMR over the fraction of pairs discarded; lower is better, and the legend gives each area up to `limit`.

    curves: label -> curve; the area under the first is shaded up to `limit`, which is what its pAUC measures.
    random: the same for random qualities, made with the same limit: mean line and range.
    oracle: the curve of a quality known to be right, such as the true severity.
    Points with too few impostor pairs for the FMR are hollow, and the line that leads to them is pale.
    """
    if not curves:
        raise InputError("There is no curve to draw.")
    fmr = next(iter(curves.values())).target_fmr
    figure = new_figure(height=4.4)
    axes = figure.subplots()
    if random is not None:
        low, high = random.band(0.9)
        axes.fill_between(random.discard, low, high, color=BAND, linewidth=0)
        label = _with_pauc(RANDOM_CURVES, random.pauc_mean)
        axes.plot(random.discard, random.fnmr.mean(axis=0), color=GREY, linestyle=":", linewidth=2, label=label)
    if oracle is not None:
        label = _with_pauc("true severity", oracle.pauc(limit))
        draw_curve(axes, oracle, label, color="black", linestyle="--")
    for position, (name, curve) in enumerate(curves.items()):
        colour = PALETTE[position % len(PALETTE)]
        if position == 0:
            shade_area(axes, curve, limit, colour)
        label = _with_pauc(name, curve.pauc(limit))
        first = dict(zorder=3, linewidth=2.4) if position == 0 else {}  # on top of the others
        draw_curve(axes, curve, label, color=colour, marker=MARKERS[position % len(MARKERS)], **first)
    axes.axvline(limit, color=GREY, linewidth=1, linestyle=(0, (2, 3)))
    axes.set(xlabel="pairs discarded, lowest quality first", ylabel=f"FNMR at FMR {fmr:g}", title=title)
    axes.set(xlim=(0, 1), ylim=(0, None))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    handles = axes.get_legend_handles_labels()[0]
    drawn = [*curves.values(), *([oracle] if oracle is not None else [])]
    if not all(curve.fmr_resolvable.all() for curve in drawn):
        handles.append(unresolvable_handle(fmr))
    legend_below(figure, handles, columns=2)
    return figure


@themed
def pauc_by_ratio(
    table: pd.DataFrame,
    random_band: tuple[float, float, float] | None = None,
    oracle: float | None = None,
    title: str = "",
) -> Figure:
    """Draw pAUC·10³ over the pruning ratio, one line a strategy; lower is better.

    table: columns strategy, ratio, pauc. random_band: the smallest, mean and largest pAUC of random orders.
    oracle: pAUC of a quality known to be right. All areas are ·10³.
    """
    figure = new_figure(height=4.4)
    axes = figure.subplots()
    if random_band is not None:
        low, mean, high = random_band
        axes.axhspan(low, high, color=BAND, linewidth=0)
        axes.axhline(mean, color=GREY, linestyle=":", linewidth=2, label=RANDOM_LABEL)
    if oracle is not None:
        axes.axhline(oracle, color="black", linestyle="--", label="true severity")
    _draw_strategies(axes, table, "pauc")
    axes.set(ylabel=f"{PAUC_LABEL} (lower is better)", ylim=(0, None), title=title)
    legend_below(figure, axes.get_legend_handles_labels()[0], columns=3)
    return figure


@themed
def accuracy_by_ratio(table: pd.DataFrame, unpruned: float | None = None, title: str = "") -> Figure:
    """Draw the verification accuracy (%) over the pruning ratio, one line a strategy; higher is better.

    table: columns strategy, ratio, accuracy (%). unpruned: accuracy (%) of the network before pruning.
    """
    figure = new_figure(height=4.4)
    axes = figure.subplots()
    if unpruned is not None:
        axes.axhline(unpruned, color="black", linestyle="--", label="not pruned")
    _draw_strategies(axes, table, "accuracy")
    axes.set(ylabel="verification accuracy (%)", title=title)
    legend_below(figure, axes.get_legend_handles_labels()[0], columns=3)
    return figure


def draw_curve(axes: Axes, curve: Curve, label: str, marker: str = "", markersize: float = 5, **style: Any) -> None:
    """Draw one curve; points that cannot resolve the FMR are hollow, with a marker even where the others have none."""
    axes.plot(curve.discard, curve.fnmr, **style | {"alpha": PALE})
    certain = np.where(curve.fmr_resolvable, curve.fnmr, np.nan)
    axes.plot(curve.discard, certain, marker=marker, markersize=markersize, label=label, **style)
    weak = ~curve.fmr_resolvable
    if weak.any() and markersize:
        points = dict(linestyle="", marker=marker or "o", markersize=markersize, markerfacecolor="white", alpha=0.7)
        points["clip_on"] = False  # else half of those at FNMR 0 would be cut off
        axes.plot(curve.discard[weak], curve.fnmr[weak], **{**style, **points})


def unresolvable_handle(fmr: float) -> Line2D:
    """What the legend says about hollow points."""
    label = f"hollow: fewer than {1 / fmr:,.0f} impostor pairs left"
    return Line2D([], [], color=GREY, alpha=PALE, marker="o", markerfacecolor="white", label=label)


def shade_area(axes: Axes, curve: Curve, limit: float, color: Any) -> None:
    """Shade what `curve.pauc(limit)` measures."""
    inside = np.append(curve.discard[curve.discard < limit], limit)
    under = np.interp(inside, curve.discard, curve.fnmr)
    axes.fill_between(inside, under, color=color, alpha=0.15, linewidth=0)


def _with_pauc(name: str, pauc: float) -> str:
    return f"{name} ({PAUC_LABEL} {1000 * pauc:.1f})"


def _draw_strategies(axes: Axes, table: pd.DataFrame, value: str) -> None:
    """One line a strategy, in the order of the table, each with its own colour and marker."""
    check_table("table", table, ("strategy", "ratio"), (value,))
    for position, (strategy, part) in enumerate(table.groupby("strategy", sort=False)):
        part, style = part.sort_values("ratio"), position % len(MARKERS)
        axes.plot(part["ratio"], part[value], color=PALETTE[style], marker=MARKERS[style], label=strategy)
    axes.set(xlabel="pruning ratio ρ", xticks=sorted(table["ratio"].unique()))
