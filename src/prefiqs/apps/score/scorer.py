"""Scores of faces and photos, chunk by chunk, the same whatever the chunks are."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np

from prefiqs.apps.score.rows import Row, photo_rows
from prefiqs.assets.verify import file_sha256
from prefiqs.embedding.embedder import BATCH_SIZES
from prefiqs.errors import InputError
from prefiqs.faces.reader import FaceReader, Photo, ahead
from prefiqs.methods.registry import METHODS, scorer
from prefiqs.models.face_model import FACE_SIZE, FaceModel
from prefiqs.models.loading import as_model, resolve_device

# Faces, 20 MB of them, that are read ahead while others are scored; what is lost when a run dies.
_CHUNK = 512
# Methods that choose their engine by the number of faces (those that differentiate, which do not leave the batch size
# open) always get exactly this many, filled up by copies.
_FIXED_CHUNK, _FIXED_CHUNKS = 128, {"faceqan": 16}  # FaceQAN takes a second a face


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
        target = resolve_device(device)
        self.method, self.model = method, as_model(model, device)
        parameters = inspect.signature(METHODS[method]).parameters if method in METHODS else {}
        usual = parameters["batch_size"].default if "batch_size" in parameters else 1
        self._fixed = usual is not None
        self.chunk = _FIXED_CHUNKS.get(method, _FIXED_CHUNK) if self._fixed else _CHUNK
        sizes = {} if batch_size is None else {"batch_size": batch_size}
        if not self._fixed:
            sizes.setdefault("batch_size", BATCH_SIZES[target.type])  # else chosen by the number of faces
        self._score = scorer(method, self.model, device=device, **sizes, **options)
        deciding = {name: p.default for name, p in list(parameters.items())[1:]} | options
        texts = [f"{name}={_named(value)}" for name, value in deciding.items() if name not in ("device", "batch_size")]
        self.settings = " ".join([method, _named(model) if isinstance(model, str) else model.name, *texts])

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Scores of aligned faces, uint8 n×112×112×3: float32 n, higher = better."""
        starts = range(0, len(faces), self.chunk)
        return np.concatenate([np.empty(0, np.float32), *(self._scores(faces[s : s + self.chunk]) for s in starts)])

    def _scores(self, faces: np.ndarray) -> np.ndarray:
        n = len(faces)
        if self._fixed and n < self.chunk:
            faces = faces[[*range(n), *[0] * (self.chunk - n)]]
        with redirect_stderr(_NoTerminal()):  # type: ignore[type-var]  # its __getattr__ has what a stream has
            return self._score(faces)[:n]

    def drift(self, scores: np.ndarray) -> np.ndarray | None:
        """Drift in [0, 2], larger = worse, of PreFIQs, whose score is Q = 1 − D/2 (eq. 7); None of other methods."""
        return 2 * (1 - scores.astype(np.float64)) if self.method == "prefiqs" else None


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
        scores = self.faces(np.stack(images) if images else _no_faces())
        drifts = self.faces.drift(scores)
        start = 0
        for photo in photos:
            own = slice(start, start + len(photo.faces))
            yield photo_rows(photo, scores[own], None if drifts is None else drifts[own], self.settings)
            start = own.stop


def _named(value: object) -> str:
    """An option as text; of a file (a network, a calibration) also what it holds, which may change under its name."""
    if isinstance(value, str | Path) and Path(value).is_file():
        return f"{value} ({file_sha256(Path(value))[:12]})"
    return str(value)


def _no_faces() -> np.ndarray:
    return np.empty((0, FACE_SIZE, FACE_SIZE, 3), np.uint8)


class _NoTerminal:
    """Standard error that is no terminal: what the methods say passes, their bars, one a chunk, stay away."""

    def __init__(self):
        self._stream = sys.stderr

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        return False
