"""Pictures of faces: with captions, with what a network looks at, with what methods say of them."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.reporting.figures import style

CHARACTERS_PER_INCH = 15  # of a caption
LETTER, MOST_LETTERS = 0.09, 20  # inches of a caption that runs upwards
ROW = 0.32  # inches of a line of numbers
GREYED, COVER = 0.6, 0.55  # how grey a face is under a map, and how much of it the map covers


@style.themed
def face_grid(images: Sequence[np.ndarray], captions: Sequence[str], columns: int = 10, title: str = "") -> Figure:
    """Show aligned faces, uint8 112×112×3 (RGB), in rows of `columns`, each above its caption; long ones are broken."""
    columns = min(columns, len(images))
    tile = min(style.WIDTH / columns, 1.5)
    captions = ["\n".join(fill(line, int(CHARACTERS_PER_INCH * tile)) for line in c.split("\n")) for c in captions]
    lines = max(caption.count("\n") + 1 for caption in captions)
    rows = -(-len(images) // columns)
    figure = style.new_figure(rows * (tile + 0.17 * lines) + (0.3 if title else 0), columns * tile, pad=0.02)
    for axes, image, caption in zip(style.panels(figure, len(images), columns), images, captions, strict=True):
        style.show_image(axes, image)
        axes.set_xlabel(caption, fontsize=style.SMALL, labelpad=2)
    figure.suptitle(title)
    return figure


@style.themed
def attention_grid(
    images: Sequence[np.ndarray], maps: np.ndarray, exits: Sequence[int], labels: Sequence[str], title: str
) -> Figure:
    """Draw attention maps over faces: one row per face, first the face itself, then one column per block.

    images: uint8 n×112×112×3, RGB. maps: n×L×g×g, not negative, as of `token_attention`; each on its own scale, from
        0 to its largest value. A patch is as large as fits g times into the face.
    exits: which of the L blocks to show, 1 the first. labels: one a face.
    """
    columns = 1 + len(exits)
    tile = min(style.WIDTH / columns, 1.5)
    figure = style.new_figure(tile * len(images) + 0.6, tile * columns, pad=0.01)
    grid = figure.subplots(len(images), columns, squeeze=False)
    for axes, name in zip(grid[0], ["face", *(f"block {exit}" for exit in exits)], strict=True):
        axes.set_title(name, fontsize=style.SMALL, pad=3)
    figure.suptitle(title)
    for row, image, of_face, label in zip(grid, images, maps, labels, strict=True):
        row[0].set_ylabel(label, fontsize=style.SMALL)
        greyed = (GREYED * image.mean(axis=2, keepdims=True) + (1 - GREYED) * image).astype(np.uint8)
        style.show_image(row[0], image)
        for axes, attention in zip(row[1:], of_face[np.array(exits) - 1], strict=True):
            style.show_image(axes, greyed)
            view = axes.axis()  # the whole face stays in view
            end = len(attention) * (len(image) // len(attention)) - 0.5
            span = (-0.5, end, end, -0.5)
            axes.imshow(attention, cmap="inferno", vmin=0, vmax=attention.max() or 1, alpha=COVER, extent=span)
            axes.axis(view)
    return figure


@style.themed
def method_agreement(
    images: Sequence[np.ndarray], percentiles: pd.DataFrame, captions: Sequence[str], title: str
) -> Figure:
    """Draw faces in a row, and below each what every method says of it.

    images: n faces, uint8 112×112×3, RGB. percentiles: n rows, one column per method (its label): the share (%) of all
        faces that the method scores lower. captions: n, of long ones the end is shown.
    """
    captions = [c if len(c) <= MOST_LETTERS else f"…{c[1 - MOST_LETTERS :]}" for c in captions]
    height = style.WIDTH / len(images) + ROW * percentiles.shape[1] + LETTER * max(map(len, captions)) + 0.6
    figure = style.new_figure(height, pad=0.02)
    axes = figure.subplots()
    table = percentiles.set_axis(captions).T
    style.heat_map(axes, table, style.LEAST, annot=True, fmt=".0f", cmap="RdBu", vmin=0, vmax=100)
    axes.tick_params(axis="x", labelrotation=90, labelsize=style.LEAST)
    axes.tick_params(axis="y", labelsize=style.SMALL)
    with_gaps = [np.pad(image, ((0, 0), (2, 2), (0, 0)), constant_values=255) for image in images]
    style.show_image(axes.inset_axes((0, 1, 1, 1), anchor="S"), np.hstack(with_gaps))
    figure.suptitle(title)
    return figure


def ends_of_people(
    scores: np.ndarray, people: np.ndarray, most: int, columns: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of the lowest- and of the highest-scored faces, ascending, one a person.

    At most `most`, and in full rows of `columns` if there are more than fill one.
    """
    order = np.argsort(scores, kind="stable")
    person = pd.Series(people[order])
    lowest, highest = (order[~person.duplicated(keep=end)] for end in ("first", "last"))
    shown = min(most, len(lowest))
    if shown > columns:
        shown -= shown % columns
    return lowest[:shown], highest[len(highest) - shown :]


def face_captions(index: pd.DataFrame, rows: Sequence[int] | np.ndarray) -> list[str]:
    """What was done to each face, or its name if nothing was; `index` is that of a benchmark."""
    labels = index.iloc[rows]
    return labels["degradation"].where(labels["degradation"] != "none", labels["name"]).tolist()
