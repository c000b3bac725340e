"""Error-versus-discard curves of many methods, one panel a verifier and benchmark (Fig. 3 of the PreFIQs paper)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from prefiqs.errors import InputError
from prefiqs.evaluation.curve import Curve
from prefiqs.reporting.figures.curves import RANDOM_LABEL, doubtful_handle, draw_curve, shade_area
from prefiqs.reporting.figures.style import BAND, GREY, PALETTE, SMALL, WIDTH, check_table, new_figure, themed

LINE_STYLES: dict[str, Any] = {
    "unsupervised": ":",
    "semi-supervised": "-.",
    "supervised": "--",
    "baseline": (0, (7, 1.5, 1, 1.5, 1, 1.5)),
}
# Nine that stay apart for the colour-blind (Paul Tol's "muted" scheme). More do not: methods of different supervision
# may share one, as their line styles differ.
COLOURS = ("#332288", "#CC6677", "#117733", "#88CCEE", "#882255", "#999933", "#44AA99", "#DDCC77", "#AA4499")

_COLUMN_OF = {field.name: field.name for field in fields(Curve) if field.name != "target_fmr"}
_COLUMN_OF |= {"thresholds": "threshold", "fmr": "fmr_realised"}  # field of a curve -> column of its table


@themed
def edc_grid(
    curves: pd.DataFrame,
    supervision: Mapping[str, str],
    fmr: float = 1e-3,
    random: pd.DataFrame | None = None,
    ours: str = "PreFIQs",
    limit: float = 0.3,
) -> Figure:
    """Draw FNMR over the fraction of pairs discarded; lower is better. Rows are verifiers, columns are benchmarks.

    curves: tables as `curves_table` makes them, one under the other, with a column `benchmark`; rows and columns come
        in the order in which they first appear, methods that `supervision` does not name and other FMRs are left out.
    supervision: method -> "supervised" (dashed), "semi-supervised" (dash-dotted), "unsupervised" (dotted) or
        "baseline" (long dashes and dots), in the order of the legend. A method has one colour in all panels.
    random: columns benchmark, verifier, discard, fnmr (mean over random orders), low, high (5 % and 95 % quantile), at
        that FMR.
    ours: the method with the solid line and the area up to `limit` shaded, which is what its pAUC measures.

    Points with too few impostor pairs to be relied on are hollow, and the line that leads to them is pale. A panel
    without any curve says so. Raises InputError for a method that has no curve at all.
    """
    check_table("curves", curves, ("benchmark", "verifier", "method", "fmr", "discard"), list(_COLUMN_OF.values()))
    if random is not None:
        check_table("random", random, ("benchmark", "verifier", "discard"), ("fnmr", "low", "high"))
    chosen = curves[np.isclose(curves["fmr"], fmr, rtol=1e-6) & curves["method"].isin(list(supervision))]
    _check(supervision, set(chosen["method"]), fmr)
    verifiers, benchmarks = curves["verifier"].unique(), curves["benchmark"].unique()
    styles = method_styles(supervision, ours)

    handles: list[Line2D | Patch] = [Line2D([], [], label=method, **style) for method, style in styles.items()]
    handles += _keys(supervision[method] for method in supervision if method != ours)
    handles += [Patch(color=BAND, label=RANDOM_LABEL)] if random is not None else []
    handles += [doubtful_handle(fmr)] if not chosen["fmr_resolvable"].all() else []

    width = min(WIDTH, 1.2 + 4.8 * len(benchmarks))
    columns = _legend_columns([str(handle.get_label()) for handle in handles], width)
    around = 0.6 + 0.17 * -(-len(handles) // columns)
    # at most as high as an A4 page of that width, while that leaves a panel enough to be read
    height = np.clip(0.7 * width / len(benchmarks), 1.3, max(1.3, (1.38 * width - around) / len(verifiers)))
    figure = new_figure(height=len(verifiers) * height + around, width=width)
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.03, wspace=0.01, hspace=0.01)
    grid = figure.subplots(len(verifiers), len(benchmarks), sharex=True, squeeze=False)
    panels = dict(list(chosen.groupby(["verifier", "benchmark"])))
    for row, verifier in zip(grid, verifiers, strict=True):
        row[0].set_ylabel(verifier, fontsize=SMALL + 1, fontweight="bold")
        for axes, benchmark in zip(row, benchmarks, strict=True):
            _prepare(axes)
            if random is not None:
                _draw_random(axes, random[(random["verifier"] == verifier) & (random["benchmark"] == benchmark)])
            rows = panels.get((verifier, benchmark))
            if rows is None:
                _leave_empty(axes)
            else:
                _draw_panel(axes, rows, styles, ours, limit, markersize=np.clip(width / len(benchmarks), 1.8, 4))
    for axes, benchmark in zip(grid[0], benchmarks, strict=True):
        axes.set_title(benchmark, fontsize=SMALL + 1, fontweight="bold")
    figure.supxlabel("pairs discarded, lowest quality first (%)", fontsize=SMALL + 1)
    figure.supylabel(f"FNMR (%) at FMR {fmr:g}", fontsize=SMALL + 1)
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, fontsize=SMALL, handlelength=3)
    return figure


def method_styles(supervision: Mapping[str, str], ours: str) -> dict[str, dict]:
    """Colour and line style of each method, no two alike."""
    styles = {ours: dict(color=PALETTE[0], linestyle="-", linewidth=1.8, zorder=3)}
    colours = cycle(COLOURS)
    for kind, line in LINE_STYLES.items():
        methods = [method for method, its_kind in supervision.items() if its_kind == kind and method != ours]
        for i, method in enumerate(methods):
            width = 1.1 + 0.9 * (i // len(COLOURS))  # from the tenth of a kind on, colours recur with a thicker line
            styles[method] = dict(color=next(colours), linestyle=line, linewidth=width)
    return {method: styles[method] for method in supervision}


def _legend_columns(labels: list[str], width: float) -> int:
    """As many columns as fit into `width` inches, each as wide as its longest label."""
    for columns in range(len(labels), 1, -1):
        rows = -(-len(labels) // columns)
        longest = [max(map(len, labels[start : start + rows])) for start in range(0, len(labels), rows)]
        if sum(0.65 + 0.068 * length for length in longest) < width - 0.2:
            return columns
    return 1


def _keys(kinds: Iterable[str]) -> list[Line2D]:
    """Explain the line styles, in the order of `LINE_STYLES`."""
    drawn = set(kinds)
    return [
        Line2D([], [], color=GREY, linestyle=LINE_STYLES[kind], label=kind) for kind in LINE_STYLES if kind in drawn
    ]


def _check(supervision: Mapping[str, str], drawn: set[str], fmr: float) -> None:
    if not supervision:
        raise InputError("supervision: expected at least one method, got none.")
    unknown = sorted(set(supervision.values()) - set(LINE_STYLES))
    if unknown:
        raise InputError(f"supervision: expected each one of {', '.join(LINE_STYLES)}; got {', '.join(unknown)}.")
    missing = [method for method in supervision if method not in drawn]
    if missing:
        raise InputError(f"curves: expected curves of each method at FMR {fmr:g}, got none of {', '.join(missing)}.")


def _prepare(axes: Axes) -> None:
    axes.set(xlim=(0, 1), xticks=[0, 0.5, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=""))
    axes.grid(linewidth=0.5)
    axes.tick_params(labelsize=SMALL, pad=1)
    axes.spines[:].set_linewidth(0.6)


def _draw_panel(
    axes: Axes, rows: pd.DataFrame, styles: Mapping[str, dict], ours: str, limit: float, markersize: float
) -> None:
    by_method = dict(list(rows.groupby("method")))
    for method, style in styles.items():
        if method in by_method:
            curve = _as_curve(by_method[method])
            if method == ours:
                shade_area(axes, curve, limit, style["color"])
            draw_curve(axes, curve, method, markersize=markersize, **style)
    axes.axvline(limit, color=GREY, linewidth=0.6, linestyle=(0, (2, 3)))
    axes.set_ylim(0, None)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(lambda fnmr, _: f"{100 * fnmr:.3g}")


def _leave_empty(axes: Axes) -> None:
    axes.text(0.5, 0.5, "not run", transform=axes.transAxes, color=GREY, fontsize=SMALL, ha="center", va="center")
    axes.set_yticks([])


def _draw_random(axes: Axes, rows: pd.DataFrame) -> None:
    rows = rows.sort_values("discard")
    axes.fill_between(rows["discard"], rows["low"], rows["high"], color=BAND, linewidth=0)
    axes.plot(rows["discard"], rows["fnmr"], color=GREY, linewidth=0.8)


def _as_curve(rows: pd.DataFrame) -> Curve:
    rows = rows.sort_values("discard")
    arrays = {field: rows[column].to_numpy() for field, column in _COLUMN_OF.items()}
    return Curve(**arrays, target_fmr=float(rows["fmr"].iloc[0]))
