"""Rows of photos: their faces found by threads, and scored or embedded, the same however they come in portions."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from prefiqs.apps.score.rows import Row, photo_rows, score_values
from prefiqs.assets.fetch import file_sha256
from prefiqs.embedding.embedder import Embedder
from prefiqs.faces.find import Shard
from prefiqs.faces.reader import FaceReader, Photo, prefetch
from prefiqs.methods.registry import PreparedScorer, deciding_options
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import as_model
from prefiqs.models.onnx_network import files_of
from prefiqs.models.weights import published_weights

_MOST_FACES = 512  # 20 MB that wait to be scored, and as many photos that are read ahead
_PATIENCE = 2.0  # seconds after which those that wait are scored, so that little is lost when a run dies


class PhotoRows:
    """The rows of any number of photos; memory does not grow with it. Subclasses say what `results` a face has.

    settings: what decides about the results, as text. aligned, all_faces: as for `FaceReader`. threads: that read
    photos; by default one a core.
    """

    def __init__(self, settings: str, aligned: bool = False, all_faces: bool = False, threads: int | None = None):
        self.settings, self.threads = settings, threads or os.cpu_count() or 1
        self.reader = FaceReader(aligned, all_faces)

    def __call__(self, shards: Iterable[Shard]) -> Iterator[list[Row]]:
        """The rows of each photo (see `COLUMNS`), in order; a bad photo has a row with the reason."""
        images = chain.from_iterable(shard.images() for shard in shards)
        waiting: list[Photo] = []
        began, patience = time.monotonic(), _PATIENCE
        # While some faces are scored the threads go on with the next photos.
        for photo in prefetch(self.reader, images, self.threads, lookahead=_MOST_FACES):
            waiting.append(photo)
            full = max(len(waiting), sum(len(p.faces) for p in waiting)) >= _MOST_FACES
            if full or time.monotonic() - began > patience:
                started = time.monotonic()
                yield from self._rows(waiting)
                waiting, began = [], time.monotonic()
                patience = max(_PATIENCE, began - started)  # a slow method is not asked for every few faces
        yield from self._rows(waiting)

    def results(self, faces: np.ndarray) -> Sequence[Mapping[str, Any]]:
        """What the rows say of aligned faces, n×112×112×3, n ≥ 1, by column."""
        raise NotImplementedError

    def _rows(self, photos: list[Photo]) -> Iterator[list[Row]]:
        faces = [face.image for photo in photos for face in photo.faces]
        results = iter(self.results(np.stack(faces)) if faces else ())
        for photo in photos:
            yield photo_rows(photo, [next(results) for _ in photo.faces], self.settings)


class PhotoScorer(PhotoRows):
    """Finds and scores the faces of photos, from any thread; method, model, options: as for `prefiqs.scorer`."""

    def __init__(
        self,
        method: str = "prefiqs",
        model: FaceModel | str = "sface",
        aligned: bool = False,
        all_faces: bool = False,
        threads: int | None = None,
        **options: Any,
    ):
        super().__init__(describe(method, model, options, aligned, all_faces), aligned, all_faces, threads)
        self.score = PreparedScorer(method, model, **options)

    def results(self, faces: np.ndarray) -> Sequence[Mapping[str, Any]]:
        """Score and drift."""
        scored = self.score(faces)
        drifts = [None] * len(faces) if scored.drift is None else scored.drift
        return [score_values(*both) for both in zip(scored.score, drifts, strict=True)]


class PhotoEmbedder(PhotoRows):
    """Finds and embeds the faces of photos: rows with `embedding`, raw, float32 d, instead of a score."""

    def __init__(
        self,
        model: FaceModel | str = "sface",
        aligned: bool = False,
        all_faces: bool = False,
        threads: int | None = None,
        device: str = "auto",
    ):
        super().__init__(describe("embedding", model, {}, aligned, all_faces), aligned, all_faces, threads)
        self.raw = Embedder([as_model(model, device)], device=device)

    def results(self, faces: np.ndarray) -> Sequence[Mapping[str, Any]]:
        """The raw embedding."""
        return [{"embedding": row} for row in self.raw(faces)[0]]


def describe(method: str, model: FaceModel | str, options: Mapping[str, Any], aligned: bool, all_faces: bool) -> str:
    """All that decides about results, as text: the method (or "embedding"), its network and options, and the photos.

    Files, which may change under their names, are named with a checksum: weights, calibrations.
    """
    deciding = deciding_options(method, options) if method != "embedding" else {}
    if isinstance(model, FaceModel):
        network = model.name
    else:
        weights = Path(model) if Path(model).is_file() else published_weights(model)
        network = f"{model} ({', '.join(map(_checksum, files_of(weights)))})"
    texts = [f"{name}={_named(value)}" for name, value in deciding.items()]
    return " ".join([method, network, *texts, *["aligned"] * aligned, *["all-faces"] * all_faces])


def _named(value: object) -> str:
    is_file = isinstance(value, str | Path) and Path(value).is_file()
    return f"{value} ({_checksum(Path(str(value)))})" if is_file else str(value)


def _checksum(path: Path) -> str:
    return file_sha256(path)[:12]
