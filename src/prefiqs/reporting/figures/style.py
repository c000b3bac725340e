"""What all figures share: theme, size, legend, and files that are the same bytes each time."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from io import BytesIO
from itertools import chain, cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib import style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from PIL import Image

from prefiqs.io.atomic import write_bytes
from prefiqs.reporting.tables import TRAINED_ON

WIDTH = 9.0  # inches; 900 pixels on screen
SMALL = 8.5  # points; still above 6 where a figure of that width is printed on 6.5 inches
LEAST = 8.0  # points: smaller text cannot be read at 100 dots an inch
BLACK, BLUE, VERMILION = "black", "#0173b2", "#d55e00"
PURPLE, GREEN, AMBER, PINK, SKY, BROWN = HUES = "#9911ee", "#029e73", "#ffb000", "#cc78bc", "#5fbdf0", "#5c2d00"
GREY, PALE, BAND = "0.45", "0.72", "0.87"  # of lines, of what is not named, and of the area where random orders are


def _look(color: str, marker: str, linestyle: str = "-", **more: Any) -> dict[str, Any]:
    return dict(color=color, marker=marker, linestyle=linestyle) | more


# The same in every figure. Any two methods differ in the line, or in a colour that the colour-blind can tell apart.
METHODS: dict[str, dict[str, Any]] = {
    "prefiqs": _look(BLUE, "o"),
    "jacobian": _look(BLUE, "8", ":"),
    "norm": _look(BLACK, "s"),
    "pruning-margin": _look(VERMILION, "D"),
    "ser-fiq": _look(PINK, "X", "-."),
    "grafiqs": _look(AMBER, "<", "--"),
    "faceqan": _look(BROWN, ">", "-."),
    "froq": _look(PURPLE, "p", "--"),
    "vitnt-fiqa": _look(GREEN, "v", "-."),
    "attn-fiqa": _look(AMBER, "P"),
    "ex-fiqa": _look(PURPLE, "^"),
    "vit-fiqa": _look(PURPLE, "d", "-."),
    "quality-network": _look(BROWN, "h"),
    "severity": _look(GREY, "*", "--"),
    "random": _look(GREY, "x", ":"),
    "": _look(GREY, "."),  # of no method
}
# PreFIQs by what is pruned, or by its precision: the published one has the look of the method.
STRATEGIES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("unstructured l1", "fp32"), METHODS["prefiqs"]),
    "unstructured random": _look(BLUE, "o", "--", markerfacecolor="white"),
    "structured l1": _look(SKY, "^"),
    "structured random": _look(SKY, "^", "--", markerfacecolor="white"),
    "bf16": _look(SKY, "v", "--"),
    "fp16": _look(SKY, "<", "-."),
    "tf32": _look(SKY, ">", ":"),
}
LINES = ("-", "--", "-.", ":")
OURS = BLUE
SAVED, SHOWN = 150, 100  # dots an inch: of a saved chart, where figures are laid out too; of photos, and in a notebook
PAUC_LABEL = "pAUC·10³"
RANDOM_LABEL = "random orders, mean and range"
EXPLAINED = f"{TRAINED_ON} trained or chosen on images like these"
FROM_THE_NORM = f"{PAUC_LABEL} minus that of the embedding norm, 95 % intervals; left of 0: better than the norm"
LOWER_IS_BETTER = f"{PAUC_LABEL} (lower is better)"

_THEME: Any = [
    "seaborn-v0_8-whitegrid",
    {
        "axes.prop_cycle": cycler(color=[OURS, *HUES]),
        "axes.titlesize": 11,
        "figure.titlesize": 11,
        "font.sans-serif": ["DejaVu Sans"],  # matplotlib's own, hence on every machine
        "grid.color": "0.85",
        "text.hinting": "none",  # letters of the same width at any resolution, or a layout would fit only one
        "text.parse_math": False,  # a name may hold any number of $
        **dict.fromkeys(("legend.fontsize", "xtick.labelsize", "ytick.labelsize"), 9.5),
    },
]


class Picture(Figure):
    """A figure that a notebook shows as `as_png` renders it, also where pyplot would show it larger."""

    def _ipython_display_(self) -> None:
        from IPython.display import display  # there is one, since it calls this

        display({"image/png": b64encode(as_png(self, SHOWN)).decode()}, raw=True)


def themed(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw in the common theme without changing matplotlib's settings for anybody else.

    The layout is fixed here: matplotlib would move the parts a little each time a figure is shown or saved.
    """

    @wraps(draw)
    def drawn(*args, **options) -> Figure:
        with style.context(_THEME):
            figure = draw(*args, **options)
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            return figure

    return drawn


def new_figure(height: float, width: float = WIDTH, pad: float | None = None) -> Figure:
    """Return an empty figure in inches whose parts do not overlap. pad: inches around panels that stand close."""
    figure = Picture(figsize=(width, height), dpi=SAVED, layout="constrained")
    if pad is not None:
        figure.set_layout_engine("constrained", w_pad=pad, h_pad=pad, wspace=0, hspace=0)
    return figure


def looks(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour, marker and line by name: of `METHODS` and `STRATEGIES`, or, for all others, in their order.

    Others get colours that none of the known ones has, as long as there are any.
    """
    each = dict.fromkeys(names)
    known = {name: look for name, look in (METHODS | STRATEGIES).items() if name in each}
    taken = {look["color"] for look in known.values()}
    shapes = list(zip(HUES, "^vPX<h", strict=True))
    free = [_look(colour, marker) for colour, marker in shapes if colour not in taken]
    others = chain(free, cycle([_look(colour, marker, ":") for colour, marker in shapes]))
    return {name: known.get(name) or next(others) for name in each}


def explained(text: str, marked: bool) -> str:
    """A title, or what stands below a figure, with a line on the mark § if the figure has it."""
    return f"{text}\n{EXPLAINED}" if marked else text


def panels(figure: Figure, n: int, columns: int, **options: Any) -> list[Axes]:
    """Return `n` axes in rows of `columns`; the rest of the last row stays empty. options: of `Figure.subplots`."""
    axes = figure.subplots(-(-n // columns), columns, squeeze=False, **options).ravel()
    for spare in axes[n:]:
        spare.set_axis_off()
    return list(axes[:n])


def legend_below(
    figure: Figure, most: int = 99, handles: Sequence[Artist] = (), marked: bool = False, **options: Any
) -> None:
    """Put a legend, by default of the first panel, under the figure, in at most `most` columns, and make it higher.

    marked: whether a label has the mark §, which is then explained. options: of `Figure.legend`.
    """
    shown = list(handles or figure.axes[0].get_legend_handles_labels()[0])
    if marked:
        shown.append(Line2D([], [], linestyle="", label=EXPLAINED))
    for rows in range(-(-len(shown) // most), len(shown) + 1):
        columns = -(-len(shown) // rows)
        legend = figure.legend(handles=shown, loc="outside lower center", ncols=columns, **options)
        box = legend.get_window_extent()
        if box.width <= 0.98 * figure.bbox.width or columns == 1:
            break
        legend.remove()
    figure.set_figheight(figure.get_figheight() + box.height / figure.dpi)


def draw_random_areas(axes: Axes, areas: pd.Series, along_x: bool = False) -> None:
    """Draw the pAUC of random orders, a row of `random_table`: mean and range."""
    span, line = (axes.axvspan, axes.axvline) if along_x else (axes.axhspan, axes.axhline)
    span(areas["pauc_min"], areas["pauc_max"], color=BAND, linewidth=0, zorder=0)
    line(areas["pauc_mean"], color=GREY, linestyle=":", linewidth=2, zorder=1, label=RANDOM_LABEL)


def heat_map(axes: Axes, table: pd.DataFrame, fontsize: float, **options: Any) -> ScalarMappable:
    """Draw a table as coloured cells with a text in each; a missing value stays empty. options: of seaborn.heatmap."""
    import seaborn  # of the extra [pipeline]; `prefiqs evaluate`, which is not, draws no heat map

    seaborn.heatmap(table, annot_kws={"fontsize": fontsize}, linewidths=1, cbar=False, ax=axes, **options)
    axes.set(xlabel="", ylabel="")
    return axes.collections[0]


def show_image(axes: Axes, image: np.ndarray) -> None:
    """Put an image into `axes` with nothing around it."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=255)  # the last three are for grey images only
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, always the same bytes."""
    write_bytes(as_png(figure, SAVED), path)


def as_png(figure: Figure, dpi: float) -> bytes:
    """Render a figure as a small PNG: a chart in 256 colours, photos in 52 shades a channel and at most `SHOWN` dpi."""
    photos, drawn, png = bool(figure.findobj(AxesImage)), BytesIO(), BytesIO()
    with style.context(_THEME):
        figure.savefig(drawn, format="png", dpi=min(dpi, SHOWN) if photos else dpi)
    image = Image.open(drawn).convert("RGB")
    if not photos:
        image = image.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        image.putpalette([255 if shade > 250 else shade for shade in image.getpalette() or []])  # white is white
    else:
        red, green, blue = image.split()
        image = red if red == green == blue else image
        image = image.point([5 * round(shade / 5) for shade in range(256)] * len(image.getbands()))
    image.save(png, "PNG", optimize=True)
    return png.getvalue()
