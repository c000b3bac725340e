"""The aligned faces of photos, found by several threads ahead of those who score them."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prefiqs.assets.fetch import fetch
from prefiqs.errors import InputError, NoFaceFound
from prefiqs.faces.align import FACE_SIZE, AlignedFace, read_photo
from prefiqs.faces.align import align_faces as align


@dataclass(frozen=True)
class Photo:
    """A photo that has been looked at: its faces, the largest first, or one sentence on why there is none.

    In a photo that came aligned, nothing was detected: box, landmarks and confidence of its face are NaN.
    """

    path: Path
    faces: list[AlignedFace]
    reason: str = ""


class FaceReader:
    """Reads a photo and finds its largest face, or all of them; never stops for one that is bad.

    Args:
        aligned: the photo is an aligned face of 112×112 pixels already.
        all_faces: all faces, largest first, instead of the largest alone.

    Raises:
        AssetError: the detector is needed and cannot be had.
    """

    def __init__(self, aligned: bool = False, all_faces: bool = False):
        self.detector = None if aligned else fetch("yunet")
        self.all_faces = all_faces

    def __call__(self, path: Path) -> Photo:
        """The photo with its faces, or with the reason why it has none."""
        try:
            return Photo(path, self._faces(path))
        except (InputError, NoFaceFound) as error:
            reason = str(error)
        except OSError as error:
            reason = f"Expected to be able to read {path}, got: {error.strerror or error}."
        logging.getLogger(__name__).info("%s: %s", path, reason)
        return Photo(path, [], reason)

    def _faces(self, path: Path) -> list[AlignedFace]:
        if self.detector:
            return align(path, self.detector, all_faces=True)[: None if self.all_faces else 1]
        image = read_photo(path)
        if image.shape[:2] != (FACE_SIZE, FACE_SIZE):
            raise InputError(f"Expected an aligned face of {FACE_SIZE}×{FACE_SIZE} pixels in {path}, got "
                             f"{image.shape[1]}×{image.shape[0]}; leave out --aligned to have it aligned.")  # fmt: skip
        return [AlignedFace(image, np.full(4, np.nan), np.full((5, 2), np.nan), np.nan)]


def ahead(function: Callable, items: Iterable, workers: int, lookahead: int) -> Iterator:
    """Map a function over items in threads, in order, at most `lookahead` results ahead of what is taken."""
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > lookahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)  # who stops early does not wait for the rest
