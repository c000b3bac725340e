"""Augmented copies of aligned faces: what the student sees, and what its teacher is asked about."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from prefiqs.faces.degrade import degrade
from prefiqs.faces.template import FACE_SIZE
from student.settings import Augment

_MIDDLE = (FACE_SIZE - 1) / 2


def augmented_copies(faces: np.ndarray, copy: int, seed: int, settings: Augment) -> Iterator[np.ndarray]:
    """One copy of each of n faces, uint8 112×112×3; copy 0 is the face itself.

    Each image has a generator of its own, seeded by `seed`, the copy and its position.
    """
    for position, face in enumerate(faces):
        yield augment(face, np.random.default_rng([seed, copy, position]), settings) if copy else np.asarray(face)


def augment(face: np.ndarray, rng: np.random.Generator, settings: Augment) -> np.ndarray:
    """A changed copy of an aligned face, uint8 RGB 112×112×3: mirrored, moved, greyed, lit otherwise, degraded."""
    if rng.random() < settings.flip:
        face = face[:, ::-1]
    face = _moved(face, rng, settings)
    if rng.random() < settings.grey:
        face = np.repeat(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    if rng.random() < settings.light:
        face = _lit(face, rng)
    if rng.random() < settings.degraded:
        kind = list(settings.strongest)[rng.integers(len(settings.strongest))]
        face = degrade(face, kind, rng.random(), settings.strongest[kind], rng)
    return np.ascontiguousarray(face)


def _moved(face: np.ndarray, rng: np.random.Generator, settings: Augment) -> np.ndarray:
    """A small similarity transform about the middle, as an alignment that is a little off."""
    angle, scale = rng.uniform(-settings.angle, settings.angle), 1 + rng.uniform(-settings.scale, settings.scale)
    matrix: np.ndarray = cv2.getRotationMatrix2D((_MIDDLE, _MIDDLE), angle, scale)
    matrix[:, 2] += rng.uniform(-settings.shift, settings.shift, 2)
    return cv2.warpAffine(np.ascontiguousarray(face), matrix, (FACE_SIZE, FACE_SIZE), borderMode=cv2.BORDER_REPLICATE)


def _lit(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another exposure, contrast and gamma."""
    gamma, contrast, shift = rng.uniform(0.6, 1.6), rng.uniform(0.7, 1.3), rng.uniform(-30, 30)
    levels = (np.linspace(0, 1, 256) ** gamma - 0.5) * contrast * 255 + 127.5 + shift
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)[face]
