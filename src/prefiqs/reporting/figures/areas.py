"""Areas under error-versus-discard curves, pAUC·10³ throughout: with intervals, by ratio and FMR, by ablation."""

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from prefiqs.reporting.figures.style import (
    BAND,
    GREY,
    PALETTE,
    PAUC_LABEL,
    RANDOM_LABEL,
    SMALL,
    WIDTH,
    check_table,
    heat_map,
    legend_below,
    new_figure,
    panels,
    themed,
)

ROW = 0.25  # inches for one line of text
AROUND = 0.3  # lines left free above the first and below the last, together
INTERVAL_LABEL = f"{PAUC_LABEL}, 95 % interval (lower is better)"
DARKEST = 1.5  # times the smallest area, at least: smaller differences are not shown as if they were large


@themed
def pauc_intervals(table: pd.DataFrame, random: pd.DataFrame | None = None, title: str = "") -> Figure:
    """Draw one point and interval a method, one panel a verifier, methods in the order of the table; lower is better.

    table: columns verifier, key, label, pauc, pauc_low, pauc_high (pAUC·10³ and its 95 % bootstrap interval, NaN if
        there is none). random: columns verifier, pauc_mean, pauc_min, pauc_max, as `random_table` makes them at that
        FMR.
    """
    check_table("table", table, ("verifier", "key"), ("label", "pauc", "pauc_low", "pauc_high"))
    if random is not None:
        check_table("random", random, ("verifier",), ("pauc_mean", "pauc_min", "pauc_max"))
        random = random.set_index("verifier")
    verifiers, methods = table["verifier"].unique(), table.drop_duplicates("key").set_index("key")["label"]
    columns = min(4, len(verifiers))
    rows = -(-len(verifiers) // columns)
    figure = new_figure(height=rows * (ROW * len(methods) + 0.5) + 0.6, width=WIDTH if columns > 1 else 6.5)
    for axes, verifier in zip(panels(figure, len(verifiers), columns, sharey=True), verifiers, strict=True):
        part = table[table["verifier"] == verifier].set_index("key").reindex(methods.index)
        _draw_intervals(axes, methods.tolist(), part["pauc"], part["pauc_low"], part["pauc_high"])
        axes.set_title(verifier, fontsize=SMALL + 1.5)
        if random is not None and verifier in random.index:
            low, mean, high = random.loc[verifier, ["pauc_min", "pauc_mean", "pauc_max"]]
            axes.axvspan(low, high, color=BAND, linewidth=0, zorder=0)
            axes.axvline(mean, color=GREY, linestyle=":", linewidth=1.5, zorder=1)
        axes.set_xlabel(PAUC_LABEL, fontsize=SMALL + 1)
    figure.suptitle(title)
    handles: list[Artist] = [Line2D([], [], color=PALETTE[0], marker="o", linewidth=2, label=INTERVAL_LABEL)]
    legend_below(figure, handles + ([] if random is None else [Patch(color=BAND, label=RANDOM_LABEL)]))
    return figure


@themed
def grouped_pauc(table: pd.DataFrame, title: str = "") -> Figure:
    """Draw the answers to several questions of an ablation, one group a question, on one axis; lower is better.

    table: columns question, variant, pauc, low, high (pAUC·10³ and its interval, NaN if there is none), in the order
    to be drawn.
    """
    check_table("table", table, ("question", "variant"), ("pauc", "low", "high"))
    groups = list(table.groupby("question", sort=False))
    heights = [ROW * (len(part) + AROUND) for _, part in groups]
    figure = new_figure(height=sum(heights) + 0.35 * len(groups) + 0.7, width=7.5)
    grid = figure.subplots(len(groups), squeeze=False, sharex=True, height_ratios=heights).ravel()
    for axes, (question, part) in zip(grid, groups, strict=True):
        _draw_intervals(axes, list(part["variant"]), part["pauc"], part["low"], part["high"])
        axes.set_title(question, loc="left", fontsize=SMALL + 1.5)
    grid[-1].set_xlabel(INTERVAL_LABEL)
    figure.suptitle(title)
    return figure


@themed
def ratio_by_fmr(table: pd.DataFrame, title: str = "") -> Figure:
    """Show the pAUC of each pruning ratio ρ (columns) at each FMR (rows) as a heat map; lower is better.

    table: columns ratio, fmr, pauc (pAUC·10³), one row a cell. The number is the pAUC; the colour says how many times
    the smallest of its FMR that is, as areas at different FMRs are not alike in size. What is missing stays empty.
    """
    check_table("table", table, ("ratio", "fmr"), ("pauc",))
    areas = table.pivot(index="fmr", columns="ratio", values="pauc").sort_index(ascending=False)
    relative = areas.div(areas.min(axis=1), axis=0)
    figure = new_figure(height=1.6 + 0.5 * len(areas), width=min(WIDTH, 4.5 + 0.6 * areas.shape[1]))
    axes = figure.subplots()
    text = areas.map("{:.2f}".format).rename(index="{:g}".format, columns="{:g}".format)
    relative = relative.set_axis(text.index).set_axis(text.columns, axis=1)
    darkest = max(DARKEST, relative.max(axis=None))
    mesh = heat_map(axes, relative, text, SMALL + 1, cmap="Blues", vmin=1, vmax=darkest)
    figure.colorbar(mesh, ax=axes, label="times the smallest\nof its row")
    axes.set(xlabel="pruning ratio ρ", ylabel="FMR", title=title)
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
