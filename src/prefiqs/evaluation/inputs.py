"""Checks at the door: every array of this room passes one of these before it is used."""

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefiqs.errors import InputError


def as_scores(values: ArrayLike, name: str, length: int | None = None) -> NDArray[np.float64]:
    """Return `values` as float64 of shape (n,), without NaN; infinities are allowed, they still order.

    Raises InputError when the shape or the length is another, or a value is missing.
    """
    scores = np.asarray(values)
    if scores.ndim != 1 or scores.dtype.kind not in "fiu":
        raise InputError(
            f"{name}: expected a 1-D array of numbers, got shape {scores.shape} of type {scores.dtype}; "
            "pass one number for each item."
        )
    if length is not None and len(scores) != length:
        raise InputError(f"{name}: expected {length} values, got {len(scores)}; pass one for each pair.")
    missing = int(np.isnan(scores).sum())
    if missing:
        raise InputError(
            f"{name}: expected numbers only, got {missing} NaN among {len(scores)} values; "
            "leave those items out or give them a score first."
        )
    return scores.astype(np.float64, copy=False)


def as_genuine(values: ArrayLike, length: int) -> NDArray[np.bool_]:
    """Return the labels as a bool array of shape (length,), True = genuine (same person); 0 and 1 will do.

    Raises InputError when the shape or the length is another, or a value is neither 0 nor 1.
    """
    labels = np.asarray(values)
    if labels.shape != (length,):
        raise InputError(f"genuine: expected shape ({length},), got {labels.shape}; pass one label for each pair.")
    if not np.isin(labels, (0, 1)).all():
        raise InputError(
            f"genuine: expected only True and False, got other values of type {labels.dtype}; "
            "pass True for a genuine pair and False for an impostor pair."
        )
    return labels.astype(bool)


def as_embeddings(values: ArrayLike) -> NDArray[np.floating]:
    """Return the embeddings as a float array of shape (n, d), not copied; InputError for another shape or type."""
    rows = np.asarray(values)
    if rows.ndim != 2 or rows.dtype.kind != "f":
        raise InputError(
            f"embeddings: expected a float array of shape (n, d), got shape {rows.shape} of type {rows.dtype}; "
            "pass one row for each image."
        )
    return rows


def as_pairs(values: ArrayLike, n_images: int) -> NDArray:
    """Return the pairs as an int array of shape (P, 2) of image indices in [0, n_images).

    Raises InputError otherwise; a negative index too, which numpy would silently count from the end.
    """
    pairs = np.asarray(values)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise InputError(
            f"pairs: expected integers of shape (P, 2), got shape {pairs.shape} of type {pairs.dtype}; "
            "pass the two image indices of each pair."
        )
    if pairs.size and not (pairs.min() >= 0 and pairs.max() < n_images):
        raise InputError(
            f"pairs: expected image indices from 0 to {n_images - 1}, got {pairs.min()} to {pairs.max()}; "
            "check that pairs and images are of the same benchmark."
        )
    return pairs


def check_choice(value: str, name: str, choices: tuple[str, ...]) -> None:
    """Raise InputError unless `value` is one of `choices`."""
    if value not in choices:
        raise InputError(f"{name}: expected one of {', '.join(choices)}, got {value!r}; choose one of these.")


def as_fraction(value: float) -> Fraction:
    """Return the rational number that a decimal was meant to be: 0.15 -> 3/20, also 0.15000000000000002 -> 3/20.

    A float is seldom the number typed (0.29 * 100 = 28.999999999999996, whose floor is 28), so counts are derived
    from this fraction in integer arithmetic. Denominators go up to 1e9, far finer than any discard grid or FMR
    target, and far coarser than the rounding error of a float.
    """
    return Fraction(float(value)).limit_denominator(10**9)
