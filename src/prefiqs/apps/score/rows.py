"""Rows of the score table: one a face, or one that says why a photo has none."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from prefiqs.faces.reader import Photo

Row = dict[str, Any]  # text, numbers and None, by the name of the column

# Left and right as seen in the image.
_POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
_PLACES = ("x", "y", "width", "height", *(f"{point}_{axis}" for point in _POINTS for axis in "xy"))

TYPES: dict[str, type] = {
    "path": str,
    "face": int,
    "score": float,
    "drift": float,
    **dict.fromkeys(_PLACES, float),
    "confidence": float,
    "status": str,
    "settings": str,
}
COLUMNS = tuple(TYPES)
"""Columns of the table. `path`: of the photo, or FILE/NAME in a Parquet or tar file; `face`: number within the photo, 1
is the largest; `score`: higher = better; `drift` in [0, 2], of methods that have one; `x` to `right_mouth_y`: box and
landmarks in pixels of the photo; `confidence` of the detector in [0, 1]; `status`: "ok", or one sentence on why there
is no score; `settings`: the method, its network and options. What does not exist is missing (None; NA in CSV)."""


def photo_rows(photo: Photo, results: Sequence[Mapping[str, Any]], settings: str) -> list[Row]:
    """The rows of a photo, one a face, or the one that says why it has none.

    results: what was computed of each face, by column: score and drift, or an embedding.
    """
    empty: Row = dict.fromkeys(COLUMNS) | {"path": photo.name, "settings": settings}
    if not photo.faces:
        return [empty | {"status": photo.reason}]
    rows = []
    for number, (face, result) in enumerate(zip(photo.faces, results, strict=True), 1):
        places = [_rounded(value, 2) for value in (*face.box, *face.landmarks.ravel())]  # 1/100 pixel
        row = empty | dict(zip(_PLACES, places, strict=True))
        row |= {"face": number, "confidence": _rounded(face.confidence, 4), "status": "ok"}
        if not math.isfinite(result.get("score", 0)):
            row["status"] = f"The score is not finite ({result['score']})."
        else:
            row |= result
        rows.append(row)
    return rows


def score_values(score: float, drift: float | None) -> dict[str, float | None]:
    """Score and drift of a face as they are written: nine digits hold all of a float32."""
    return {"score": float(f"{score:.9g}"), "drift": None if drift is None else _rounded(drift, 7)}


def _rounded(value: float, digits: int) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None
