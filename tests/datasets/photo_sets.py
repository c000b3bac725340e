"""Photos and a stand-in for the face detector, with which data sets are made in their published formats."""

from __future__ import annotations

import cv2
import numpy as np

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
