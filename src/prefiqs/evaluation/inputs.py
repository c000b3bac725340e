"""Checks of arguments: every array that evaluation is given passes one of these before it is used."""

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefiqs.errors import InputError


def as_scores(values: ArrayLike, name: str, length: int | None = None) -> NDArray[np.float64]:
    """Return n numbers as float64; InputError for another shape or length, or for NaN. Infinities still order."""
    scores = np.asarray(values)
    if scores.ndim != 1 or scores.dtype.kind not in "fiu":
        raise InputError(f"{name} must be a 1-D array of numbers, not {scores.dtype} of shape {scores.shape}.")
    if length is not None and len(scores) != length:
        raise InputError(f"{name} has {len(scores)} values, but there are {length} items.")
    if missing := int(np.isnan(scores).sum()):
        raise InputError(f"{name} has {missing} NaN among {len(scores)} values; leave those items out.")
    return scores.astype(np.float64, copy=False)


def as_genuine(values: ArrayLike, length: int) -> NDArray[np.bool_]:
    """Return labels (True or 1 = same person) as bool of shape (length,); InputError for other shapes or values."""
    labels = np.asarray(values)
    if labels.shape != (length,):
        raise InputError(f"genuine must have one label for each of {length} pairs, but has the shape {labels.shape}.")
    if not np.isin(labels, (0, 1)).all():
        raise InputError("genuine must be True for each genuine and False for each impostor pair; it has other values.")
    return labels.astype(bool)


def as_embeddings(values: ArrayLike) -> NDArray[np.floating]:
    """Return embeddings as floats of shape (n, d), not copied; InputError for another shape or type."""
    rows = np.asarray(values)
    if rows.ndim != 2 or rows.dtype.kind != "f":
        raise InputError(f"embeddings must be floats, one row for each image, not {rows.dtype} of shape {rows.shape}.")
    return rows


def as_pairs(values: ArrayLike, n_images: int) -> NDArray:
    """Return image indices, (P, 2); InputError outside [0, n_images): NumPy would count negative ones from the end."""
    pairs = np.asarray(values)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise InputError(f"pairs must contain the two image indices of each pair, not {pairs.dtype} {pairs.shape}.")
    if pairs.size and not (pairs.min() >= 0 and pairs.max() < n_images):
        raise InputError(
            f"pairs has image indices from {pairs.min()} to {pairs.max()}, but there are {n_images} images; are both "
            "of the same benchmark?"
        )
    return pairs


def check_choice(value: str, name: str, choices: tuple[str, ...]) -> None:
    """Raise InputError unless `value` is one of `choices`."""
    if value not in choices:
        raise InputError(f"Unknown {name.replace('_', ' ')} {value!r}; choose one of {', '.join(choices)}.")


@lru_cache
def as_fraction(value: float) -> Fraction:
    """Return the rational number that a decimal was meant to be: 0.15 -> 3/20, also 0.15000000000000002 -> 3/20.

    A float is seldom the number typed (0.29 * 100 = 28.999999999999996, whose floor is 28), so counts are derived from
    this fraction in integers. Denominators up to 1e9 are finer than any grid, coarser than the rounding of a float.
    """
    return Fraction(float(value)).limit_denominator(10**9)
