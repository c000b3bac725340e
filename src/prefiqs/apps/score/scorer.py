"""From photos to rows: threads find the faces, which are scored or embedded, however the photos are grouped."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from prefiqs.apps.score.rows import Row, photo_rows
from prefiqs.assets.fetch import file_sha256
from prefiqs.embedding.embedder import Embedder
from prefiqs.faces.find import Shard
from prefiqs.faces.reader import FaceReader, Photo, prefetch
from prefiqs.methods.registry import PreparedScorer, deciding_options
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import as_model
from prefiqs.models.onnx_network import files_of
from prefiqs.models.weights import published_weights

_MOST_FACES = 512  # waiting to be scored (20 MB); as many photos are read ahead
_PATIENCE = 2.0  # seconds after which waiting faces are scored, so that little is lost when a run dies


class PhotoScorer:
    """Finds and scores the faces of any number of photos, from any thread; memory does not grow with their number.

    method, model, options: as for `prefiqs.scorer`; without a method, rows have `embedding`, raw, float32 d, instead of
    a score. aligned, all_faces: as for `FaceReader`. threads: how many read photos; default: one per core.
    settings: everything that affects the rows, as text.
    """

    def __init__(
        self,
        method: str | None = "prefiqs",
        model: FaceModel | str = "sface",
        aligned: bool = False,
        all_faces: bool = False,
        threads: int | None = None,
        **options: Any,
    ):
        self.settings = describe(method, model, options, aligned, all_faces)
        self.threads, self.reader = threads or os.cpu_count() or 1, FaceReader(aligned, all_faces)
        if method is None:
            self.embed = Embedder([as_model(model, **options)], **options)
        else:
            self.score = PreparedScorer(method, model, **options)

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
                patience = max(_PATIENCE, began - started)  # a slow method is not called for every few faces
        yield from self._rows(waiting)

    def _rows(self, photos: list[Photo]) -> Iterator[list[Row]]:
        faces = [face.image for photo in photos for face in photo.faces]
        results = iter(self._results(np.stack(faces)) if faces else ())
        for photo in photos:
            yield photo_rows(photo, [next(results) for _ in photo.faces], self.settings)

    def _results(self, faces: np.ndarray) -> Sequence[Mapping[str, Any]]:
        if hasattr(self, "embed"):
            return [{"embedding": row} for row in self.embed(faces)[0]]
        scored = self.score(faces)
        scores = [float(f"{score:.9g}") for score in scored.score]  # nine digits identify a float32
        drifts = [None] * len(faces) if scored.drift is None else [round(float(drift), 7) for drift in scored.drift]
        return [{"score": score, "drift": drift} for score, drift in zip(scores, drifts, strict=True)]


def describe(
    method: str | None, model: FaceModel | str, options: Mapping[str, Any], aligned: bool, all_faces: bool
) -> str:
    """Everything that affects rows, as text: the method (or "embedding"), its network and options, and the photos.

    Weights and calibrations are named with a checksum, because a file may change under its name.
    """
    deciding = {} if method is None else deciding_options(method, options)
    if isinstance(model, FaceModel):
        network = model.name
    else:
        weights = Path(model) if Path(model).is_file() else published_weights(model)
        network = f"{model} ({', '.join(map(_checksum, files_of(weights)))})"
    texts = ["embedding" if method is None else method, network]
    texts += [f"{name}={_named(value)}" for name, value in deciding.items()]
    return " ".join([*texts, *["aligned"] * aligned, *["all-faces"] * all_faces])


def _named(value: object) -> str:
    is_file = isinstance(value, str | Path) and Path(value).is_file()
    return f"{value} ({_checksum(Path(str(value)))})" if is_file else str(value)


def _checksum(path: Path) -> str:
    return file_sha256(path)[:12]
