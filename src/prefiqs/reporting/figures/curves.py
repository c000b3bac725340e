"""Error-versus-discard curves: on one pair of axes, and one panel a verifier and benchmark (Fig. 3 of PreFIQs)."""

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from prefiqs.evaluation.curve import Curve, RandomOrder, points_up_to
from prefiqs.reporting.figures import style

PALE = 0.35
RANDOM_LABEL = "random orders, mean and 5–95 %"
LINE_STYLES: dict[str, Any] = {"unsupervised": ":", "semi-supervised": "-.", "supervised": "--"}
OTHERS: dict[str, Any] = dict(color="0.7", linewidth=0.9, zorder=1.5)
# Those of the palette that stand out from the grey of other methods; the first is of `ours`.
COLOURS = [style.PALETTE[i] for i in (0, 3, 2, 4, 1, 5)]


@style.themed
def edc_figure(
    curves: Mapping[str, Curve],
    title: str,
    limit: float,
    random: RandomOrder | None = None,
    oracle: Curve | None = None,
) -> Figure:
    """Draw FNMR over the fraction of pairs discarded; lower is better, and the legend gives each area up to `limit`.

    curves: by label; the area under the first is shaded up to `limit`, which is what its pAUC measures.
    random: of random qualities, made with the same limit: mean line and range. oracle: of the true severity.
    Points with too few impostor pairs for the FMR are hollow, and the line that leads to them is pale.
    """
    first, *_ = drawn = list(curves.values())
    figure = style.new_figure(height=4.4)
    axes = figure.subplots()
    if random is not None:
        axes.fill_between(random.discard, *random.band(), color=style.BAND, linewidth=0)
        label = _with_pauc(RANDOM_LABEL, random.pauc.mean())
        axes.plot(random.discard, random.fnmr.mean(axis=0), color=style.GREY, linestyle=":", linewidth=2, label=label)
    if oracle is not None:
        _draw_curve(axes, oracle, _with_pauc("true severity", oracle.pauc(limit)), color="black", linestyle="--")
        drawn.append(oracle)
    for (name, curve), line in zip(curves.items(), cycle(style.STYLES)):
        on_top: dict[str, Any] = dict(zorder=3, linewidth=2.4) if curve is first else {}
        _draw_curve(axes, curve, _with_pauc(name, curve.pauc(limit)), **line, **on_top)
    _shade_area(axes, first, limit, style.PALETTE[0])
    axes.set(xlabel="pairs discarded, lowest quality first", ylabel=f"FNMR at FMR {first.target_fmr:g}", title=title)
    axes.set(xlim=(0, 1), ylim=(0, None))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    handles = axes.get_legend_handles_labels()[0]
    if not all(curve.fmr_resolvable.all() for curve in drawn):
        handles.append(_hollow_handle(first.target_fmr))
    style.legend_below(figure, 2, handles)
    return figure


@style.themed
def edc_grid(curves: pd.DataFrame, random: pd.DataFrame, ours: str, fmr: float, limit: float, title: str) -> Figure:
    """Draw FNMR over the fraction of pairs discarded; lower is better. Rows are verifiers, columns are benchmarks.

    curves: as of `curves_table`, with the columns benchmark, label and supervision too, in the order to be drawn.
    random: columns benchmark, verifier, discard, fnmr (mean over random orders), low, high, at that FMR.
    ours: key of the method with the solid line and the area up to `limit` shaded, which is what its pAUC measures.

    The five other methods with the best mean rank by pAUC have a colour; all others are grey. The line style says how
    a method is supervised. Points with too few impostor pairs for the FMR are hollow, with a pale line.
    """
    curves = curves[curves["fmr"] == fmr].sort_values("discard", kind="stable")
    verifiers, benchmarks = curves["verifier"].unique(), curves["benchmark"].unique()
    methods = curves.drop_duplicates("key").set_index("key")[["label", "supervision"]]
    colours = dict(zip([ours, *_best(curves, ours, limit)], COLOURS, strict=False))
    styles = {key: OTHERS | {"linestyle": LINE_STYLES.get(kind, "-")} for key, kind in methods["supervision"].items()}
    for key, colour in colours.items():
        styles[key] |= dict(color=colour, linewidth=1.4, zorder=2.5)
    styles[ours] |= dict(linestyle="-", linewidth=1.8, zorder=3)

    width = min(style.WIDTH, 1.6 + 4.8 * len(benchmarks))
    height = len(verifiers) * np.clip(0.7 * width / len(benchmarks), 1.6, 3)
    figure = style.new_figure(height=min(height, width) + 0.6, width=width, pad=0.04)
    grid = figure.subplots(len(verifiers), len(benchmarks), sharex=True, squeeze=False)
    for (row, column), axes in np.ndenumerate(grid):
        verifier, benchmark = verifiers[row], benchmarks[column]
        drawn, chance = (t[(t["verifier"] == verifier) & (t["benchmark"] == benchmark)] for t in (curves, random))
        axes.fill_between(chance["discard"], chance["low"], chance["high"], color=style.BAND, linewidth=0)
        axes.plot(chance["discard"], chance["fnmr"], color=style.GREY, linewidth=0.8, zorder=1)
        for key, curve in drawn.groupby("key"):
            size = np.clip(width / len(benchmarks), 1.8, 4) if key in colours else 0
            _draw_curve(axes, curve, key, markersize=size, **styles[key])
            if key == ours:
                _shade_area(axes, curve, limit, COLOURS[0])
        if drawn.empty:
            axes.text(0.5, 0.5, "not run", transform=axes.transAxes, color=style.GREY, ha="center", va="center")
            axes.tick_params(labelleft=False)
        axes.set(xlim=(0, 1), xticks=[0, 0.5, 1], ylim=(0, None))
        axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=None))
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_formatter(lambda fnmr, _: f"{100 * fnmr:.3g}")
        axes.grid(linewidth=0.5)
        axes.tick_params(labelsize=style.SMALL, pad=2)
        if row == 0:
            axes.set_title(benchmark, fontsize=style.SMALL + 1)
        if column == 0:
            axes.set_ylabel(f"{verifier}\nFNMR (%)", fontsize=style.SMALL)
    for axes in grid[-1]:
        axes.set_xlabel("pairs discarded (%)" if len(benchmarks) < 4 else "discarded (%)", fontsize=style.SMALL)
    figure.suptitle(title)

    handles: list[Artist] = [Line2D([], [], label=methods.loc[key, "label"], **styles[key]) for key in colours]
    if others := len(methods) - len(colours):
        handles.append(Line2D([], [], label=f"{others} other method{'s' * (others > 1)}", **OTHERS))
    kinds = set(methods["supervision"].drop(ours))
    handles += [Line2D([], [], color=style.GREY, linestyle=LINE_STYLES[k], label=k) for k in LINE_STYLES if k in kinds]
    handles.append(Patch(color=style.BAND, label=RANDOM_LABEL))
    if not curves["fmr_resolvable"].all():
        handles.append(_hollow_handle(fmr))
    style.legend_below(figure, handles=handles, fontsize=style.SMALL)
    return figure


def _best(curves: pd.DataFrame, ours: str, limit: float) -> list[str]:
    """Keys of the other methods that rank first by pAUC, in as many as have a colour."""
    rows = curves.groupby(["verifier", "benchmark", "key"], sort=False)
    areas = pd.Series({place: np.trapezoid(*points_up_to(limit, curve)[::-1]) for place, curve in rows}).unstack()
    ranks = areas.rank(axis=1).mean().drop(ours).sort_values(kind="stable")
    return ranks.index[: len(COLOURS) - 1].tolist()


def _shade_area(axes: Axes, curve: Curve | pd.DataFrame, limit: float, color: Any) -> None:
    axes.fill_between(*points_up_to(limit, curve), color=color, alpha=0.15, linewidth=0)
    axes.axvline(limit, color=style.GREY, linewidth=0.8, linestyle=(0, (2, 3)))


def _draw_curve(
    axes: Axes, curve: Curve | pd.DataFrame, label: str, marker: str = "", markersize: float = 5, **line: Any
) -> None:
    """Draw one curve; points that cannot resolve the FMR are hollow, with a marker even where the others have none."""
    weak = ~curve.fmr_resolvable
    axes.plot(curve.discard, curve.fnmr, **line | {"alpha": PALE})
    certain = np.where(weak, np.nan, curve.fnmr)
    axes.plot(curve.discard, certain, marker=marker, markersize=markersize, label=label, **line)
    if weak.any() and markersize:
        hollow = dict(linestyle="", marker=marker or "o", markersize=markersize, markerfacecolor="white", alpha=0.7)
        hollow["clip_on"] = False  # else half of those at FNMR 0 would be cut off
        axes.plot(curve.discard[weak], curve.fnmr[weak], **{**line, **hollow})


def _hollow_handle(fmr: float) -> Line2D:
    label = f"hollow: fewer than {1 / fmr:,.0f} impostor pairs left"
    return Line2D([], [], color=style.GREY, alpha=PALE, marker="o", markerfacecolor="white", label=label)


def _with_pauc(name: str, pauc: float) -> str:
    return f"{name} ({style.PAUC_LABEL} {1000 * pauc:.1f})"
