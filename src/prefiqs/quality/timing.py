"""What an image costs, measured: Table 1 beside the counted passes."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from prefiqs.core.errors import InputError

MIN_FACES = 4


def milliseconds_per_image(run: Callable[[np.ndarray], object], images: np.ndarray, repeats: int = 2) -> float:
    """Milliseconds that one more image takes; the start of a run (masks, compilation) is left out.

    The shortest time for all images less the shortest for the first half of them, over their number: other work on the
    machine, and whatever happens the first time only, can but lengthen a run.

    Args:
        run: takes images and does the work.
        images: at least `MIN_FACES`; the more, the steadier.
        repeats: runs on all images, and on half of them; at least 2, as the first is slower.

    Raises:
        InputError: too few images.
    """
    if len(images) < MIN_FACES:
        raise InputError(f"Expected at least {MIN_FACES} images to time a method on, got {len(images)}.")
    half = images[: len(images) // 2]
    seconds = [(_seconds(run, half), _seconds(run, images)) for _ in range(repeats)]
    start, whole = map(min, zip(*seconds, strict=True))
    return 1e3 * (whole - start) / (len(images) - len(half))


def _seconds(run: Callable[[np.ndarray], object], images: np.ndarray) -> float:
    start = time.perf_counter()
    run(images)
    return time.perf_counter() - start
