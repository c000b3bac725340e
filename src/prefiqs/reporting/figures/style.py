"""What all figures share: theme, size, and files that are the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from prefiqs.errors import InputError
from prefiqs.io.atomic import write_bytes

WIDTH = 9.0  # inches; 900 pixels on screen
SMALL = 8.5  # points; still above 6 where a figure of that width is printed on 6.5 inches
# Seaborn's "colorblind" palette and, below, its theme "whitegrid" in the context "notebook", so that `prefiqs evaluate`
# needs no seaborn.
_HEX = "0173b2 de8f05 029e73 d55e00 cc78bc ca9161 fbafe4 949494 ece133 56b4e9"
PALETTE = [to_rgb(f"#{colour}") for colour in _HEX.split()]
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
GREY = "0.45"
SAVED, SHOWN = 150, 100  # dots an inch: of a saved picture, where figures are laid out too, and of one in a notebook
BAND = "0.85"  # where a random order lies

_THEME: Any = {
    **dict.fromkeys(("axes.labelcolor", "xtick.color", "ytick.color", "text.color"), ".15"),
    **dict.fromkeys(("font.size", "axes.labelsize", "axes.titlesize", "legend.title_fontsize"), 10.8),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 9.9),
    **dict.fromkeys(("axes.edgecolor", "grid.color"), ".8"),
    **dict.fromkeys(("axes.grid", "axes.axisbelow", "patch.force_edgecolor"), True),
    **dict.fromkeys(("xtick.bottom", "ytick.left"), False),
    **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 1.25),
    **dict.fromkeys(("grid.linewidth", "patch.linewidth", "xtick.minor.width", "ytick.minor.width"), 1),
    **dict.fromkeys(("xtick.major.size", "ytick.major.size"), 6),
    **dict.fromkeys(("xtick.minor.size", "ytick.minor.size"), 4),
    "lines.solid_capstyle": "round",
    "axes.prop_cycle": cycler(color=PALETTE),
    "font.sans-serif": ["DejaVu Sans"],  # matplotlib's own, hence on every machine
    "patch.edgecolor": "white",
}


class Picture(Figure):
    """A figure that a notebook shows by itself; a bare one it shows only once pyplot has been set up."""

    def _repr_png_(self) -> bytes:
        return as_png(self, SHOWN)


def themed(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw in the common theme without changing matplotlib's settings for anybody else.

    The parts are laid out here, once: matplotlib would do it again whenever the figure is shown or saved, each time
    starting from where they are, so that a figure shown first and saved then would differ a little from one saved.
    """

    @wraps(draw)
    def drawn(*args, **options) -> Figure:
        with mpl.rc_context(_THEME):
            figure = draw(*args, **options)
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            return figure

    return drawn


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure, `width` × `height` inches, whose parts make room for one another."""
    return Picture(figsize=(width, height), dpi=SAVED, layout="constrained")


def panels(figure: Figure, n: int, columns: int) -> list[Axes]:
    """Return `n` axes filled in by rows of `columns`; what is left over of the last row stays empty."""
    rows = -(-n // columns)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in axes[n:]:
        spare.set_axis_off()
    return list(axes[:n])


def show_image(axes: Axes, image: np.ndarray) -> None:
    """Put an image into `axes` with nothing around it."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=255)  # the last three are for grey images only
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def check_table(name: str, table: pd.DataFrame, key: Sequence[str], values: Sequence[str]) -> None:
    """Raise `InputError` unless `table` has rows, the columns `key` and `values`, and one row for each key."""
    missing = [column for column in [*key, *values] if column not in table]
    if missing or table.empty:
        raise InputError(
            f"{name}: expected rows with the columns {', '.join([*key, *values])}, got "
            f"{'no ' + ', '.join(missing) if missing else 'no row'}."
        )
    twice = table[table.duplicated(list(key))]
    if len(twice):
        place = ", ".join(f"{column} {twice.iloc[0][column]}" for column in key)
        raise InputError(
            f"{name}: expected one row for each {', '.join(key)}, got two for {place}; choose one of them."
        )


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG (`SAVED` dots an inch) or PDF, by the suffix of the path; always the same bytes."""
    if Path(path).suffix == ".png":
        return write_bytes(as_png(figure, SAVED), path)
    if Path(path).suffix != ".pdf":
        raise InputError(f"Cannot write a figure as {path}: choose .png or .pdf.")
    pdf = BytesIO()
    figure.savefig(pdf, format="pdf", dpi=SAVED, metadata={"CreationDate": None})  # it would change from run to run
    return write_bytes(pdf.getvalue(), path)


def as_png(figure: Figure, dpi: float) -> bytes:
    """Render a figure as PNG in the fewest bytes that show no difference: half and less of what matplotlib writes.

    Grey where there is no colour; 256 colours for drawings, which have few but for softened edges; all for photos.
    """
    drawn, png = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    image = Image.open(drawn).convert("RGB")
    red, green, blue = image.split()
    if red == green == blue:
        image = red
    elif not any(axes.images for axes in figure.axes):
        image = image.quantize(256, Image.Quantize.MAXCOVERAGE)
    image.save(png, "PNG", optimize=True)
    return png.getvalue()
