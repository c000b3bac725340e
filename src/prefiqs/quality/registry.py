"""The methods by name, and `score`, the one call that all of them answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np

from prefiqs.core.errors import InputError
from prefiqs.embedding import batches
from prefiqs.models import FaceModel, as_model
from prefiqs.quality import (
    ex_fiqa,
    faceqan,
    froq,
    grafiqs,
    jacobian,
    norm,
    prefiqs,
    prefiqs_fast,
    ser_fiq,
    vit_fiqa,
    vitnt_fiqa,
)

METHODS: dict[str, Callable[..., np.ndarray]] = {
    "prefiqs": prefiqs.score,
    "prefiqs-fast": prefiqs_fast.score,
    "jacobian": jacobian.score,
    "norm": norm.score,
    "ser-fiq": ser_fiq.score,
    "grafiqs": grafiqs.score,
    "faceqan": faceqan.score,
    "froq": froq.score,
    "vitnt-fiqa": vitnt_fiqa.score,
    "vit-fiqa": vit_fiqa.score,
    "ex-fiqa": ex_fiqa.score,
}

# Forward and backward passes that each image costs (Table 1). The Jacobian's tangent is neither, and has its own price.
PASSES: dict[str, tuple[int, int]] = {
    "prefiqs": (2, 0),
    "prefiqs-fast": (1, 0),
    "norm": (1, 0),
    "ser-fiq": (1, 0),  # and 100 through the embedding layer alone
    "grafiqs": (1, 1),
    "faceqan": (52, 40),
    "froq": (1, 0),
    "vitnt-fiqa": (1, 0),
    "vit-fiqa": (1, 0),
    "ex-fiqa": (1, 0),
}

# Methods that need the option `calibration`: what makes one of faces and a network.
CALIBRATE: dict[str, Callable] = {"froq": froq.calibrate}


def score(
    images: np.ndarray, method: str = "prefiqs", model: FaceModel | str = "sface", **options: object
) -> np.ndarray:
    """Score aligned faces.

    Args:
        images: uint8 n×112×112×3, RGB, or an iterator over single faces.
        method: one of `METHODS`.
        model: a FaceModel or the name of one.
        options: of the method, such as `ratio=0.4`.

    Returns:
        float32 n, higher = better. The range is the method's own: [0, 1] for PreFIQs.

    Raises:
        InputError: an unknown method or option, or images that are not aligned faces.
    """
    if method not in METHODS:
        raise InputError(f"Expected a method, got {method!r}; known are {', '.join(METHODS)}.")
    function = METHODS[method]
    known = list(inspect.signature(function).parameters)[2:]
    if unknown := sorted(set(options) - set(known)):
        raise InputError(f"Expected options of {method!r} ({', '.join(known)}), got {', '.join(unknown)}.")
    if not isinstance(images, np.ndarray):
        images = np.concatenate([*batches(images, 256)] or [np.empty((0, 112, 112, 3), np.uint8)])
    return np.asarray(function(images, as_model(model), **options), np.float32)
