"""How values are spread, and how two or more kinds of values go together."""

from collections.abc import Mapping
from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import ArrayLike

from prefiqs.reporting.figures import style

MOST_CELLS = 100  # along each axis: finer ones are not seen in a panel of three inches
INNER = (0.002, 0.998)  # quantiles shown: a few outliers would press all others into a line
HEADROOM = 0.25  # of the height of a panel, for the correlation


@style.themed
def drift_histograms(drifts: Mapping[str, ArrayLike], xlabel: str, title: str = "") -> Figure:
    """Show one histogram for each entry (label -> values), with the median marked.

    Each has its own scale, because drifts at pruning ratios 0.1 and 0.9 differ a hundredfold.
    """
    columns = min(3, len(drifts))
    figure = style.new_figure(height=0.4 + (2.1 if columns > 1 else 2.8) * -(-len(drifts) // columns))
    for axes, (label, values) in zip(style.panels(figure, len(drifts), columns), drifts.items(), strict=True):
        values = np.asarray(values, float)
        median = np.median(values)
        axes.hist(values, bins=40, color=style.PALE, edgecolor="white", linewidth=0.5)
        axes.axvline(median, color="black", linestyle="--", label=f"median {median:#.3g}")
        axes.legend(fontsize=9, handlelength=1.5)
        axes.set_title(label)
        axes.locator_params(axis="x", nbins=5)
    figure.suptitle(title)
    figure.supxlabel(xlabel)
    figure.supylabel("images")
    return figure


@style.themed
def genuine_and_impostor(genuine: np.ndarray, impostor: np.ndarray, threshold: float, title: str) -> Figure:
    """Draw the similarities of genuine and impostor pairs on one axis, with the threshold; what it gets wrong is dark.

    genuine, impostor: in [-1, 1]. A pair matches if it is above the threshold.
    """
    figure = style.new_figure(height=3.4)
    axes = figure.subplots()
    all_pairs = np.concatenate([genuine, impostor])
    width = np.ptp(all_pairs) / 60
    edges = threshold + width * np.arange(-61, 62)  # one of them is the threshold
    for values, wrong, colour, name, error in (
        (genuine, genuine <= threshold, style.BLUE, "genuine pairs", "rejected: FNMR"),
        (impostor, impostor > threshold, style.GREY, "impostor pairs", "accepted: FMR"),
    ):
        share = np.full(len(values), 100 / len(values))
        axes.hist(values, edges, weights=share, color=colour, alpha=0.35, label=name)
        label = f"{error} {100 * wrong.mean():.2g} %"
        axes.hist(values[wrong], edges, weights=share[wrong], color=colour, label=label)
    axes.axvline(threshold, color="black", linestyle="--", label=f"threshold {threshold:.3f}")
    axes.set(xlabel="cosine similarity", ylabel="share of the pairs (%)", xlim=(all_pairs.min(), all_pairs.max()))
    figure.suptitle(title)
    style.legend_below(figure)
    return figure


@style.themed
def scatter_agreement(x: np.ndarray, y: np.ndarray, xlabel: str, ylabel: str, title: str) -> Figure:
    """Show two estimates of one quantity against each other, on equal logarithmic axes, with the line of equality.

    The correlation counts points that are not above zero, too; the figure says how many these are.
    """
    drawn = (x > 0) & (y > 0)
    figure = style.new_figure(height=5.5, width=5.8)
    axes = figure.subplots()
    axes.scatter(x[drawn], y[drawn], s=10, alpha=0.35, color=style.OURS, linewidths=0, rasterized=True)
    both = np.concatenate([x[drawn], y[drawn]]) if drawn.any() else np.array([0.1, 1.0])
    ends = np.array([both.min() / 1.3, both.max() * 1.3])
    axes.plot(ends, ends, color=style.GREY, linestyle="--", label="equal values")
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, xlabel=xlabel, ylabel=ylabel, aspect="equal")
    figure.suptitle(title)
    _number_logarithmic(axes.xaxis, ends[1] / ends[0], "{x:g}")
    _number_logarithmic(axes.yaxis, ends[1] / ends[0], "{x:g}")
    _write_correlation(axes, x, y, "" if drawn.all() else f"\n{(~drawn).sum()} of {len(x)} not above 0, not drawn")
    axes.legend(loc="lower right")
    return figure


@style.themed
def density_panels(x: np.ndarray, scores: Mapping[str, np.ndarray], xlabel: str, title: str) -> Figure:
    """Show how each of several scores (label -> values) lies over x, one density map each, with their correlations.

    Points are counted in cells, fewer cells for fewer points, on one logarithmic colour scale. Points far beyond the
    inner 99.6 % of the scores are not drawn; the panel says how many they are, and the correlation counts them.
    """
    columns = {1: 1, 2: 2, 4: 2}.get(len(scores), 3)
    width = min(4.2 + 2 * columns, style.WIDTH)
    figure = style.new_figure(height=-(-len(scores) // columns) * (0.9 + 0.7 * width / columns), width=width)
    drawn, norm, fullest = style.panels(figure, len(scores), columns), LogNorm(1, 2), 2.0
    for axes, letter, (label, y) in zip(drawn, ascii_lowercase, scores.items(), strict=False):
        low, high = np.quantile(y, INNER)
        margin = 0.15 * (high - low)
        inside = (y >= low - margin) & (y <= high + margin)
        edges = [_edges(values[inside]) for values in (x, y)]
        counts, *_, mesh = axes.hist2d(x[inside], y[inside], edges, cmin=1, norm=norm, cmap="viridis_r")
        mesh.set_rasterized(True)
        norm.vmax = fullest = max(fullest, np.nanmax(counts))
        axes.use_sticky_edges = False  # cells on the frame would take the first number of the axis with them
        axes.autoscale()
        axes.margins(0.03)
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + HEADROOM * (high - low))
        axes.grid(False)
        axes.locator_params(nbins=6)
        axes.set(xlabel=xlabel, ylabel=label, title=f"({letter})" if len(scores) > 1 else "")
        outside = np.count_nonzero(~inside)
        _write_correlation(axes, x, y, f"\n{outside:,} outside" if outside else "")
    figure.suptitle(title)
    bar = figure.colorbar(mesh, ax=drawn, label="faces in a cell", aspect=40)
    _number_logarithmic(bar.ax.yaxis, fullest, "{x:,.0f}")
    return figure


@style.themed
def rank_correlations(correlation: pd.DataFrame, title: str) -> Figure:
    """Draw a square table of Spearman correlations between methods, with their labels as rows and columns."""
    n = len(correlation)
    figure = style.new_figure(height=min(style.WIDTH, 2.2 + 0.42 * n), width=min(style.WIDTH, 3.4 + 0.5 * n))
    axes = figure.subplots()
    text = correlation.map(lambda value: f"{value:.2f}".replace("-", "−"))
    colours = dict(cmap="RdBu_r", vmin=-1, vmax=1)
    mesh = style.heat_map(axes, correlation, style.LEAST, annot=text, fmt="", square=True, **colours)
    figure.colorbar(mesh, ax=axes, label="Spearman correlation", shrink=0.7)
    axes.set_xticks(axes.get_xticks(), correlation.columns, rotation=45, ha="right", fontsize=style.SMALL)
    axes.tick_params(axis="y", labelsize=style.SMALL)
    figure.suptitle(title)
    return figure


def _number_logarithmic(axis: Axis, span: float, text: str) -> None:
    """Print more than powers of ten, which would leave a narrow range without a number."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if span < 100 else (1,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(text)


def _write_correlation(axes: Axes, x: np.ndarray, y: np.ndarray, more: str) -> None:
    """Write the rank correlation into the upper corner that points so correlated leave empty."""
    # Without scipy.stats, which most figures do not need and which takes half a second to load.
    ranks = [pd.Series(values).rank() for values in (x, y)]
    correlation = ranks[0].corr(ranks[1]) if np.ptp(x) and np.ptp(y) else np.nan
    number = "undefined" if np.isnan(correlation) else f"{correlation:.3f}".replace("-", "−")
    place, side = (0.97, "right") if correlation < 0 else (0.03, "left")
    box = dict(boxstyle="round", facecolor="white", edgecolor="0.8", alpha=0.85)
    text = f"Spearman {number}{more}"
    axes.text(place, 0.97, text, ha=side, va="top", transform=axes.transAxes, fontsize=9.5, bbox=box)


def _edges(values: np.ndarray) -> np.ndarray:
    """Edges of equal cells, or, where the values are few set ones such as severities, of one cell a value."""
    cells = min(MOST_CELLS, round(2 * len(values) ** (1 / 3)))
    different = np.unique(values)
    if len(different) > cells:
        return np.linspace(different[0], different[-1], cells + 1)
    if len(different) == 1:
        return different + [-0.5, 0.5]
    before, behind = 2 * different[[0, -1]] - different[[1, -2]]
    middles = np.r_[before, different, behind]
    return (middles[1:] + middles[:-1]) / 2
