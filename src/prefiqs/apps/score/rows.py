"""Rows of the score table: what is said of one face, or of a photo without one."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from prefiqs.faces.reader import Photo

Row = dict[str, Any]  # text, numbers and None, by the name of the column

# Left and right as seen in the image.
_POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")

TYPES: dict[str, type] = {
    "path": str,
    "face": int,
    "score": float,
    "drift": float,
    **dict.fromkeys(("x", "y", "width", "height"), float),
    **{f"{point}_{axis}": float for point in _POINTS for axis in "xy"},
    "confidence": float,
    "status": str,
    "settings": str,
}
COLUMNS = tuple(TYPES)
"""Columns of the table. `face`: number within the photo, 1 is the largest; `score`: higher = better; `drift` in [0, 2],
of methods that have one; `x` to `right_mouth_y`: box and landmarks in pixels of the photo; `confidence` of the detector
in [0, 1]; `status`: "ok", or in one sentence why there is no score; `settings`: the method, its network and options.
What there is none of is missing (None; NA in CSV)."""


def photo_rows(photo: Photo, scores: np.ndarray, drifts: np.ndarray | None, settings: str) -> list[Row]:
    """The rows of a photo, one a face, or the one that says why it has none."""
    empty: Row = dict.fromkeys(COLUMNS) | {"path": path_text(photo.path), "settings": settings}
    if not photo.faces:
        return [empty | {"status": photo.reason}]
    rows = []
    for number, (face, score) in enumerate(zip(photo.faces, scores, strict=True), 1):
        places = [_number(value, 2) for value in (*face.box, *face.landmarks.ravel())]  # 1/100 pixel
        row = empty | dict(zip(COLUMNS[4:18], places, strict=True))
        row |= {"face": number, "confidence": _number(face.confidence, 4), "status": "ok"}
        if math.isfinite(score):
            row["score"] = float(f"{score:.9g}")  # nine digits hold all of a float32
            row["drift"] = None if drifts is None else _number(drifts[number - 1], 7)
        else:
            row["status"] = f"Expected a finite score, got {score}."
        rows.append(row)
    return rows


def path_text(path: str | os.PathLike) -> str:
    """A path as text that every file format can hold; bytes that are no UTF-8 are written as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _number(value: float, digits: int) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None
