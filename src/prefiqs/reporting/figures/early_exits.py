"""What the exits of a transformer give for what they cost, and where its quality token looks (the EX-FIQA paper)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from prefiqs.errors import InputError
from prefiqs.reporting.figures.faces import WITHHELD
from prefiqs.reporting.figures.style import (
    BAND,
    GREY,
    MARKERS,
    PALETTE,
    PAUC_LABEL,
    RANDOM_LABEL,
    SMALL,
    WIDTH,
    check_table,
    legend_below,
    new_figure,
    show_image,
    themed,
)

HEAT = "inferno"
GREYED, COVER = 0.6, 0.55  # how grey a face is under a map, and how much of it the map covers


@themed
def pauc_by_gflops(
    exits: pd.DataFrame,
    fusions: pd.DataFrame | None = None,
    random_band: tuple[float, float, float] | None = None,
    title: str = "",
) -> Figure:
    """Draw the pAUC of each exit over its cost, one line a network, with the exit's number; lower left is better.

    exits: columns network, exit, gflops (of one face), pauc (pAUC·10³), in any order.
    fusions: columns network, fusion, gflops, pauc; marked points in the colour of their network.
    random_band: pAUC·10³ of random orders, the smallest, their mean and the largest, as in `random_table`.
    """
    check_table("exits", exits, ("network", "exit"), ("gflops", "pauc"))
    if fusions is not None:
        check_table("fusions", fusions, ("network", "fusion"), ("gflops", "pauc"))
    networks = list(exits["network"].unique())
    colours = {network: PALETTE[i % len(PALETTE)] for i, network in enumerate(networks)}
    if unknown := set() if fusions is None else set(fusions["network"]) - set(networks):
        raise InputError(
            f"There are fusions of {min(unknown)}, but no exits; there are exits of {', '.join(networks)}."
        )
    figure = new_figure(height=4.4)
    axes = figure.subplots()
    if random_band is not None:
        low, mean, high = random_band
        axes.axhspan(low, high, color=BAND, linewidth=0)
        axes.axhline(mean, color=GREY, linestyle=":", linewidth=2, label=RANDOM_LABEL)
    for position, network in enumerate(networks):
        part = exits[exits["network"] == network].sort_values("gflops")
        _draw_exits(axes, part, f"{network}, block by block", colours[network], below=position % 2 == 1)
    names = [] if fusions is None else list(fusions["fusion"].unique())
    for _, row in () if fusions is None else fusions.iterrows():
        marker = MARKERS[1 + names.index(row["fusion"])]
        label = f"{row['fusion']}, {row['network']} ({row['pauc']:.2f})"
        axes.plot(row["gflops"], row["pauc"], linestyle="", marker=marker, markersize=10, markeredgecolor="black",
                  color=colours[row["network"]], zorder=3, label=label)  # fmt: skip
    axes.set(xlabel="GFLOPs for one face", ylabel=f"{PAUC_LABEL} (lower is better)", title=title)
    axes.set_xlim(0, None)
    axes.margins(y=0.1)
    legend_below(figure, axes.get_legend_handles_labels()[0], columns=2)
    return figure


@themed
def attention_grid(
    images: Sequence[np.ndarray],
    maps: np.ndarray,
    exits: Sequence[int] | None = None,
    withheld: bool = False,
    labels: Sequence[str] | None = None,
) -> Figure:
    """Draw attention maps over faces: one row a face, first the face itself, then one column an exit.

    images: uint8 n×112×112×3, RGB. maps: n×L×g×g, not negative, as `token_attention` gives them; each
        goes from dark at 0 to bright at its own largest value, so that colours do not compare between maps.
    exits: which of the L exits to show, 1 the first; None shows all. A patch is as large as fits g times into the face;
        pixels right of and below the last patch belong to none.
    withheld: draw maps alone and no face, for data sets whose images must not be passed on. labels: one a face,
        shown at its row.
    """
    maps = np.asarray(maps, np.float64)
    if maps.ndim != 4 or maps.shape[2] != maps.shape[3] or len(maps) != len(images) or not maps.size:
        raise InputError(
            f"The maps of n ≥ 1 images must be n×L×g×g; their shape is {maps.shape} for {len(images)} images."
        )
    exits = range(1, maps.shape[1] + 1) if exits is None else exits
    if not len(exits) or not all(1 <= exit <= maps.shape[1] for exit in exits):
        raise InputError(f"Exits are numbered from 1 to {maps.shape[1]}; {list(exits)} are not among them.")
    columns = 1 + len(exits)
    tile = min(WIDTH / columns, 1.5)
    figure = new_figure(height=tile * len(images) + 0.3, width=tile * columns)
    figure.set_layout_engine("constrained", w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    grid = figure.subplots(len(images), columns, squeeze=False)
    for row, image, of_face in zip(grid, images, maps, strict=True):
        image = np.full_like(image, WITHHELD) if withheld else image
        show_image(row[0], image)
        for axes, exit in zip(row[1:], exits, strict=True):
            _draw_map(axes, image, of_face[exit - 1])
    for axes, name in zip(grid[0], ["face", *(f"exit {exit}" for exit in exits)], strict=True):
        axes.set_title(name, fontsize=SMALL, pad=3)
    for row, label in zip(grid, labels or (), strict=labels is not None):
        row[0].set_ylabel(label, fontsize=SMALL)
    return figure


def _draw_exits(axes: Axes, exits: pd.DataFrame, label: str, color, below: bool) -> None:
    axes.plot(exits["gflops"], exits["pauc"], color=color, marker=MARKERS[0], label=label)
    beyond = {"ha": "center", "va": "top" if below else "bottom", "position": (0, -6 if below else 6)}
    beside = {"ha": "left", "va": "center", "position": (8, 0)}  # where fusions stand above and below the last exit
    for place, (_, row) in enumerate(exits.iterrows(), start=1):
        number = axes.annotate(
            f"{row['exit']:g}", (row["gflops"], row["pauc"]), color=color, fontsize=SMALL, zorder=2.5
        )
        number.set(anncoords="offset points", path_effects=[withStroke(linewidth=2, foreground="w")])
        number.set(**(beside if place == len(exits) else beyond))


def _draw_map(axes: Axes, image: np.ndarray, attention: np.ndarray) -> None:
    height, width = image.shape[:2]
    covered = len(attention) * (height // len(attention))
    grey = image.mean(axis=2, keepdims=True)
    show_image(axes, (GREYED * grey + (1 - GREYED) * image).astype(np.uint8))
    span = (-0.5, covered - 0.5, covered - 0.5, -0.5)
    axes.imshow(attention, cmap=HEAT, vmin=0, vmax=attention.max() or 1, alpha=COVER, extent=span)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
