"""From photos to rows: threads find the faces, which are scored or embedded, however the photos are grouped."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from prefiqs.apps.score.reference import percentile_of
from prefiqs.apps.score.rows import AND, Row, photo_rows
from prefiqs.assets.fetch import file_sha256
from prefiqs.embedding.embedder import BATCH_SIZES, Embedder
from prefiqs.errors import InputError, NoFaceFound
from prefiqs.faces.align import VERSION, AlignedFace, align
from prefiqs.faces.find import Shard
from prefiqs.faces.reader import FaceReader, Photo, prefetch
from prefiqs.faces.template import ARCFACE_TEMPLATE, FACE_SIZE
from prefiqs.io.atomic import require_file
from prefiqs.methods.registry import PreparedScorer, deciding_options, shared_options
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import as_model
from prefiqs.models.onnx_network import files_of
from prefiqs.models.registry import published_weights

_MOST_FACES = 512  # waiting to be scored (20 MB); as many photos are read ahead
# So that a run that dies loses at most two seconds of work: seconds after which the faces that fill whole chunks are
# scored, which should take about as long, and after which the others are.
_PATIENCE, _LONGEST = 0.5, 1.2


class Wanted(NamedTuple):
    """A method with its network and options; without a method, the raw embedding is wanted."""

    name: str | None  # as the user wrote it
    method: str | None
    model: FaceModel | str
    options: dict[str, Any]


def wanted_methods(
    method: str | Sequence[str] | None, model: FaceModel | str, options: Mapping[str, Any]
) -> list[Wanted]:
    """What `PhotoScorer` is asked for; `InputError` for a method or option that is not known, or a method twice."""
    if method is None:
        return [Wanted(None, None, model, dict(options))]
    names = [method] if isinstance(method, str) else list(method)
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(f"The method {repeated[0]} is given twice.")
    parts = [name.partition("@") for name in names]
    own = shared_options([base for base, _, _ in parts], options)
    named = zip(names, parts, own, strict=True)
    return [Wanted(name, base, network or model, some) for name, (base, _, network), some in named]


class PhotoScorer:
    """Finds and scores the faces of any number of photos, from any thread; memory does not grow with their number.

    method: one or several, METHOD or METHOD@NETWORK, each with a row per face; without any, rows have `embedding`, raw,
    float32 d, instead of a score. model: the network of methods that name none. options: as for `prefiqs.scorer`; each
    method takes those that it has. aligned, all_faces, landmarks: as for `FaceReader`. threads: how many read photos;
    default: one per core. settings: everything that affects the rows, as text.
    """

    def __init__(
        self,
        method: str | Sequence[str] | None = "prefiqs",
        model: FaceModel | str = "sface",
        aligned: bool = False,
        all_faces: bool = False,
        threads: int | None = None,
        landmarks: Path | None = None,
        **options: Any,
    ):
        self.settings = describe(method, model, options, aligned, all_faces, landmarks)
        self.threads, self.reader = threads or os.cpu_count() or 1, FaceReader(aligned, all_faces, landmarks)
        load = lru_cache(None)(partial(as_model, device=options.get("device", "auto")))  # once for all methods
        self._chunk = 1  # faces that are measured at once
        self._measures: list[tuple[dict[str, str | None], Callable[[np.ndarray], list[dict[str, Any]]]]] = []
        wanted = wanted_methods(method, model, options)
        for one, settings in zip(wanted, described(wanted, _words(aligned, all_faces, landmarks)), strict=True):
            network = load(one.model)
            if one.method is None:
                embedder = Embedder([network], **one.options)
                measure = partial(_embeddings, embedder)
                self._chunk = embedder.batch_size or BATCH_SIZES[embedder.device.type]
            else:
                (plain,) = described([one])
                scorer = PreparedScorer(one.method, network, **one.options)
                measure = partial(_scores, scorer, percentile_of(plain))
                self._chunk = max(self._chunk, scorer.chunk)
            self._measures.append(({"method": one.name, "settings": settings}, measure))

    def __call__(self, shards: Iterable[Shard]) -> Iterator[list[Row]]:
        """The rows of each photo (see `COLUMNS`), in order; a bad photo has a row with the reason."""
        if self.reader.given:
            shards = list(shards)
            self.reader.given.expect([name for shard in shards for name in shard.names()])
        images = chain.from_iterable(shard.images() for shard in shards)
        waiting: list[tuple[float, Photo]] = []  # and when they came
        faces, most = 0, self._chunk
        # While some faces are scored the threads go on with the next photos.
        for photo in prefetch(self.reader, images, self.threads, _MOST_FACES):
            waiting.append((time.monotonic(), photo))
            faces += len(photo.faces)
            age = waiting[-1][0] - waiting[0][0]
            if faces < most and len(waiting) < _MOST_FACES and age < _PATIENCE:
                continue
            whole = min(faces, most) // self._chunk * self._chunk
            ready = _fitting(waiting, whole) or (_fitting(waiting, most) or 1 if age > _LONGEST else 0)
            scored = sum(len(photo.faces) for _, photo in waiting[:ready])
            started = time.monotonic()
            rows = self.rows_of([photo for _, photo in waiting[:ready]])
            if scored:
                rate = scored / (time.monotonic() - started)
                most = min(max(int(rate * _PATIENCE), self._chunk), _MOST_FACES)
            waiting, faces = waiting[ready:], faces - scored
            yield from rows
        while waiting:
            ready = _fitting(waiting, most) or 1
            yield from self.rows_of([photo for _, photo in waiting[:ready]])
            waiting = waiting[ready:]

    def rows_of(self, photos: Sequence[Photo]) -> list[list[Row]]:
        """The rows of each photo, its faces scored together with those of the others."""
        faces = [face.image for photo in photos for face in photo.faces]
        stacked = np.stack(faces) if faces else None
        results = [([] if stacked is None else measure(stacked), about) for about, measure in self._measures]
        ends = np.cumsum([len(photo.faces) for photo in photos])
        return [
            [row for found, about in results for row in photo_rows(photo, found[end - len(photo.faces) : end], **about)]
            for photo, end in zip(photos, ends, strict=True)
        ]

    def warm_up(self) -> None:
        """Compile what is compiled at the first faces, and load the detector."""
        blank = np.zeros((FACE_SIZE, FACE_SIZE, 3), np.uint8)
        self.rows_of([Photo("", [AlignedFace(blank, np.zeros(4), ARCFACE_TEMPLATE, 0.0)])])
        with suppress(NoFaceFound):
            align(blank)


def photo_scorer(
    method: str | Sequence[str] = "prefiqs",
    model: FaceModel | str = "sface",
    colour: Literal["rgb", "bgr"] = "rgb",
    all_faces: bool = False,
    **options: Any,
) -> Callable[[np.ndarray | str | Path], list[Row]]:
    """Prepare everything from photo to score once, for a service that scores one photo after the other.

    Args:
        method, model, options: as for `prefiqs.scorer`; several methods give a row each. Choose `batch_size=1` for the
            lowest latency.
        colour: the channels of arrays; "bgr" for frames of OpenCV.
        all_faces: give rows of every face, largest first, not only of the largest.

    Returns:
        A function from a photo (a path, or uint8 h×w×3) to rows as in `prefiqs score`: `rows[0]["score"]`. It raises
        `NoFaceFound` and `InputError` as `prefiqs.align` does, and it is thread-safe. Detector and networks are loaded
        and compiled here, so its first call is as fast as any.
    """
    scorer = PhotoScorer(method, model, all_faces=all_faces, **options)

    def rows(photo: np.ndarray | str | Path) -> list[Row]:
        faces = align(photo, all_faces=True, colour=colour) if all_faces else [align(photo, colour=colour)]
        name = "" if isinstance(photo, np.ndarray) else str(photo)
        return scorer.rows_of([Photo(name, faces)])[0]

    scorer.warm_up()
    return rows


def _fitting(waiting: Sequence[tuple[float, Photo]], faces: int) -> int:
    """How many of the first photos have at most so many faces together."""
    return int(np.searchsorted(np.cumsum([len(photo.faces) for _, photo in waiting]), faces, "right"))


def _embeddings(embedder: Embedder, faces: np.ndarray) -> list[dict[str, Any]]:
    return [{"embedding": row} for row in embedder(faces)[0]]


def _scores(
    scorer: PreparedScorer, percentile: Callable[[float], float | None], faces: np.ndarray
) -> list[dict[str, Any]]:
    scored = scorer(faces)
    scores = [float(f"{score:.9g}") for score in scored.score]  # nine digits identify a float32
    drifts = [None] * len(faces) if scored.drift is None else [round(float(drift), 7) for drift in scored.drift]
    return [
        {"score": score, "drift": drift, "percentile": percentile(score)}
        for score, drift in zip(scores, drifts, strict=True)
    ]


def describe(
    method: str | Sequence[str] | None,
    model: FaceModel | str,
    options: Mapping[str, Any],
    aligned: bool,
    all_faces: bool,
    landmarks: Path | None = None,
) -> str:
    """Everything that affects rows, as text: methods (or "embedding"), their networks and options, and the photos.

    Weights and calibrations are named with a checksum, because a file may change under its name.
    """
    return AND.join(described(wanted_methods(method, model, options), _words(aligned, all_faces, landmarks)))


def _words(aligned: bool, all_faces: bool, landmarks: Path | None) -> list[str]:
    words = ["aligned" if aligned else f"alignment={VERSION}", *["all-faces"] * all_faces]
    if landmarks:
        require_file(landmarks)
        words.append(f"landmarks={_checksum(landmarks)}")
    return words


def described(wanted: Iterable[Wanted], of_photos: Sequence[str] = ()) -> list[str]:
    """Each method with its network and options, as text; of_photos: words that are added to each."""
    texts = []
    for _, method, model, options in wanted:
        deciding = {} if method is None else deciding_options(method, options)
        if isinstance(model, FaceModel):
            network = model.name
        else:
            weights = Path(model) if Path(model).is_file() else published_weights(model)
            network = f"{model} ({', '.join(map(_checksum, files_of(weights)))})"
        words = ["embedding" if method is None else method, network]
        words += [f"{name}={_named(value)}" for name, value in deciding.items()]
        texts.append(" ".join([*words, *of_photos]))
    return texts


def _named(value: object) -> str:
    is_file = isinstance(value, str | Path) and Path(value).is_file()
    return f"{value} ({_checksum(Path(str(value)))})" if is_file else str(value)


def _checksum(path: Path) -> str:
    return file_sha256(path)[:12]
