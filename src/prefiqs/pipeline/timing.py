"""What an image costs, measured: Table 1 beside the counted passes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from prefiqs.errors import InputError


def milliseconds_per_image(
    runs: Mapping[str, Callable[[np.ndarray], object]], images: np.ndarray, rounds: int = 3
) -> dict[str, float]:
    """Milliseconds that an image takes in each of several runs: its shortest time over the number of images.

    In every round all runs take their turn, so that what else the machine does meets one like the other; that, and
    what happens the first time only (compilation), can but lengthen a run.

    Args:
        runs: by name, what takes images and does the work.
        images: the more, the steadier; a batch at least.
        rounds: at least 2, as the first is slower.

    Raises:
        InputError: no images.
    """
    if not len(images):
        raise InputError("Expected images to time a method on, got none.")
    shortest = dict.fromkeys(runs, np.inf)
    for _ in range(rounds):
        for name, run in runs.items():
            shortest[name] = min(shortest[name], _seconds(run, images))
    return {name: 1e3 * seconds / len(images) for name, seconds in shortest.items()}


def _seconds(run: Callable[[np.ndarray], object], images: np.ndarray) -> float:
    start = time.perf_counter()
    run(images)
    return time.perf_counter() - start
