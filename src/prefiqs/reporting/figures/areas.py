"""Areas under error-versus-discard curves, pAUC·10³ throughout: with intervals, by ratio and FMR, by ablation."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from prefiqs.reporting.figures.curves import PAUC_LABEL
from prefiqs.reporting.figures.style import BAND, GREY, PALETTE, SMALL, WIDTH, check_table, new_figure, themed

ROW = 0.25  # inches for one line of text
AROUND = 0.3  # lines left free above the first and below the last, together


@themed
def pauc_intervals(table: pd.DataFrame, random: pd.DataFrame | None = None) -> Figure:
    """Draw one point and interval a method, one panel a verifier, methods in the order of the table; lower is better.

    table: columns verifier, method, pauc, pauc_low, pauc_high (pAUC·10³ and its 95 % bootstrap interval, NaN if there
        is none). random: columns verifier, pauc_mean, pauc_min, pauc_max, as `random_table` makes them at that FMR.
    """
    check_table("table", table, ("verifier", "method"), ("pauc", "pauc_low", "pauc_high"))
    if random is not None:
        check_table("random", random, ("verifier",), ("pauc_mean", "pauc_min", "pauc_max"))
        random = random.set_index("verifier")
    verifiers, methods = table["verifier"].unique(), list(table["method"].unique())
    columns = min(4, len(verifiers))
    rows = -(-len(verifiers) // columns)
    figure = new_figure(height=rows * (ROW * len(methods) + 0.5) + 0.7, width=WIDTH if columns > 1 else 6.5)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for spare in grid.ravel()[len(verifiers) :]:
        spare.set_axis_off()
    for axes, verifier in zip(grid.ravel()[: len(verifiers)], verifiers, strict=True):
        part = table[table["verifier"] == verifier].set_index("method").reindex(methods)
        _draw_intervals(axes, methods, part["pauc"], part["pauc_low"], part["pauc_high"])
        axes.set_title(verifier, fontsize=SMALL + 1.5)
        if random is not None and verifier in random.index:
            low, mean, high = random.loc[verifier, ["pauc_min", "pauc_mean", "pauc_max"]]
            axes.axvspan(low, high, color=BAND, linewidth=0, zorder=0)
            axes.axvline(mean, color=GREY, linestyle=":", linewidth=1.5, zorder=1)
    figure.supxlabel(f"{PAUC_LABEL}, 95 % interval (lower is better)", fontsize=SMALL + 1.5)
    if random is not None:
        band = Patch(color=BAND, label="random order, mean and range")
        figure.legend(handles=[band], loc="outside upper center", fontsize=SMALL)
    return figure


@themed
def grouped_pauc(table: pd.DataFrame, xlabel: str = f"{PAUC_LABEL} (lower is better)") -> Figure:
    """Draw the answers to several questions of an ablation, one group a question, on one axis; lower is better.

    table: columns question, variant, pauc, low, high (pAUC·10³ and its interval, NaN if there is none), in the order
    to be drawn.
    """
    check_table("table", table, ("question", "variant"), ("pauc", "low", "high"))
    groups = list(table.groupby("question", sort=False))
    heights = [ROW * (len(part) + AROUND) for _, part in groups]
    figure = new_figure(height=sum(heights) + 0.35 * len(groups) + 0.5, width=7.5)
    grid = figure.subplots(len(groups), squeeze=False, sharex=True, height_ratios=heights).ravel()
    for axes, (question, part) in zip(grid, groups, strict=True):
        _draw_intervals(axes, list(part["variant"]), part["pauc"], part["low"], part["high"])
        axes.set_title(question, loc="left", fontsize=SMALL + 1.5)
    grid[-1].set_xlabel(xlabel)
    return figure


@themed
def ratio_by_fmr(table: pd.DataFrame, title: str = "") -> Figure:
    """Show the pAUC of each pruning ratio ρ (columns) at each FMR (rows) as a heat map; lower is better.

    table: columns ratio, fmr, pauc (pAUC·10³), one row a cell. The number is the pAUC; the colour says how many times
    the smallest of its FMR that is, as areas at different FMRs are not alike in size. What is missing stays empty.
    """
    import seaborn as sns

    check_table("table", table, ("ratio", "fmr"), ("pauc",))
    areas = table.pivot(index="fmr", columns="ratio", values="pauc").sort_index(ascending=False)
    relative = areas.div(areas.min(axis=1), axis=0)
    figure = new_figure(
        height=1.3 + 0.5 * len(areas) + (0.3 if title else 0), width=min(WIDTH, 2.8 + 0.75 * areas.shape[1])
    )
    axes = figure.subplots()
    bar = dict(label="times the smallest\nof its row")
    sns.heatmap(relative, annot=areas, fmt=".2f", cmap="mako_r", vmin=1, linewidths=1, ax=axes, cbar_kws=bar)
    axes.set(xlabel="pruning ratio ρ", ylabel="FMR", title=title)
    axes.set_yticklabels([f"{fmr:g}" for fmr in areas.index], rotation=0)
    return figure


def _draw_intervals(axes: Axes, labels: list[str], value: pd.Series, low: pd.Series, high: pd.Series) -> None:
    """One line of text a value, the first on top."""
    place = np.arange(len(labels))
    axes.hlines(place, low, high, color=PALETTE[0], linewidth=2, alpha=0.5)
    axes.plot(value, place, linestyle="", marker="o", markersize=5, color=PALETTE[0])
    axes.set_yticks(place, labels, fontsize=SMALL)
    axes.tick_params(axis="x", labelsize=SMALL)
    axes.set_ylim(len(labels) - 0.5 + AROUND / 2, -0.5 - AROUND / 2)
    axes.locator_params(axis="x", nbins=5, steps=[1, 2, 5, 10])
    axes.grid(axis="y", linewidth=0.5)
