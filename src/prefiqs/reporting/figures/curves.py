"""Error-versus-discard curves, one panel a verifier and benchmark (Fig. 3 of PreFIQs)."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from prefiqs.evaluation.comparison import Curves, RandomOrders
from prefiqs.evaluation.curve import points_up_to
from prefiqs.evaluation.error_rates import is_reliable
from prefiqs.evaluation.tables import FEW_ERRORS, curves_table, random_curves_table
from prefiqs.reporting.figures import style

FAINT = 0.35
NAMED = 4  # methods with a colour, of those that compete
ALWAYS = ("prefiqs", "norm", "pruning-margin", "severity")  # these have it wherever they stand
OTHERS: dict[str, Any] = dict(color=style.PALE, linewidth=0.9, zorder=1.5)


def edc_figure(curves: Curves, random: RandomOrders, fmr: float, limit: float, title: str) -> Figure:
    """Draw curves with random orders, one panel a verifier, as `edc_grid` does; their keys are names of methods."""
    table, chance = curves_table(curves).assign(benchmark=""), random_curves_table(random).assign(benchmark="")
    named = table.assign(label=table["key"], method=table["key"], trained_on=False)
    return edc_grid(named, chance, fmr, limit, title, rows="benchmark", columns="verifier")


@style.themed
def edc_grid(
    curves: pd.DataFrame,
    random: pd.DataFrame,
    fmr: float,
    limit: float,
    title: str,
    rows: str = "verifier",
    columns: str = "benchmark",
) -> Figure:
    """Draw FNMR over the fraction of pairs discarded; lower is better. One panel for each row and column.

    curves: as of `curves_table`, with the columns benchmark, label, method and trained_on (whether the label has the
        mark §) too.
    random: columns benchmark, verifier, discard, fnmr (mean over random orders), low, high, fmr.

    Four methods have their colour: those of `ALWAYS`, and the others with the best mean rank by pAUC; all others are
    grey. Several curves of one method differ in the line, by their order. The area that the pAUC of the first curve
    measures is shaded. Points with fewer than ten expected false matches or rejected genuine pairs are faint, as areas
    over them are not reliable. The scale fits what has a colour and can resolve the FMR, and the mean of random orders.
    """
    curves, random = curves[curves["fmr"] == fmr].sort_values("discard", kind="stable"), random[random["fmr"] == fmr]
    enough = curves["n_impostor"].map(lambda impostors: is_reliable(impostors, fmr))
    curves = curves.assign(sure=enough & (np.rint(curves["fnmr"] * curves["n_genuine"]) >= FEW_ERRORS))
    looks = _looks(curves, limit)
    first, down, across = next(iter(looks)), curves[rows].unique(), curves[columns].unique()
    width = min(style.WIDTH, 1.6 + 4.8 * len(across))
    height = len(down) * np.clip(0.75 * width / len(across), 1.6, 3)
    figure = style.new_figure(height=min(height, width) + 0.6, width=width, pad=0.04)
    grid = figure.subplots(len(down), len(across), sharex=True, squeeze=False)
    for (row, column), axes in np.ndenumerate(grid):
        drawn, chance = (t[(t[rows] == down[row]) & (t[columns] == across[column])] for t in (curves, random))
        axes.fill_between(chance["discard"], chance["low"], chance["high"], color=style.BAND, linewidth=0)
        axes.plot(chance["discard"], chance["fnmr"], color=style.GREY, linestyle=":", linewidth=1.2, zorder=1)
        for key, curve in drawn.groupby("key"):
            look = looks.get(key, OTHERS)
            axes.plot(curve["discard"], curve["fnmr"], alpha=FAINT, **look)
            axes.plot(curve["discard"], curve["fnmr"].where(curve["sure"]), label=key, **look)
            if key == first:
                axes.fill_between(*points_up_to(limit, curve), color=look["color"], alpha=0.15, linewidth=0)
        if drawn.empty:
            axes.text(0.5, 0.5, "not run", transform=axes.transAxes, color=style.GREY, ha="center", va="center")
            axes.tick_params(labelleft=False)
        axes.axvline(limit, color=style.GREY, linewidth=0.8, linestyle=(0, (2, 3)))
        named = drawn["fnmr"][drawn["fmr_resolvable"] & drawn["key"].isin(looks)]
        top = 1.25 * max(named.max(), chance["fnmr"].max())
        axes.set(xlim=(0, 1), xticks=[0, 0.5, 1], ylim=(0, top if top > 0 else None))
        axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=None))
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_formatter(lambda fnmr, _: f"{100 * fnmr:.3g}")
        axes.grid(linewidth=0.5)
        axes.tick_params(labelsize=style.SMALL, pad=2)
        if row == 0:
            name = f"{columns} {across[column]}" if len(across) < 5 else across[column]
            axes.set_title(name, fontsize=style.SMALL)
        if column == 0:
            name = f"{rows}\n{down[row]}\n" if len(down) > 1 else ""
            axes.set_ylabel(f"{name}FNMR (%)", fontsize=style.SMALL)
    for axes in grid[-1]:
        axes.set_xlabel("pairs discarded (%)" if len(across) < 4 else "discarded (%)", fontsize=style.SMALL)
    figure.suptitle(title)

    labels = curves.drop_duplicates("key").set_index("key")["label"]
    handles: list[Artist] = [Line2D([], [], label=labels[key], **look) for key, look in looks.items()]
    if others := len(labels) - len(looks):
        handles.append(Line2D([], [], label=f"{others} other method{'s' * (others > 1)}", **OTHERS))
    handles.append(Patch(color=style.BAND, label=style.RANDOM_LABEL))
    if not curves["sure"].all():
        label = "faint: fewer than ten expected false matches or rejected genuine pairs"
        handles.append(Line2D([], [], color=style.GREY, alpha=FAINT, label=label))
    marked = curves.loc[curves["key"].isin([*looks]), "trained_on"].any()
    style.legend_below(figure, handles=handles, marked=marked, fontsize=style.SMALL)
    return figure


def _looks(curves: pd.DataFrame, limit: float) -> dict[str, dict[str, Any]]:
    """How each curve that is not grey is drawn, by its key, in the order of the legend."""
    method_of = curves.drop_duplicates("key").set_index("key")["method"]
    panels = curves.groupby(["verifier", "benchmark", "key"], sort=False)
    areas = pd.Series({place: np.trapezoid(*points_up_to(limit, curve)[::-1]) for place, curve in panels}).unstack()
    by_rank = areas.rank(axis=1).mean().sort_values(kind="stable").index
    known = [key for method in ALWAYS for key in method_of.index if method_of[key] == method]
    competing = {method_of[key] for key in known} - {"severity"}
    others = [key for key in by_rank if key not in known][: NAMED - len(competing)]
    looks, before = style.looks(method_of), method_of.groupby(method_of).cumcount()
    found = dict[str, dict[str, Any]]()
    for key in [*known, *others]:
        look = looks[method_of[key]]
        line = style.LINES[(style.LINES.index(look["linestyle"]) + before[key]) % len(style.LINES)]
        found[key] = dict(color=look["color"], linestyle=line, linewidth=1.2, zorder=2.5)
    found[next(iter(found))] |= dict(linewidth=1.8, zorder=3)
    return found
