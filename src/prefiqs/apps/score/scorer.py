"""From photos to rows: threads find the faces, which are scored or embedded, however the photos are grouped."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from prefiqs.apps.score.rows import AND, Row, percentile_of, photo_rows
from prefiqs.assets.fetch import file_sha256
from prefiqs.errors import InputError
from prefiqs.faces.align import VERSION, AlignedFace, align
from prefiqs.faces.decode import read_file
from prefiqs.faces.detector import compile_ahead
from prefiqs.faces.find import EncodedImage, Shard
from prefiqs.faces.reader import FaceReader, Photo, prefetch
from prefiqs.faces.template import ARCFACE_TEMPLATE, FACE_SIZE
from prefiqs.io.atomic import require_file
from prefiqs.methods.registry import CHUNKS, METHODS, PreparedScorer, deciding_options, defaults, shared_options

if TYPE_CHECKING:  # else PyTorch, which takes a second, is loaded while the detector is compiled
    from prefiqs.models.face_model import FaceModel

# Seconds of work that a killed run may lose, and seconds of reading that is ahead of the scoring.
_LOST, _AHEAD = 2.0, 0.25
# Operations that the methods together may take for the faces that they measure at once: about a second on two cores.
_WORK = {"cpu": 1.5e11, "cuda": 5e12}


class Wanted(NamedTuple):
    """A method with its network and options; without a method, the raw embedding is wanted."""

    name: str | None  # as the user wrote it
    method: str | None
    model: "FaceModel | str"
    options: dict[str, Any]

    def settings(self, loaded: "FaceModel | None" = None) -> str:
        """All of that as text. Weights and calibrations have a checksum, because a file may change under its name.

        A file of the user's own is named with its input, which may only be assumed. loaded: its network, if it is here.
        """
        from prefiqs.models.loading import as_model
        from prefiqs.models.onnx_network import declared_input, files_of
        from prefiqs.models.registry import MODELS, published_weights

        network = self.model if isinstance(self.model, str) else self.model.name
        if isinstance(self.model, str):
            weights = Path(network) if Path(network).is_file() else published_weights(network)
            network += f" ({', '.join(map(_checksum, files_of(weights)))})"
            if self.model not in MODELS:
                network += f" input={declared_input(weights) or (loaded or as_model(self.model, 'cpu')).input_spec}"
        words = [self.method or "embedding", network]
        for name, value in (deciding_options(self.method, self.options) if self.method else {}).items():
            is_file = isinstance(value, str | Path) and Path(value).is_file()
            words.append(f"{name}={value}" + (f" ({_checksum(Path(value))})" if is_file else ""))
        return " ".join(words)


def wanted_methods(
    method: str | Sequence[str] | None, model: "FaceModel | str", options: Mapping[str, Any]
) -> list[Wanted]:
    """What `PhotoScorer` is asked for; `InputError` for a method or option that is not known, or a method twice."""
    if method is None:
        return [Wanted(None, None, model, dict(options))]
    names = [method] if isinstance(method, str) else list(method)
    parts = [name.partition("@") for name in names]
    own = shared_options([base for base, _, _ in parts], options)
    for (base, _, _), some in zip(parts, own, strict=True):
        deciding_options(base, some)
    named = zip(names, parts, own, strict=True)
    wanted = [Wanted(name, base, network or model, some) for name, (base, _, network), some in named]
    for at, one in enumerate(wanted):  # equal options go to equal methods
        if same := next((other for other in wanted[:at] if other[1:3] == one[1:3]), None):
            raise InputError(
                f"The method {one.name} is given twice{f', also as {same.name}' * (same.name != one.name)}."
            )
    return wanted


class PhotoScorer:
    """Finds and scores the faces of any number of photos, from any thread; memory does not grow with their number.

    method: one or several, METHOD or METHOD@NETWORK, each with a row per face; without any, rows have `embedding`, raw,
    float32 d, instead of a score. model: the network of methods that name none. options: as for `prefiqs.scorer`; each
    method takes those that it has. aligned, all_faces, landmarks: as for `FaceReader`. threads: how many read photos;
    default: one per core. one_by_one: photos come one at a time, so that batches have one face by default. settings:
    everything that affects the rows, as text.
    """

    def __init__(
        self,
        method: str | Sequence[str] | None = "prefiqs",
        model: "FaceModel | str" = "sface",
        aligned: bool = False,
        all_faces: bool = False,
        threads: int | None = None,
        landmarks: Path | None = None,
        one_by_one: bool = False,
        **options: Any,
    ):
        wanted = wanted_methods(method, model, options)  # what is wrong is said before anything is fetched
        self.threads, self.reader = threads or os.cpu_count() or 1, FaceReader(aligned, all_faces, landmarks)
        from prefiqs.embedding.embedder import BATCH_SIZES, Embedder
        from prefiqs.models.loading import as_model, resolve_device

        device = options.get("device", "auto")
        load, kind = cache(partial(as_model, device=device)), resolve_device(device).type  # once for all methods
        known = one_by_one or "batch_size" in options
        most = 1 if known else _faces_at_once(wanted, load, _WORK[kind])
        self._chunk = 1  # faces that are measured at once
        self._measures: list[tuple[dict[str, str | None], Callable[[np.ndarray], list[dict[str, Any]]]]] = []
        words = _words(aligned, all_faces, landmarks)
        for one in wanted:
            network = load(one.model)
            plain = one.settings(network)
            if one.method is None:
                embedder = Embedder([network], **one.options)
                self._chunk = embedder.batch_size or BATCH_SIZES[embedder.device.type]
                measure = partial(_embeddings, embedder)
            else:
                usual = min(METHODS[one.method].chunk or CHUNKS[kind], most)
                batch = {"batch_size": usual} if "batch_size" in defaults(one.method) else {}
                scorer = PreparedScorer(one.method, network, **batch | one.options)
                self._chunk = max(self._chunk, scorer.chunk)
                measure = partial(_scores, scorer, percentile_of(plain))
            self._measures.append(({"method": one.name, "settings": f"{plain} {words}"}, measure))
        self.settings = AND.join(str(about["settings"]) for about, _ in self._measures)

    def __call__(self, shards: Iterable[Shard]) -> Iterator[list[Row]]:
        """The rows of each photo (see `COLUMNS`), in order; a bad photo has a row with the reason."""
        if self.reader.given:
            shards = list(shards)
            self.reader.given.expect([name for shard in shards for name in shard.names()])
        images = chain.from_iterable(shard.images() for shard in shards)
        waiting: list[Photo] = []
        since, cost = 0.0, 0.0  # when the first of them came, or later; seconds that the last ones took to score
        # While a chunk of faces is scored, the threads read photos for the next one, and no more.
        ahead = self._chunk + 2 * self.threads
        for photo in prefetch(self.reader, images, self.threads, ahead, _AHEAD / 5, _AHEAD):
            if photo:
                since = since if waiting else time.monotonic()
                waiting.append(photo)
            faces = np.cumsum([len(photo.faces) for photo in waiting])
            # Photos wait for others as long as the loss allows, which includes what was read before they came, what is
            # read ahead now, and their scoring. If that is fast, they wait only four times as long as it takes: then a
            # fifth of the time, at most, goes into chunks that are not full.
            patience = min(max(_LOST - 2 * _AHEAD - cost, _AHEAD), 4 * cost)
            if waiting and faces[-1] >= self._chunk:  # whole chunks, or more if the first photo has more faces
                ready = max(1, int(np.searchsorted(faces, faces[-1] // self._chunk * self._chunk, "right")))
            elif waiting and time.monotonic() - since >= patience:
                ready = len(waiting)
            else:
                continue
            started = time.monotonic()
            rows = self.rows_of(waiting[:ready])
            since = time.monotonic()
            cost = since - started if faces[ready - 1] else cost
            waiting = waiting[ready:]
            yield from rows
        yield from self.rows_of(waiting)

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


def _faces_at_once(wanted: Sequence[Wanted], load: Callable[["FaceModel | str"], "FaceModel"], work: float) -> int:
    """How many faces the methods can measure with so many operations, a power of two."""
    from prefiqs.embedding.flops import rough_flops

    operations, count = 1.0, cache(rough_flops)
    for one in wanted:
        if one.method:
            forward, backward = METHODS[one.method].passes or (3, 0)
            operations += (forward + 2 * backward) * count(load(one.model))
    return 2 ** max(0, int(np.log2(work / operations)))


def photo_scorer(
    method: str | Sequence[str] = "prefiqs",
    model: "FaceModel | str" = "sface",
    colour: Literal["rgb", "bgr"] = "rgb",
    all_faces: bool = False,
    **options: Any,
) -> Callable[[np.ndarray | str | Path], list[Row]]:
    """Prepare everything from photo to score once, for a service that scores one photo at a time.

    Args:
        method, model, options: as for `prefiqs.scorer`, but `batch_size` is 1 by default; several methods give a row
            each. For aligned faces, use `prefiqs.scorer`.
        colour: the channels of arrays; "bgr" for frames of OpenCV.
        all_faces: give a row for every face, largest first, not only for the largest.

    Returns:
        A function from a photo (a path, or uint8 h×w×3) to rows as in `prefiqs score`, with `rows[0]["score"]`. It
        raises `NoFaceFound` and `InputError` as `prefiqs.align` does, and it is thread-safe. Detector and networks are
        loaded and compiled here, so that its first call is fast.
    """
    wanted_methods(method, model, options)  # which refuses options of `PhotoScorer` that would have no effect here
    scorer = PhotoScorer(method, model, all_faces=all_faces, one_by_one=True, **options)

    def rows(photo: np.ndarray | str | Path) -> list[Row]:
        if isinstance(photo, str | Path):
            path = Path(photo)
            return scorer.rows_of([scorer.reader.read(EncodedImage(str(photo), partial(read_file, path), path))])[0]
        faces = align(photo, all_faces=True, colour=colour) if all_faces else [align(photo, colour=colour)]
        return scorer.rows_of([Photo("", faces)])[0]

    blank = np.zeros((FACE_SIZE, FACE_SIZE, 3), np.uint8)
    scorer.rows_of([Photo("", [AlignedFace(blank, np.zeros(4), ARCFACE_TEMPLATE, 0.0)])])  # which compiles the networks
    compile_ahead().join()
    return rows


def _embeddings(embedder: Any, faces: np.ndarray) -> list[dict[str, Any]]:
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
    model: "FaceModel | str",
    options: Mapping[str, Any],
    aligned: bool,
    all_faces: bool,
    landmarks: Path | None = None,
) -> str:
    """Everything that affects rows, as text: methods (or "embedding"), their networks and options, and the photos."""
    words = _words(aligned, all_faces, landmarks)
    return AND.join(f"{one.settings()} {words}" for one in wanted_methods(method, model, options))


def _words(aligned: bool, all_faces: bool, landmarks: Path | None) -> str:
    words = ["aligned" if aligned else f"alignment={VERSION}", *["all-faces"] * all_faces]
    if landmarks:
        require_file(landmarks)
        words.append(f"landmarks={_checksum(landmarks)}")
    return " ".join(words)


def _checksum(path: Path) -> str:
    return file_sha256(path)[:12]
