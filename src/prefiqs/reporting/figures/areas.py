"""Areas under error-versus-discard curves, pAUC·10³ throughout: with intervals, by ratio, by block."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from prefiqs.reporting.figures import style

ROW = 0.25  # inches for one line of text
APART = 0.012  # of the pruning ratio: so far are intervals of strategies moved apart, that none covers another
AROUND = 0.3  # lines left free above the first and below the last, together


@style.themed
def forest(table: pd.DataFrame, title: str, xlabel: str, random: pd.DataFrame | None = None) -> Figure:
    """Draw one point and 95 % interval a method, one panel a verifier; left is better.

    table: columns verifier, key, label, method, estimate, low, high (areas or differences of areas, ·10³; an interval
        may be NaN). A verifier's name may have several lines. With a column group, methods stand under the names of
        their groups, in the order of the table; without, they stand by their mean rank. Where a column front is not
        true, the point is hollow. A column trained_on says which labels have the mark §.
    random: one row per verifier, as of `random_table`; None for differences, where a line marks 0.
    """
    rows, looks, verifiers = _rows(table), style.looks(["", *table["method"]]), table["verifier"].unique()
    down = -(-len(verifiers) // 4)
    columns = -(-len(verifiers) // down)
    figure = style.new_figure(down * (ROW * len(rows) + 0.9) + 0.4, style.WIDTH if columns > 1 else 6.5)
    for axes, verifier in zip(style.panels(figure, len(verifiers), columns, sharey=True), verifiers, strict=True):
        part = table[table["verifier"] == verifier].set_index("key").reindex(rows.index).assign(method=rows["method"])
        found = part.assign(place=range(len(rows))).dropna(subset="low")
        colours = [looks[method]["color"] for method in found["method"]]
        axes.hlines(found["place"], found["low"], found["high"], colors=colours, linewidth=2, alpha=0.5)
        filled = part["front"].eq(True) if "front" in part else pd.Series(True, part.index)
        for place, (value, method, fill) in enumerate(zip(part["estimate"], part["method"], filled, strict=True)):
            axes.plot(value, place, markersize=5, **({} if fill else {"markerfacecolor": "white"}) | looks[method])
        axes.set_yticks(range(len(rows)), rows["label"], fontsize=style.SMALL)
        for label, weight in zip(axes.get_yticklabels(), rows["weight"], strict=False):  # only outer panels have labels
            label.set_fontweight(weight)
        axes.tick_params(axis="x", labelsize=style.SMALL)
        axes.set_ylim(len(rows) - 0.5 + AROUND / 2, -0.5 - AROUND / 2)  # the first on top
        axes.locator_params(axis="x", nbins=5, steps=[1, 2, 5, 10])
        axes.grid(axis="y", linewidth=0.5)
        axes.set_title(verifier, fontsize=style.SMALL)
        if random is None:
            axes.axvline(0, color="black", linewidth=1, zorder=1)
        else:
            style.draw_random_areas(axes, random.set_index("verifier").loc[verifier], along_x=True)
    figure.suptitle(title)
    xlabel = style.explained(xlabel, "trained_on" in table and table["trained_on"].any())
    if random is None:
        figure.supxlabel(xlabel, fontsize=style.SMALL + 1)
    else:
        style.legend_below(figure, title=xlabel, title_fontsize=style.SMALL + 1)
    return figure


def _rows(table: pd.DataFrame) -> pd.DataFrame:
    """Label, its weight, and method of each line, by its key; the name of a group is a line of no method."""
    methods = table.drop_duplicates("key").set_index("key").assign(weight="normal")
    if "group" not in methods:
        ranks = table["estimate"].groupby(table["verifier"]).rank().groupby(table["key"]).mean()
        return methods.loc[ranks.sort_values(kind="stable").index]
    parts = []
    for name, part in methods.groupby("group", sort=False):
        parts += [pd.DataFrame({"label": name, "weight": "bold", "method": ""}, index=[f"group {name}"]), part]
    return pd.concat(parts)[["label", "weight", "method"]]


@style.themed
def lines_by_ratio(
    table: pd.DataFrame,
    value: str,
    title: str,
    levels: Mapping[str, tuple[str, float]],
    random: pd.Series | None = None,
) -> Figure:
    """Draw pAUC·10³ (lower is better) or the verification accuracy (%) over the pruning ratio, one line a strategy.

    table: columns strategy (one of `style.STRATEGIES`), ratio and `value`, "pauc" or "accuracy", and, if there are
        intervals, their ends, `value`_low and `value`_high. levels: what other scores or networks reach, by label: the
        method, and the value. random: a row of `random_table`.
    """
    figure = style.new_figure(height=4.2)
    axes = figure.subplots()
    if random is not None:
        style.draw_random_areas(axes, random)
    for label, (method, level) in levels.items():
        axes.axhline(level, color=style.METHODS[method]["color"], linestyle="--", linewidth=1.2, label=label)
    looks = style.looks(table["strategy"])
    for place, (strategy, part) in enumerate(table.groupby("strategy", sort=False)):
        part, look = part.sort_values("ratio"), looks[strategy]
        x = part["ratio"]
        if f"{value}_low" in part:
            x = x + APART * (place - (len(looks) - 1) / 2)
            axes.vlines(x, part[f"{value}_low"], part[f"{value}_high"], color=look["color"], linewidth=2, alpha=0.4)
        axes.plot(x, part[value], label=strategy.replace("l1", "L1"), **look)
    axes.set(xlabel="pruning ratio ρ", xticks=sorted(table["ratio"].unique()))
    axes.margins(y=0.1)
    figure.suptitle(title)
    axes.set(ylabel="verification accuracy (%)")
    if value == "pauc":
        axes.set(ylabel=style.LOWER_IS_BETTER, ylim=(0, None))
    style.legend_below(figure, 4)
    return figure


@style.themed
def areas_by_block(points: pd.DataFrame, title: str, random: pd.DataFrame) -> Figure:
    """Draw the pAUC of scores over the number of blocks of a transformer that they need, one panel a verifier.

    points: columns verifier, line (its label), method, marker ("" for that of the method), block, share (of a pass up
        to the block, %), pauc (pAUC·10³, lower is better), trained_on (whether the label has the mark §).
    random: one row per verifier, as of `random_table`.
    """
    parts = dict(list(points.groupby("verifier", sort=False)))
    figure = style.new_figure(height=0.8 + 2.2 * len(parts))
    for axes, (verifier, part) in zip(style.panels(figure, len(parts), 1, sharex=True), parts.items(), strict=True):
        style.draw_random_areas(axes, random.set_index("verifier").loc[verifier])
        for label, line in part.groupby("line", sort=False):
            look, marker = style.METHODS[line["method"].iloc[0]], line["marker"].iloc[0]
            axes.plot(line["block"], line["pauc"], label=label, **look | ({"marker": marker} if marker else {}))
        axes.set(ylabel=style.PAUC_LABEL)
        axes.set_title(f"verifier {verifier}", loc="left", fontsize=style.SMALL + 1)
    shares = points.drop_duplicates("block").set_index("block")["share"].sort_index()
    axes.set_xticks(shares.index, [f"{block}\n{share:.0f} %" for block, share in shares.items()])
    axes.set_xlabel("blocks that are run, and their share of a whole pass")
    figure.suptitle(title)
    style.legend_below(figure, marked=points["trained_on"].any())
    return figure
