"""Pictures of faces."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.errors import InputError
from prefiqs.reporting.figures.style import WIDTH, new_figure, panels, show_image, themed

CAPTION_SIZE = 8.5
CHARACTERS_PER_INCH = 14  # of that size
WITHHELD = 225  # grey level


@themed
def face_grid(
    images: Sequence[np.ndarray],
    captions: Sequence[str] | None = None,
    columns: int = 10,
    title: str = "",
    withheld: bool = False,
) -> Figure:
    """Show aligned faces in rows of `columns`.

    images: uint8 n×112×112×3, RGB. captions: one under each image; what is wider than the image is broken.
    withheld: draw a grey tile instead of each face, for data sets whose images must not be passed on.
    """
    if not len(images) or (captions is not None and len(captions) != len(images)):
        raise InputError(
            f"Each image needs one caption, and there must be an image: {len(images)} images, "
            f"{'no' if captions is None else len(captions)} captions."
        )
    columns = min(columns, len(images))
    tile = min(WIDTH / columns, 1.5)
    if captions is not None:
        captions = ["\n".join(fill(line, int(CHARACTERS_PER_INCH * tile)) for line in c.split("\n")) for c in captions]
    lines = max(caption.count("\n") + 1 for caption in captions) if captions is not None else 0
    rows = -(-len(images) // columns)
    figure = new_figure(height=rows * (tile + 0.17 * lines) + (0.3 if title else 0), width=columns * tile)
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for position, axes in enumerate(panels(figure, len(images), columns)):
        show_image(axes, np.full((1, 1), WITHHELD, np.uint8) if withheld else images[position])
        if captions is not None:
            axes.set_xlabel(captions[position], fontsize=CAPTION_SIZE, labelpad=2)
    if title:
        figure.suptitle(title)
    return figure


@themed
def degradation_ladder(images_by_kind: Mapping[str, Sequence[np.ndarray]], severities: Sequence[float]) -> Figure:
    """Show one row for each kind of degradation, from its first severity to its last.

    images_by_kind: kind -> one uint8 112×112×3 image for each of the `severities`.
    """
    for kind, images in images_by_kind.items():
        if len(images) != len(severities):
            raise InputError(
                f"{kind} has {len(images)} images for {len(severities)} severities; one for each is needed."
            )
    label_width = 0.2 + 0.085 * max(len(kind) for kind in images_by_kind)
    tile = min((WIDTH - label_width) / len(severities), 1.2)
    figure = new_figure(height=tile * len(images_by_kind) + 0.65, width=label_width + tile * len(severities))
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    grid = figure.subplots(len(images_by_kind), len(severities), squeeze=False)
    for row, (kind, images) in zip(grid, images_by_kind.items(), strict=True):
        row[0].set_ylabel(kind, rotation=0, ha="right", va="center")
        for axes, image in zip(row, images, strict=True):
            show_image(axes, image)
    for axes, severity in zip(grid[0], severities, strict=True):
        axes.set_title(f"{severity:g}")
    figure.suptitle("severity")
    return figure


def ends_of_people(
    scores: np.ndarray, people: np.ndarray, most: int, columns: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of the lowest- and of the highest-scored faces, both in ascending order, each of another person.

    As many as there are people, but at most `most`, and in full rows of `columns` if there are more than fill one.
    """
    order = np.argsort(scores, kind="stable")
    shown = min(most, len(np.unique(people)))
    if shown > columns:
        shown -= shown % columns
    lowest = order[np.sort(np.unique(people[order], return_index=True)[1])]
    falling = order[::-1]
    highest = falling[np.sort(np.unique(people[falling], return_index=True)[1])]
    return lowest[:shown], highest[:shown][::-1]


def face_captions(index: pd.DataFrame, rows: Sequence[int] | np.ndarray) -> list[str]:
    """What was done to each face, or its name if nothing was; `index` is that of a benchmark."""
    labels = index.iloc[rows]
    return labels["degradation"].where(labels["degradation"] != "none", labels["name"]).tolist()
