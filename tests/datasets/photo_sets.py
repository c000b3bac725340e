"""Photos and a stand-in for the face detector, with which data sets are made in their published formats."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.errors import NoFaceFound
from prefiqs.faces.align import AlignedFace

BLANK = np.full((250, 250, 3), 7, np.uint8)


def picture(seed: int, size: int = 112) -> np.ndarray:
    """An RGB picture that no other seed gives, with three different channels."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR_EXACT)


def encoded(image: np.ndarray, ending: str = ".png") -> bytes:
    """An RGB image as the bytes of an ordinary image file."""
    return cv2.imencode(ending, np.ascontiguousarray(image[..., ::-1]))[1].tobytes()


def top_left(photo: np.ndarray) -> np.ndarray:
    return photo[:112, :112].copy()


def align(photo: np.ndarray) -> list[AlignedFace]:
    """One face, in the top left corner; none in `BLANK`."""
    if (photo == 7).all():
        raise NoFaceFound("Expected at least one face, got none.")
    return [AlignedFace(top_left(photo), np.array([0.0, 0, 112, 112]), np.zeros((5, 2)), 0.9)]


def write_prepared(benchmark: Benchmark, folder: Path) -> None:
    """A folder as CR-FIQA's tools prepare it, whose images are called as in the benchmark."""
    (folder / "images").mkdir(parents=True)
    for name, face in zip(benchmark.names, benchmark.images, strict=True):
        cv2.imwrite(str(folder / "images" / name), face)
    (folder / "image_path_list.txt").write_text("".join(f"images/{name}\n" for name in benchmark.names))
    names = benchmark.names[benchmark.pairs]
    pairs = (f"{a} {b} {int(same)}\n" for (a, b), same in zip(names, benchmark.genuine, strict=True))
    (folder / "pair_list.txt").write_text("".join(pairs))
