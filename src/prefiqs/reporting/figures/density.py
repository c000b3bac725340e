"""Where the points of two quantities lie densely (Fig. 2 of the PreFIQs paper)."""

from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from prefiqs.errors import InputError
from prefiqs.reporting.figures.distributions import as_points, write_correlation
from prefiqs.reporting.figures.style import new_figure, panels, themed

MOST_CELLS = 100  # along each axis: finer ones are not seen in a panel of three inches
INNER = (0.002, 0.998)  # quantiles shown: a few outliers would press all others into a line
LAYOUTS = {1: (1, 6.2), 2: (2, 8.2), 4: (2, 8.2)}  # panels -> columns, width in inches; otherwise:
USUAL_LAYOUT = (3, 9.0)
HEADROOM = 0.25  # of the height of a panel, for the correlation


class _Cells(NamedTuple):
    counts: np.ndarray
    x_edges: np.ndarray
    y_edges: np.ndarray
    outside: int


@themed
def density_panels(maps: Sequence[Mapping[str, Any]]) -> Figure:
    """Show density maps side by side, lettered (a), (b) …, with their Spearman correlations.

    maps: one mapping a panel: x, y (of equal length), xlabel, ylabel, and a title if wanted.

    Points are counted in cells, fewer cells for fewer points, on one logarithmic colour scale for all panels. What
    lies far beyond the inner 99.6 % of y is not drawn; how many points that are is written into the panel, and the
    correlation counts them.
    """
    if not maps:
        raise InputError("There is no map to draw.")
    columns, width = LAYOUTS.get(len(maps), USUAL_LAYOUT)
    figure = new_figure(height=-(-len(maps) // columns) * (0.9 + 0.7 * width / columns), width=width)
    points = [as_points(panel["x"], panel["y"]) for panel in maps]
    cells = [_count(x, y) for x, y in points]
    most = max(2, *(part.counts.max() for part in cells))
    norm = LogNorm(1, most)
    drawn = panels(figure, len(maps), columns)
    for position, (axes, panel) in enumerate(zip(drawn, maps, strict=True)):
        mesh = _draw(axes, cells[position], norm)
        letter = f"({ascii_lowercase[position]}) " if len(maps) > 1 else ""
        title = letter + panel.get("title", "")
        axes.set(xlabel=panel["xlabel"], ylabel=panel["ylabel"], title=title.strip())
        axes.locator_params(nbins=6)
        outside = cells[position].outside
        write_correlation(axes, *points[position], f"\n{outside:,} outside" if outside else "")
    bar = figure.colorbar(mesh, ax=drawn, label="points in a cell", aspect=40)
    bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if most < 100 else (1,)))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter("{x:,.0f}")
    return figure


def _count(x: np.ndarray, y: np.ndarray) -> _Cells:
    low, high = np.quantile(y, INNER)
    margin = 0.15 * (high - low)
    inside = (y >= low - margin) & (y <= high + margin)
    edges = [_edges(values[inside]) for values in (x, y)]
    counts, x_edges, y_edges = np.histogram2d(x[inside], y[inside], edges)
    return _Cells(counts, x_edges, y_edges, int((~inside).sum()))


def _edges(values: np.ndarray) -> np.ndarray:
    """Edges of equal cells, or, where the values are few set ones such as severities, of one cell a value."""
    cells = min(MOST_CELLS, round(2 * len(values) ** (1 / 3)))
    different = np.unique(values)
    if len(different) > cells:
        return np.linspace(different[0], different[-1], cells + 1)
    between = (different[1:] + different[:-1]) / 2
    first, last = (between[0], between[-1]) if len(between) else (different[0] + 0.5, different[0] - 0.5)
    return np.concatenate([[2 * different[0] - first], between, [2 * different[-1] - last]])


def _draw(axes: Axes, cells: _Cells, norm: LogNorm) -> QuadMesh:
    counts = np.ma.masked_equal(cells.counts.T, 0)
    axes.grid(False)
    mesh = axes.pcolormesh(cells.x_edges, cells.y_edges, counts, norm=norm, cmap="viridis_r", rasterized=True)
    axes.use_sticky_edges = False  # cells would lie on the frame, and take the first number of the axis with them
    axes.margins(0.03)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + HEADROOM * (high - low))
    return mesh
