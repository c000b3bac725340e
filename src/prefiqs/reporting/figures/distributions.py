"""How values are spread, and how two kinds of values go together."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import ArrayLike
from scipy.stats import spearmanr

from prefiqs.errors import InputError
from prefiqs.reporting.figures.style import GREY, PALETTE, new_figure, panels, themed


@themed
def drift_histograms(drifts: Mapping[str, ArrayLike], xlabel: str, ylabel: str = "images") -> Figure:
    """Show one histogram for each entry (label -> values), each on its own scale, with the median marked.

    Own scales, because drifts at pruning ratios 0.1 and 0.9 differ a hundredfold.
    """
    columns = min(3, len(drifts))
    figure = new_figure(height=0.4 + (2.1 if columns > 1 else 2.8) * -(-len(drifts) // columns))
    for axes, (label, values) in zip(panels(figure, len(drifts), columns), drifts.items(), strict=True):
        values = np.asarray(values, float)
        median = float(np.median(values))
        axes.hist(values, bins=40, color=PALETTE[9], edgecolor="white", linewidth=0.5)
        axes.axvline(median, color=PALETTE[3], linestyle="--", label=f"median {median:#.3g}")
        axes.legend(fontsize=9, handlelength=1.5, loc="best")
        axes.set(title=label, xlabel="", ylabel="")
        axes.locator_params(axis="x", nbins=5)
    figure.supxlabel(xlabel)
    figure.supylabel(ylabel)
    return figure


@themed
def scatter_agreement(x: ArrayLike, y: ArrayLike, xlabel: str, ylabel: str) -> Figure:
    """Show two estimates of one quantity against each other, on equal logarithmic axes, with the line of equality.

    Points that are not above zero have no place on such axes; how many there are is written into the figure, and the
    correlation counts them.
    """
    x, y = as_points(x, y)
    drawn = (x > 0) & (y > 0)
    figure = new_figure(height=5.5, width=5.8)
    axes = figure.subplots()
    axes.scatter(x[drawn], y[drawn], s=10, alpha=0.35, color=PALETTE[0], linewidths=0, rasterized=True)
    both = np.concatenate([x[drawn], y[drawn]]) if drawn.any() else np.array([0.1, 1.0])
    ends = np.array([both.min() / 1.3, both.max() * 1.3])
    axes.plot(ends, ends, color=GREY, linestyle="--", label="equal values")
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, xlabel=xlabel, ylabel=ylabel, aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):  # powers of ten alone would leave a narrow range without a number
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if ends[1] < 100 * ends[0] else (1,)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter("{x:g}")
    hidden = f"\n{(~drawn).sum()} of {len(x)} not above 0, not drawn" if not drawn.all() else ""
    write_correlation(axes, x, y, hidden)
    axes.legend(loc="lower right")
    return figure


def write_correlation(axes: Axes, x: np.ndarray, y: np.ndarray, more: str = "") -> None:
    """Write the rank correlation into the upper corner that points so correlated leave empty."""
    correlation = spearmanr(x, y).statistic if _varies(x) and _varies(y) else np.nan
    number = "undefined" if np.isnan(correlation) else f"{correlation:.3f}".replace("-", "−")
    place, side = (0.97, "right") if correlation < 0 else (0.03, "left")
    box = dict(boxstyle="round", facecolor="white", edgecolor="0.8", alpha=0.85)
    text = f"Spearman {number}{more}"
    axes.text(place, 0.97, text, ha=side, va="top", transform=axes.transAxes, fontsize=9.5, bbox=box)


def _varies(values: np.ndarray) -> bool:
    return bool(np.ptp(values) > 0)


def as_points(x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return both as float64 vectors, or raise `InputError` unless they are finite and of one length above 0."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim != 1 or x.shape != y.shape or not len(x) or not np.isfinite([x, y]).all():
        raise InputError(
            f"x and y must be finite and of the same length; their shapes are {x.shape} and {y.shape}. "
            "Leave out images without a value."
        )
    return x, y
