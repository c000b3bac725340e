"""What an image costs, measured: Table 1 beside the counted passes."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from prefiqs.core.errors import InputError


def milliseconds_per_image(run: Callable[[np.ndarray], object], images: np.ndarray, repeats: int = 3) -> float:
    """Milliseconds that an image takes: the shortest run over the number of images.

    Other work on the machine, and whatever happens the first time only (compilation), can but lengthen a run.

    Args:
        run: takes images and does the work.
        images: the more, the steadier; a batch at least.
        repeats: runs; at least 2, as the first is slower.

    Raises:
        InputError: no images.
    """
    if not len(images):
        raise InputError("Expected images to time a method on, got none.")
    return 1e3 * min(_seconds(run, images) for _ in range(repeats)) / len(images)


def _seconds(run: Callable[[np.ndarray], object], images: np.ndarray) -> float:
    start = time.perf_counter()
    run(images)
    return time.perf_counter() - start
