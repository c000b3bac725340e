"""What an image costs, measured: Table 1 beside the counted passes."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from prefiqs.core.errors import InputError


def milliseconds_per_image(
    run: Callable[[np.ndarray], object], images: np.ndarray, few: int, repeats: int = 2
) -> float:
    """Milliseconds that one more image takes; the start of a run (masks, compilation) is left out.

    The shortest time for all images less the shortest for a few of them, over the difference in number: other work on
    the machine, and whatever happens the first time only, can but lengthen a run.

    Args:
        run: takes images and does the work.
        images: the more, the steadier.
        few: how many of them are few; a batch at least, and so many that `run` starts in the same way as for all.
        repeats: runs on all images, and on a few; at least 2, as the first is slower.

    Raises:
        InputError: no more images than a few.
    """
    if not 1 <= few < len(images):
        raise InputError(f"Expected more than {few} images, at least 1, to time a method on, got {len(images)}.")
    seconds = [(_seconds(run, images[:few]), _seconds(run, images)) for _ in range(repeats)]
    start, whole = map(min, zip(*seconds, strict=True))
    return 1e3 * (whole - start) / (len(images) - few)


def _seconds(run: Callable[[np.ndarray], object], images: np.ndarray) -> float:
    start = time.perf_counter()
    run(images)
    return time.perf_counter() - start
