"""Error-versus-discard curves, and what they come to at each pruning ratio."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from prefiqs.errors import InputError
from prefiqs.evaluation.curve import Curve
from prefiqs.evaluation.random_order import RandomOrder
from prefiqs.reporting.figures.style import BAND, GREY, MARKERS, PALETTE, new_figure, themed

PALE = 0.35
PAUC_LABEL = "pAUC·10³"
RANDOM_LABEL = "random order, mean and 5–95 %"


@themed
def edc_figure(
    curves: Mapping[str, Curve],
    random: RandomOrder | None = None,
    oracle: Curve | None = None,
    fmr: float | None = None,
    title: str = "",
    limit: float = 0.3,
) -> Figure:
    """Draw FNMR over the fraction of pairs discarded; lower is better, and the legend gives each area up to `limit`.

    curves: label -> curve; the area under the first is shaded up to `limit`, which is what its pAUC measures.
    random: the same for random qualities, made with the same limit: mean line and the band of the central 90 %.
    oracle: the curve of a quality known to be right, such as the true severity. fmr: None is that of the first curve.
    Points with too few impostor pairs to be relied on are hollow, and the line that leads to them is pale.
    """
    if not curves:
        raise InputError("curves: expected at least one, got none.")
    fmr = next(iter(curves.values())).target_fmr if fmr is None else fmr
    figure = new_figure(height=4.4 + 0.14 * (len(curves) + 3))
    axes = figure.subplots()
    if random is not None:
        low, high = random.band(0.9)
        axes.fill_between(random.discard, low, high, color=BAND, linewidth=0)
        label = _with_pauc(RANDOM_LABEL, random.pauc_mean)
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
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    handles, labels = axes.get_legend_handles_labels()
    if not all(curve.fmr_resolvable.all() for curve in [*curves.values(), *([] if oracle is None else [oracle])]):
        handles.append(doubtful_handle(fmr))
        labels.append(handles[-1].get_label())
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=9.5)
    return figure


@themed
def pauc_by_ratio(
    table: pd.DataFrame, random_band: tuple[float, float, float] | None = None, oracle: float | None = None
) -> Figure:
    """Draw the pAUC of each pruning strategy over the pruning ratio; lower is better.

    table: columns strategy, ratio, pauc (an area, not yet times 1000). random_band: pAUC of a random order, its
    5 % quantile, mean and 95 % quantile over the seeds. oracle: pAUC of a quality known to be right.
    """
    figure = new_figure(height=4.8)
    axes = figure.subplots()
    if random_band is not None:
        low, mean, high = (1000 * value for value in random_band)
        axes.axhspan(low, high, color="0.87", linewidth=0)
        axes.axhline(mean, color=GREY, linestyle=":", linewidth=2, label=RANDOM_LABEL)
    if oracle is not None:
        axes.axhline(1000 * oracle, color="black", linestyle="--", label="true severity")
    _draw_strategies(axes, table.assign(pauc=1000 * table["pauc"]), "pauc")
    axes.set(ylabel=f"{PAUC_LABEL} (lower is better)", ylim=(0, None))
    figure.legend(loc="outside lower center", ncols=3, fontsize=9.5)
    return figure


@themed
def accuracy_by_ratio(table: pd.DataFrame, unpruned: float | None = None) -> Figure:
    """Draw the verification accuracy of each pruning strategy over the pruning ratio; higher is better.

    table: columns strategy, ratio, accuracy (in [0, 1]). unpruned: accuracy of the network before pruning.
    """
    figure = new_figure(height=4.8)
    axes = figure.subplots()
    if unpruned is not None:
        axes.axhline(unpruned, color="black", linestyle="--", label="not pruned")
    _draw_strategies(axes, table, "accuracy")
    axes.set(ylabel="verification accuracy")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    figure.legend(loc="outside lower center", ncols=3, fontsize=9.5)
    return figure


def _with_pauc(name: str, pauc: float) -> str:
    return f"{name} ({PAUC_LABEL} {1000 * pauc:.1f})"


def draw_curve(axes: Axes, curve: Curve, label: str, color, marker: str = "", markersize: float = 5, **style) -> None:
    """Draw one curve; its unreliable points are hollow, with a marker even where the others have none."""
    axes.plot(curve.discard, curve.fnmr, color=color, alpha=PALE, **style)
    certain = np.where(curve.fmr_resolvable, curve.fnmr, np.nan)
    axes.plot(curve.discard, certain, color=color, marker=marker, markersize=markersize, label=label, **style)
    doubtful = ~curve.fmr_resolvable
    if doubtful.any():
        points = dict(linestyle="", marker=marker or "o", markersize=markersize, markerfacecolor="white", alpha=0.7)
        points["clip_on"] = False  # else half of those at FNMR 0 would be cut off
        axes.plot(curve.discard[doubtful], curve.fnmr[doubtful], color=color, **{**style, **points})


def doubtful_handle(fmr: float) -> Line2D:
    """What the legend says about hollow points."""
    label = f"hollow: fewer than {1 / fmr:,.0f} impostor pairs left"
    return Line2D([], [], color=GREY, alpha=PALE, marker="o", markerfacecolor="white", label=label)


def shade_area(axes: Axes, curve: Curve, limit: float, color) -> None:
    """Shade what `curve.pauc(limit)` measures."""
    inside = np.append(curve.discard[curve.discard < limit], limit)
    under = np.interp(inside, curve.discard, curve.fnmr)
    axes.fill_between(inside, under, color=color, alpha=0.15, linewidth=0)


def _draw_strategies(axes: Axes, table: pd.DataFrame, value: str) -> None:
    """One line a strategy, in the order of the table, each with a colour and a marker of its own."""
    import seaborn as sns

    count = table["strategy"].nunique()
    sns.lineplot(
        table,
        x="ratio",
        y=value,
        hue="strategy",
        style="strategy",
        markers=list(MARKERS[:count]),
        dashes=False,
        palette=PALETTE[:count],
        errorbar=None,
        ax=axes,
    )
    if legend := axes.get_legend():
        legend.remove()
    axes.set(xlabel="pruning ratio ρ", xticks=sorted(table["ratio"].unique()))
