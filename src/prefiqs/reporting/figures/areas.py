"""Areas under error-versus-discard curves, pAUC·10³ throughout: with intervals, by ratio, by ablation."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prefiqs.reporting.figures import style

ROW = 0.25  # inches for one line of text
AROUND = 0.3  # lines left free above the first and below the last, together


@style.themed
def forest(table: pd.DataFrame, title: str, xlabel: str, random: pd.DataFrame | None = None) -> Figure:
    """Draw one point and 95 % interval a method, one panel a verifier, methods by their mean rank; left is better.

    table: columns verifier, key, label, method, estimate, low, high (areas or differences of areas, ·10³; an interval
        may be NaN). A verifier's name may have several lines.
    random: one row per verifier, as of `random_table`; None for differences, where a line marks 0.
    """
    ranks = table["estimate"].groupby(table["verifier"]).rank().groupby(table["key"]).mean()
    methods = table.drop_duplicates("key").set_index("key").loc[ranks.sort_values(kind="stable").index]
    verifiers = table["verifier"].unique()
    columns = min(4, len(verifiers))
    rows = -(-len(verifiers) // columns)
    width = style.WIDTH if columns > 1 else 6.5
    figure = style.new_figure(height=rows * (ROW * len(methods) + 0.9) + 0.4, width=width)
    for axes, verifier in zip(style.panels(figure, len(verifiers), columns, sharey=True), verifiers, strict=True):
        part = table[table["verifier"] == verifier].set_index("key").reindex(methods.index)
        _draw_intervals(axes, part.assign(label=methods["label"], method=methods["method"]))
        axes.set_title(verifier, fontsize=style.SMALL)
        if random is None:
            axes.axvline(0, color="black", linewidth=1, zorder=1)
        else:
            style.draw_random_areas(axes, random.set_index("verifier").loc[verifier], along_x=True)
    figure.suptitle(title)
    if random is None:
        figure.supxlabel(xlabel, fontsize=style.SMALL + 1)
    else:
        style.legend_below(figure, title=xlabel, title_fontsize=style.SMALL + 1)
    return figure


@style.themed
def grouped_pauc(table: pd.DataFrame, title: str) -> Figure:
    """Draw the answers to several questions of an ablation, one group a question, on one axis; lower is better.

    table: columns question, label, estimate, low, high (pAUC·10³ and its interval, or NaN), in drawing order.
    """
    groups = list(table.groupby("question", sort=False))
    heights = [ROW * (len(part) + AROUND) for _, part in groups]
    figure = style.new_figure(height=sum(heights) + 0.35 * len(groups) + 1, width=7.5)
    grid = figure.subplots(len(groups), squeeze=False, sharex=True, height_ratios=heights).ravel()
    for axes, (question, part) in zip(grid, groups, strict=True):
        _draw_intervals(axes, part.assign(method="prefiqs"))
        axes.set_title(question, loc="left", fontsize=style.SMALL + 1.5)
    grid[-1].set_xlabel(f"{style.PAUC_LABEL}, 95 % interval (lower is better)")
    figure.suptitle(title)
    return figure


@style.themed
def lines_by_ratio(
    table: pd.DataFrame, value: str, title: str, levels: Mapping[str, float], random: pd.Series | None = None
) -> Figure:
    """Draw pAUC·10³ (lower is better) or the verification accuracy (%) over the pruning ratio, one line a strategy.

    table: columns strategy, ratio and `value`, "pauc" or "accuracy"; PreFIQs first. levels: what other scores or
        networks reach, by label. random: a row of `random_table`.
    """
    figure = style.new_figure(height=4.2)
    axes = figure.subplots()
    if random is not None:
        style.draw_random_areas(axes, random)
    for (label, level), colour in zip(levels.items(), cycle(("black", style.GREY))):
        axes.axhline(level, color=colour, linestyle="--", linewidth=1.2, label=label)
    looks = style.METHODS["prefiqs"], *style.STYLES
    for (strategy, part), look in zip(table.groupby("strategy", sort=False), cycle(looks)):
        part = part.sort_values("ratio")
        axes.plot(part["ratio"], part[value], label=strategy.replace("l1", "L1"), **look)
    axes.set(xlabel="pruning ratio ρ", xticks=sorted(table["ratio"].unique()))
    figure.suptitle(title)
    axes.set(ylabel="verification accuracy (%)")
    if value == "pauc":
        axes.set(ylabel=style.LOWER_IS_BETTER, ylim=(0, None))
    style.legend_below(figure, 4)
    return figure


def _draw_intervals(axes: Axes, table: pd.DataFrame) -> None:
    """One line of text a value, the first on top."""
    place = np.arange(len(table))
    looks = [style.METHODS.get(method, dict(color=style.GREY, marker="o")) for method in table["method"]]
    axes.hlines(place, table["low"], table["high"], colors=[look["color"] for look in looks], linewidth=2, alpha=0.5)
    for at, value, look in zip(place, table["estimate"], looks, strict=True):
        axes.plot(value, at, markersize=5, **look)
    axes.set_yticks(place, table["label"], fontsize=style.SMALL)
    axes.tick_params(axis="x", labelsize=style.SMALL)
    axes.set_ylim(len(table) - 0.5 + AROUND / 2, -0.5 - AROUND / 2)
    axes.locator_params(axis="x", nbins=5, steps=[1, 2, 5, 10])
    axes.grid(axis="y", linewidth=0.5)
