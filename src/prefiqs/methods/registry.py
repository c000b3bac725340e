"""The methods by name, and the two calls that all of them answer: `score`, and `scorer` for faces in portions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module

import numpy as np

from prefiqs.embedding.embedder import batches
from prefiqs.errors import InputError
from prefiqs.methods import froq
from prefiqs.methods._scorer import Scorer
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import as_model

# A method is a file of this room, named as the method is, and a line here: the forward and backward passes that each
# image costs (Table 1). The Jacobian's tangent is neither, and has its own price.
_TABLE: dict[str, tuple[int, int] | None] = {
    "prefiqs": (2, 0),
    "prefiqs-fast": (1, 0),
    "jacobian": None,
    "norm": (1, 0),
    "ser-fiq": (1, 0),  # and 100 through the embedding layer alone
    "grafiqs": (1, 1),
    "faceqan": (52, 40),
    "froq": (1, 0),
    "vitnt-fiqa": (1, 0),
    "vit-fiqa": (1, 0),
    "ex-fiqa": (1, 0),
}

METHODS: dict[str, Callable[..., Scorer]] = {
    name: import_module(f"prefiqs.methods.{name.replace('-', '_')}").scorer for name in _TABLE
}
PASSES: dict[str, tuple[int, int]] = {name: passes for name, passes in _TABLE.items() if passes}

# Methods that need the option `calibration`: what makes one of faces and a network.
CALIBRATE: dict[str, Callable] = {"froq": froq.calibrate}


def scorer(method: str = "prefiqs", model: FaceModel | str = "sface", **options: object) -> Scorer:
    """Make a method ready (masks, compilation) for faces that come in any number of portions.

    Args:
        method: one of `METHODS`.
        model: a FaceModel or the name of one; weights that change afterwards are not noticed.
        options: of the method, such as `ratio=0.4`.

    Returns:
        A function from aligned faces, uint8 n×112×112×3, RGB, to float32 n, higher = better. The range is the method's
        own: [0, 1] for PreFIQs.

    Raises:
        InputError: an unknown method or option, or a value or network that the method refuses.
    """
    if method not in METHODS:
        raise InputError(f"Expected a method, got {method!r}; known are {', '.join(METHODS)}.")
    known = list(inspect.signature(METHODS[method]).parameters)[1:]
    if unknown := sorted(set(options) - set(known)):
        raise InputError(f"Expected options of {method!r} ({', '.join(known)}), got {', '.join(unknown)}.")
    return METHODS[method](as_model(model), **options)


def score(
    images: np.ndarray, method: str = "prefiqs", model: FaceModel | str = "sface", **options: object
) -> np.ndarray:
    """Score aligned faces.

    Args:
        images: uint8 n×112×112×3, RGB, or an iterator over single faces.
        method, model, options: as for `scorer`.

    Returns:
        float32 n, higher = better.

    Raises:
        InputError: as `scorer`, and for images that are not aligned faces.
    """
    ready = scorer(method, model, **options)
    if not isinstance(images, np.ndarray):
        images = np.concatenate([*batches(images, 256)] or [np.empty((0, 112, 112, 3), np.uint8)])
    return np.asarray(ready(images), np.float32)
