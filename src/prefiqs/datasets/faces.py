"""Faces that are made while they are written, for data sets larger than memory."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

_READ_AHEAD = 256  # faces: 10 MB


class LazyFaces(Sequence[np.ndarray]):
    """`count` faces, each made by `make(i)` when it is asked for: uint8 112×112×3, RGB.

    Iterating makes the next few hundred on all cores (decoding and warping leave Python's lock) and keeps none.
    """

    def __init__(self, count: int, make: Callable[[int], np.ndarray]):
        self._rows, self._make = range(count), make

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i: int) -> np.ndarray:  # type: ignore[override]  # one face at a time: nobody slices them
        return self._make(self._rows[i])

    def __iter__(self) -> Iterator[np.ndarray]:
        with ThreadPoolExecutor() as pool:
            for start in range(0, len(self), _READ_AHEAD):
                yield from pool.map(self._make, self._rows[start : start + _READ_AHEAD])
