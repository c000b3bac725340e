"""Error-versus-discard curves of many methods, one panel a verifier and benchmark (Fig. 3 of the PreFIQs paper)."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from prefiqs.errors import InputError
from prefiqs.evaluation.curve import Curve
from prefiqs.reporting.figures.curves import draw_curve, shade_area, unresolvable_handle
from prefiqs.reporting.figures.style import (
    BAND,
    GREY,
    PALETTE,
    RANDOM_CURVES,
    SMALL,
    WIDTH,
    check_table,
    legend_below,
    new_figure,
    themed,
)

LINE_STYLES: dict[str, Any] = {"unsupervised": ":", "semi-supervised": "-.", "supervised": "--"}
OTHERS: dict[str, Any] = dict(color="0.7", linewidth=0.9, zorder=1.5)
# Those of the palette that stand out from the grey of other methods; the first is of `ours`.
COLOURS = [PALETTE[0], PALETTE[3], PALETTE[2], PALETTE[4], PALETTE[1], PALETTE[5]]

_COLUMN_OF = {field.name: field.name for field in fields(Curve) if field.name != "target_fmr"}
_COLUMN_OF |= {"thresholds": "threshold", "fmr": "fmr_realised"}  # field of a curve -> column of its table


@themed
def edc_grid(
    curves: pd.DataFrame,
    ours: str,
    coloured: Sequence[str] | None = None,
    fmr: float = 1e-3,
    random: pd.DataFrame | None = None,
    limit: float = 0.3,
    title: str = "",
) -> Figure:
    """Draw FNMR over the fraction of pairs discarded; lower is better. Rows are verifiers, columns are benchmarks.

    curves: tables as `curves_table` makes them, one under the other, with the columns benchmark, label and supervision
        too; rows and columns come in the order in which they first appear, other FMRs are left out.
    ours: key of the method with the solid line and the area up to `limit` shaded, which is what its pAUC measures.
    coloured: keys of up to five other methods with a colour of their own, by default the five with the smallest
        pAUC, on average over the ranks in all panels; all others are grey. The line style says how a method is
        supervised: dotted not, dash-dotted partly, dashed fully.
    random: columns benchmark, verifier, discard, fnmr (mean over random orders), low, high (smallest and largest), at
        that FMR.

    Points with too few impostor pairs for the FMR are hollow, and the line that leads to them is pale. A panel without
    any curve says so. Raises InputError for a key that has no curve at all.
    """
    values = [column for column in _COLUMN_OF.values() if column != "discard"]
    check_table("curves", curves, ("benchmark", "verifier", "key", "fmr", "discard"), ["label", "supervision", *values])
    if random is not None:
        check_table("random", random, ("benchmark", "verifier", "discard"), ("fnmr", "low", "high"))
    chosen = curves[np.isclose(curves["fmr"], fmr, rtol=1e-6)]
    coloured = _best(chosen, ours, limit) if coloured is None else coloured
    styles = _styles(chosen, ours, coloured, fmr)
    verifiers, benchmarks = curves["verifier"].unique(), curves["benchmark"].unique()

    width = min(WIDTH, 1.6 + 4.8 * len(benchmarks))
    height = len(verifiers) * np.clip(0.7 * width / len(benchmarks), 1.6, 3)
    figure = new_figure(height=min(height, width) + 0.6, width=width)
    figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.03, wspace=0.01, hspace=0.01)
    grid = figure.subplots(len(verifiers), len(benchmarks), sharex=True, squeeze=False)
    parts = dict(list(chosen.groupby(["verifier", "benchmark"])))
    for row, verifier in zip(grid, verifiers, strict=True):
        row[0].set_ylabel(f"{verifier}\nFNMR (%)", fontsize=SMALL)
        for axes, benchmark in zip(row, benchmarks, strict=True):
            _prepare(axes)
            if random is not None:
                _draw_random(axes, random[(random["verifier"] == verifier) & (random["benchmark"] == benchmark)])
            rows = parts.get((verifier, benchmark))
            if rows is None:
                axes.text(0.5, 0.5, "not run", transform=axes.transAxes, color=GREY, ha="center", va="center")
                axes.set_yticks([])
            else:
                _draw_panel(axes, rows, styles, ours, limit, markersize=np.clip(width / len(benchmarks), 1.8, 4))
    for axes, benchmark in zip(grid[0], benchmarks, strict=True):
        axes.set_title(benchmark, fontsize=SMALL + 1)
    for axes in grid[-1]:
        axes.set_xlabel("pairs discarded (%)" if len(benchmarks) < 4 else "discarded (%)", fontsize=SMALL)
    figure.suptitle(title or f"FNMR at FMR {fmr:g}")
    legend_below(figure, _handles(chosen, styles, ours, fmr, random is not None), SMALL)
    return figure


def _best(curves: pd.DataFrame, ours: str, limit: float) -> list[str]:
    """Keys of the other methods that rank first by pAUC, in as many as have a colour."""
    panels = curves.groupby(["verifier", "benchmark", "key"], sort=False)
    areas = pd.Series({place: _as_curve(rows).pauc(limit) for place, rows in panels}).unstack()
    ranks = areas.rank(axis=1).mean().drop(ours, errors="ignore").sort_values(kind="stable")
    return ranks.index[: len(COLOURS) - 1].tolist()


def _styles(curves: pd.DataFrame, ours: str, coloured: Sequence[str], fmr: float) -> dict[str, dict[str, Any]]:
    """How each method is drawn, by key: the coloured ones last, on top of the others."""
    kinds = curves.drop_duplicates("key").set_index("key")["supervision"]
    named = [*(key for key in coloured if key != ours), ours]
    if missing := [key for key in named if key not in kinds.index]:
        raise InputError(f"There is no curve of {', '.join(missing)} at FMR {fmr:g}.")
    if len(named) > len(COLOURS):
        raise InputError(f"At most {len(COLOURS) - 1} methods can have a colour, not {len(named) - 1}.")
    lines = {key: LINE_STYLES.get(kind, "-") for key, kind in kinds.items()}
    styles = {key: OTHERS | {"linestyle": line} for key, line in lines.items() if key not in named}
    colours = dict(zip(named[:-1], COLOURS[1:], strict=False))
    styles |= {
        key: dict(color=colour, linestyle=lines[key], linewidth=1.4, zorder=2.5) for key, colour in colours.items()
    }
    return styles | {ours: dict(color=COLOURS[0], linestyle="-", linewidth=1.8, zorder=3)}


def _handles(
    curves: pd.DataFrame, styles: dict[str, dict[str, Any]], ours: str, fmr: float, with_random: bool
) -> list[Artist]:
    labels = curves.drop_duplicates("key").set_index("key")
    named = [key for key in [ours, *styles] if styles[key]["color"] != OTHERS["color"]]
    handles: list[Artist] = [
        Line2D([], [], label=labels.loc[key, "label"], **styles[key]) for key in dict.fromkeys(named)
    ]
    others = len(styles) - len(set(named))
    if others:
        handles.append(Line2D([], [], label=f"{others} other method{'s' * (others > 1)}", linestyle="-", **OTHERS))
    kinds = set(labels["supervision"][labels.index != ours])
    handles += [
        Line2D([], [], color=GREY, linestyle=line, label=kind) for kind, line in LINE_STYLES.items() if kind in kinds
    ]
    handles += [Patch(color=BAND, label=RANDOM_CURVES)] if with_random else []
    return handles + ([] if curves["fmr_resolvable"].all() else [unresolvable_handle(fmr)])


def _prepare(axes: Axes) -> None:
    axes.set(xlim=(0, 1), xticks=[0, 0.5, 1])
    axes.xaxis.set_major_formatter(lambda discarded, _: f"{100 * discarded:g}")
    axes.grid(linewidth=0.5)
    axes.tick_params(labelsize=SMALL, pad=2)


def _draw_panel(
    axes: Axes, rows: pd.DataFrame, styles: dict[str, dict[str, Any]], ours: str, limit: float, markersize: float
) -> None:
    of_method = dict(list(rows.groupby("key")))
    for key, style in styles.items():
        if key in of_method:
            curve = _as_curve(of_method[key])
            if key == ours:
                shade_area(axes, curve, limit, style["color"])
            grey = style["color"] == OTHERS["color"]
            draw_curve(axes, curve, key, markersize=0 if grey else markersize, **style)
    axes.axvline(limit, color=GREY, linewidth=0.6, linestyle=(0, (2, 3)))
    axes.set_ylim(0, None)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(lambda fnmr, _: f"{100 * fnmr:.3g}")


def _draw_random(axes: Axes, rows: pd.DataFrame) -> None:
    rows = rows.sort_values("discard")
    axes.fill_between(rows["discard"], rows["low"], rows["high"], color=BAND, linewidth=0)
    axes.plot(rows["discard"], rows["fnmr"], color=GREY, linewidth=0.8, zorder=1)


def _as_curve(rows: pd.DataFrame) -> Curve:
    rows = rows.sort_values("discard")
    arrays = {field: rows[column].to_numpy() for field, column in _COLUMN_OF.items()}
    return Curve(**arrays, target_fmr=float(rows["fmr"].iloc[0]))
