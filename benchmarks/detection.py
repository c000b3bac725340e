"""Detection compared with the previous detector, OpenCV's YuNet at up to 1,024 pixels: faces, landmarks, accuracy."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial

import cv2
import numpy as np
from benchmarks.harness import Figure

import prefiqs
from prefiqs.assets.fetch import fetch
from prefiqs.assets.location import data_root
from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.registry import BENCHMARKS
from prefiqs.datasets.source import BenchmarkCard, SourceFormat, central_face
from prefiqs.errors import NoFaceFound
from prefiqs.evaluation.verification import verification_accuracy
from prefiqs.faces.align import AlignedFace
from prefiqs.faces.template import ARCFACE_TEMPLATE, align_to_template, similarity_transform

SETS = {"LFW": ("lfw",), "CFP": ("cfp-fp", "cfp-ff")}
FORMER = "OpenCV's YuNet at up to 1,024 pixels"


def run() -> Iterator[Figure]:
    """Every photo that occurs in an official pair, and in it the face in the middle."""
    for title, names in SETS.items():
        cards = [BENCHMARKS[name] for name in names]
        if lacking := [card for card in cards if official(card).missing(card.folder(data_root()))]:
            print(f"{title} is left out: {lacking[0].folder(data_root())} lacks its photos.", flush=True)
        else:
            yield from both_ways(title, cards)


def both_ways(title: str, cards: list[BenchmarkCard]) -> Iterator[Figure]:
    """Faces missed, landmarks and accuracy of one set of photos."""
    ours, former = Detected(partial(prefiqs.align, all_faces=True)), Detected(former_faces)
    known: dict[bytes, np.ndarray] = {}
    accuracy = []
    with ThreadPoolExecutor(2) as pool:  # both ways at once
        for card in cards:
            built = pool.map(partial(official(card).build, card.folder(data_root())), (ours, former))
            accuracy.append([accuracy_of(benchmark, known) for benchmark in built])
    missed = [sum(points is None for points in way.landmarks.values()) for way in (ours, former)]
    yield Figure(f"faces missed, {title}, {len(ours.landmarks):,} photos", f"{FORMER}: {missed[1]}",
                 *[float(missed[0])] * 3, f"≤ {missed[1]}")  # fmt: skip
    both = [(points, former.landmarks[photo]) for photo, points in ours.landmarks.items()]
    shifts = np.array([in_crop(a, b) for a, b in both if a is not None and b is not None])
    details = {"photos": len(shifts), "95 % below, pixels": round(float(np.quantile(shifts, 0.95)), 3),
               "photos with a landmark moved by over 5 pixels": int((shifts.max(axis=1) > 5).sum())}  # fmt: skip
    yield Figure(f"median shift of a landmark, {title}, pixels of the aligned face", FORMER,
                 *[float(np.median(shifts))] * 3, "≤ 0.5", details)  # fmt: skip
    for card, (now, before) in zip(cards, accuracy, strict=True):
        details = {"accuracy, %": round(now, 3), "accuracy before, %": round(before, 3)}
        yield Figure(
            f"accuracy lost, {card.name}, sface, percentage points", FORMER, *[before - now] * 3, "≤ 0.05", details
        )


class Detected:
    """The faces of each photo, found once, and the landmarks of the central one, or None, by the photo's checksum."""

    def __init__(self, align: Callable[[np.ndarray], list[AlignedFace]]):
        self.align, self.faces, self.landmarks = (
            align,
            dict[bytes, list[AlignedFace]](),
            dict[bytes, np.ndarray | None](),
        )

    def __call__(self, photo: np.ndarray) -> list[AlignedFace]:
        """As `align`."""
        key = hashlib.sha256(np.ascontiguousarray(photo)).digest()
        if key not in self.faces:
            with suppress(NoFaceFound):
                self.faces[key] = self.align(photo)
            found = self.faces.setdefault(key, [])
            self.landmarks[key] = central_face(found, photo).landmarks if found else None
        if not self.faces[key]:
            raise NoFaceFound("No face was found.")
        return self.faces[key]


def official(card: BenchmarkCard) -> SourceFormat:
    """How a benchmark is built of the photos that its owners distribute."""
    return next(each for each in reversed(card.formats) if not each.aligned)


def former_faces(photo: np.ndarray) -> list[AlignedFace]:
    """Sides padded by a quarter, the longer one 336 to 1,024 pixels before; then OpenCV's detector on the same file."""
    height, width = photo.shape[:2]
    pad_y, pad_x = round(height / 4), round(width / 4)
    scale = np.clip(max(height, width), 336, 1024) / max(height, width)
    padded = cv2.copyMakeBorder(photo, pad_y, pad_y, pad_x, pad_x, cv2.BORDER_REPLICATE)
    interpolation = cv2.INTER_LINEAR if scale > 1 else cv2.INTER_AREA
    working = cv2.resize(padded, None, fx=scale, fy=scale, interpolation=interpolation)
    yunet = opencv_yunet()
    yunet.setInputSize(working.shape[1::-1])
    found = yunet.detect(cv2.cvtColor(working, cv2.COLOR_RGB2BGR))[1]
    if found is None:
        raise NoFaceFound("No face was found.")
    factor = np.divide(working.shape[1::-1], padded.shape[1::-1])
    faces = []
    for face in sorted(found.astype(float), key=lambda f: -f[2] * f[3]):
        points = (face[[0, 1, *range(4, 14)]].reshape(6, 2) + 0.5) / factor - 0.5 - [pad_x, pad_y]
        box, landmarks = np.append(points[0], face[2:4] / factor), points[1:].round(2)
        faces.append(AlignedFace(align_to_template(photo, landmarks), box, landmarks, float(face[14])))
    return faces


@cache
def opencv_yunet() -> cv2.FaceDetectorYN:
    """The detector, for inputs of any size."""
    return cv2.FaceDetectorYN.create(str(fetch("yunet")), "", (320, 320), score_threshold=0.6)


def in_crop(ours: np.ndarray, former: np.ndarray) -> np.ndarray:
    """How far each of five landmarks is from the former one, in pixels of the former crop."""
    return np.linalg.norm((ours - former) @ similarity_transform(former, ARCFACE_TEMPLATE)[:, :2].T, axis=1)


def accuracy_of(benchmark: Benchmark, known: dict[bytes, np.ndarray]) -> float:
    """In percent, by ten folds of the official pairs, without mirrored faces. known: embeddings by crop, to be kept."""
    crops = {face.tobytes(): face for face in benchmark.images}
    if new := crops.keys() - known.keys():
        known |= zip(new, prefiqs.embed("sface", np.stack([crops[key] for key in new]), device="cpu"), strict=True)
    embeddings = np.stack([known[face.tobytes()] for face in benchmark.images])
    return 100 * verification_accuracy(embeddings, benchmark.pairs, benchmark.genuine, benchmark.folds).mean
