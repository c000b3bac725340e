"""Methods beside each other: how alike they rank, and what they say of the same faces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.errors import InputError
from prefiqs.reporting.figures.faces import withheld_tile
from prefiqs.reporting.figures.style import SMALL, WIDTH, new_figure, show_image, themed

ROW = 0.32  # inches
CAPTION_LETTER = 0.09  # inches, of a caption that runs upwards
MOST_LETTERS = 20


@themed
def rank_correlations(correlation: pd.DataFrame, title: str = "") -> Figure:
    """Draw how alike methods rank: a square table of Spearman correlations, methods as rows and columns."""
    import seaborn as sns

    if list(correlation.index) != list(correlation.columns) or correlation.empty:
        raise InputError("correlation: expected the same methods as rows and columns, got others; use DataFrame.corr.")
    n = len(correlation)
    figure = new_figure(height=min(WIDTH, 2.2 + 0.42 * n), width=min(WIDTH, 3.4 + 0.5 * n))
    axes = figure.subplots()
    sns.heatmap(
        correlation, vmin=-1, vmax=1, cmap="vlag", annot=True, fmt=".2f", annot_kws={"size": SMALL - 1}, square=True,
        cbar_kws={"label": "Spearman correlation", "shrink": 0.7}, ax=axes,
    )  # fmt: skip
    axes.set_xticklabels(axes.get_xticklabels(), rotation=45, ha="right", fontsize=SMALL)
    axes.set_yticklabels(axes.get_yticklabels(), rotation=0, fontsize=SMALL)
    axes.set_title(title)
    return figure


@themed
def method_agreement(
    images: Sequence[np.ndarray], percentiles: pd.DataFrame, captions: Sequence[str], withheld: bool = False
) -> Figure:
    """Draw faces in a row, and below each what every method says of it.

    images: n faces, uint8 112×112×3, RGB. percentiles: n rows, one column a method: the share (%) of all faces that the
    method scores lower. captions: n, of long ones the end is shown. withheld: grey tiles instead of the faces.
    """
    import seaborn as sns

    if not len(images) == len(percentiles) == len(captions) > 0:
        raise InputError(
            f"images: expected as many as percentiles and captions, got {len(images)}, {len(percentiles)} and "
            f"{len(captions)}."
        )
    n, methods = len(images), list(percentiles.columns)
    tile = (WIDTH - 1.6) / n
    captions = [c if len(c) <= MOST_LETTERS else f"…{c[1 - MOST_LETTERS :]}" for c in captions]
    below = 0.3 + max(map(len, captions)) * CAPTION_LETTER
    figure = new_figure(height=tile + ROW * len(methods) + below + 0.5)
    figure.set_layout_engine("constrained", w_pad=0.01, h_pad=0.02, wspace=0, hspace=0)
    grid = figure.add_gridspec(2, n, height_ratios=[tile, ROW * len(methods) + below])
    for column, image in enumerate(images):
        show_image(figure.add_subplot(grid[0, column]), withheld_tile() if withheld else image)
    axes = figure.add_subplot(grid[1, :])
    sns.heatmap(
        percentiles.T, vmin=0, vmax=100, cmap="vlag_r", annot=True, fmt=".0f", cbar=False,
        annot_kws={"size": SMALL - 1.5}, ax=axes,
    )  # fmt: skip
    axes.set_xticks(np.arange(n) + 0.5, captions, rotation=90, fontsize=SMALL - 1)
    axes.set_yticks(np.arange(len(methods)) + 0.5, methods, rotation=0, fontsize=SMALL)
    axes.set(xlabel="", ylabel="")
    figure.suptitle("share of faces scored lower (%), by method", fontsize=11)
    return figure
