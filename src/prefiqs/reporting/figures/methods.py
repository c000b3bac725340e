"""Methods beside each other: how alike they rank, and what they say of the same faces."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.errors import InputError
from prefiqs.reporting.figures.style import SMALL, WIDTH, heat_map, new_figure, show_image, themed

ROW = 0.32  # inches
LETTER = 0.09  # inches, of a caption that runs upwards
MOST_LETTERS = 20


@themed
def rank_correlations(correlation: pd.DataFrame, title: str = "") -> Figure:
    """Draw how alike methods rank: a square table of Spearman correlations, labels of methods as rows and columns."""
    if list(correlation.index) != list(correlation.columns) or correlation.empty:
        raise InputError("The rows and columns of the correlations must be the same methods, as of DataFrame.corr.")
    n = len(correlation)
    figure = new_figure(height=min(WIDTH, 2.2 + 0.42 * n), width=min(WIDTH, 3.4 + 0.5 * n))
    axes = figure.subplots()
    text = correlation.map(lambda value: f"{value:.2f}".replace("-", "−"))
    mesh = heat_map(axes, correlation, text, SMALL - 1, cmap="RdBu_r", vmin=-1, vmax=1)
    figure.colorbar(mesh, ax=axes, label="Spearman correlation", shrink=0.7)
    axes.set_aspect("equal")
    axes.set_xticks(axes.get_xticks(), correlation.columns, rotation=45, ha="right", fontsize=SMALL)
    axes.tick_params(axis="y", labelsize=SMALL)
    axes.set_title(title)
    return figure


@themed
def method_agreement(images: Sequence[np.ndarray], percentiles: pd.DataFrame, captions: Sequence[str]) -> Figure:
    """Draw faces in a row, and below each what every method says of it.

    images: n faces, uint8 112×112×3, RGB. percentiles: n rows, one column a method, called by its label: the share (%)
    of all faces that the method scores lower. captions: n, of long ones the end is shown.
    """
    if not len(images) == len(percentiles) == len(captions) > 0:
        raise InputError(
            f"Each face needs one row of percentiles and one caption: {len(images)} faces, {len(percentiles)} rows, "
            f"{len(captions)} captions."
        )
    n, methods = len(images), list(percentiles.columns)
    tile = (WIDTH - 1.6) / n
    captions = [c if len(c) <= MOST_LETTERS else f"…{c[1 - MOST_LETTERS :]}" for c in captions]
    below = 0.3 + max(map(len, captions)) * LETTER
    figure = new_figure(height=tile + ROW * len(methods) + below + 0.5)
    figure.set_layout_engine("constrained", w_pad=0.01, h_pad=0.02, wspace=0, hspace=0)
    grid = figure.add_gridspec(2, n, height_ratios=[tile, ROW * len(methods) + below])
    for column, image in enumerate(images):
        show_image(figure.add_subplot(grid[0, column]), image)
    axes = figure.add_subplot(grid[1, :])
    table = percentiles.set_axis(captions).T
    heat_map(axes, table, table.map("{:.0f}".format), SMALL - 1.5, cmap="RdBu", vmin=0, vmax=100)
    axes.tick_params(axis="x", labelrotation=90, labelsize=SMALL - 1)
    axes.tick_params(axis="y", labelsize=SMALL)
    figure.suptitle("Share of faces scored lower (%), by method")
    return figure
