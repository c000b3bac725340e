"""Scores of faces and photos, chunk by chunk, the same whatever the chunks are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from prefiqs.apps.score.rows import Row, photo_rows
from prefiqs.assets.verify import file_sha256
from prefiqs.errors import InputError
from prefiqs.faces.reader import FaceReader, Photo, ahead
from prefiqs.methods._scorer import Scored
from prefiqs.methods.registry import PreparedScorer
from prefiqs.models.face_model import FACE_SIZE, FaceModel

# Faces, 20 MB of them, that are read ahead while others are scored; what is lost when a run dies.
_CHUNK = 512


class FaceScorer:
    """A quality method on a network, asked for any number of faces at a time: a face's score depends on it alone.

    Args:
        method: one of `METHODS`; froq needs the option `calibration`, which is made once, from faces of its own.
        model: a FaceModel or the name of one.
        device: "auto" (CUDA where there is one), "cpu" or "cuda".
        batch_size: faces at a time through the network, by default what suits the device.
        options: of the method, such as `ratio=0.4`.

    Raises:
        InputError: an unknown method, model, device or option, or a value that the method refuses.
    """

    def __init__(
        self,
        method: str = "prefiqs",
        model: FaceModel | str = "sface",
        device: str = "auto",
        batch_size: int | None = None,
        **options: object,
    ):
        sizes = {} if batch_size is None else {"batch_size": batch_size}
        self._score = PreparedScorer(method, model, device=device, **sizes, **options)
        self.method, self.model, self.chunk = method, self._score.model, _CHUNK
        texts = [f"{name}={_named(value)}" for name, value in self._score.options.items()]
        self.settings = " ".join([method, _named(model) if isinstance(model, str) else model.name, *texts])

    def __call__(self, faces: np.ndarray) -> Scored:
        """Scores of aligned faces, uint8 n×112×112×3, and their drift where the method measures it."""
        return self._score(faces)


class PhotoScorer:
    """Finds and scores the faces of photos; memory does not grow with their number.

    Args:
        faces: how faces are scored.
        aligned: the photos are aligned faces of 112×112 pixels already.
        all_faces: all faces of a photo, largest first, instead of the largest alone.

    Attributes:
        settings: all that decides about scores, as text.

    Raises:
        InputError: `all_faces` of aligned ones; AssetError: the detector cannot be had.
    """

    def __init__(self, faces: FaceScorer, aligned: bool = False, all_faces: bool = False):
        if aligned and all_faces:
            raise InputError("Expected one of aligned and all_faces, got both: an aligned photo is one face.")
        self.faces = faces
        self.reader = FaceReader(aligned, all_faces)
        self.settings = faces.settings + " aligned" * aligned + " all-faces" * all_faces

    def __call__(self, paths: Iterable[Path]) -> Iterator[list[Row]]:
        """The rows of each photo (see `COLUMNS`), in the order of the paths; a bad photo has a row with its reason."""
        pending: list[Photo] = []
        found = 0
        # While a chunk is scored the threads go on with the photos of the next.
        for photo in ahead(self.reader, paths, os.cpu_count() or 1, lookahead=self.faces.chunk):
            pending.append(photo)
            found += len(photo.faces)
            if max(found, len(pending)) >= self.faces.chunk:
                yield from self._rows(pending)
                pending, found = [], 0
        yield from self._rows(pending)

    def _rows(self, photos: list[Photo]) -> Iterator[list[Row]]:
        images = [face.image for photo in photos for face in photo.faces]
        found = self.faces(np.stack(images) if images else _no_faces())
        start = 0
        for photo in photos:
            own = slice(start, start + len(photo.faces))
            yield photo_rows(photo, found.score[own], None if found.drift is None else found.drift[own], self.settings)
            start = own.stop


def _named(value: object) -> str:
    """An option as text; of a file (a network, a calibration) also what it holds, which may change under its name."""
    if isinstance(value, str | Path) and Path(value).is_file():
        return f"{value} ({file_sha256(Path(value))[:12]})"
    return str(value)


def _no_faces() -> np.ndarray:
    return np.empty((0, FACE_SIZE, FACE_SIZE, 3), np.uint8)
