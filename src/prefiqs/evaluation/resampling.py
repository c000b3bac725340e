"""Resamples of a benchmark, each as a whole-number weight of every pair.

Over pairs: as many pairs as there are, drawn with replacement, genuine and impostor alike. This takes pairs as
independent and ignores that they share images and people; where they do, intervals come out too narrow.

Over people: as many people as there are, drawn with replacement. A genuine pair weighs as often as its person was
drawn, an impostor pair the product of both counts; copies of one person are not compared with each other. This is the
vertex bootstrap of Snijders & Borgatti ("Non-parametric standard errors and tests for network statistics", Connections
22(2), 1999), examined for face verification by Fogliato, Patil & Perona ("Confidence intervals for error rates in 1:1
matching tasks", IJCV, arXiv:2306.01198). The subsets bootstrap of Bolle, Ratha & Pankanti (CVIU 93, 2004) takes all
comparisons of a drawn person instead, and so ignores that an impostor pair also depends on the other person. What is
ignored here: whatever different people share, such as a session or a photographer. Products of counts overstate the
variance, the more so the less pairs depend on their people (Owen & Eckles, "Bootstrapping data arrays of arbitrary
order", Annals of Applied Statistics 6(3), 2012, on such weights for independent factors).
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from prefiqs.errors import InputError


def resampled_weights(
    genuine: NDArray[np.bool_], people: ArrayLike | None, resamples: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Yield, `resamples` times, how often each pair was drawn, (P,) int64, and how many draws before it were discarded.

    A draw without any genuine or without any impostor pair has no error rate and is repeated, so that both rates exist
    on every resample.

    genuine: (P,) bool, both kinds present. people: (P, 2), who is shown on either side of each pair, numbers or names;
    None draws pairs. seed: of `np.random.default_rng`; the first resamples are the same however many are asked for.
    Raises InputError for another shape, a missing name, or names that contradict `genuine`.
    """
    rng = np.random.default_rng(seed)
    sides = None if people is None else _numbered(people, genuine)
    for _ in range(resamples):
        redrawn = 0
        weights = _draw(rng, genuine, sides)
        while not 0 < weights @ genuine < weights.sum():
            redrawn += 1
            weights = _draw(rng, genuine, sides)
        yield weights, redrawn


def _draw(rng: np.random.Generator, genuine: NDArray[np.bool_], sides: NDArray | None) -> NDArray[np.int64]:
    if sides is None:
        return _counts(rng, len(genuine))
    left, right = _counts(rng, sides.max() + 1)[sides]
    return np.where(genuine, left, left * right)


def _counts(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Draw n of n things with replacement and count each."""
    return np.bincount(rng.integers(0, n, n), minlength=n)


def _numbered(people: ArrayLike, genuine: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the people of the left and of the right sides, (2, P), numbered from 0 without a gap."""
    names = np.asarray(people)
    if names.shape != (len(genuine), 2):
        raise InputError(
            f"people must say who is shown on either side of each of {len(genuine)} pairs, such as subjects[pairs]; it "
            f"has the shape {names.shape}."
        )
    sides = pd.factorize(names.T.ravel())[0].reshape(2, -1)
    if (sides < 0).any():
        raise InputError(
            f"{(sides < 0).sum()} names are missing in people; name these people or leave their pairs out."
        )
    wrong = np.flatnonzero((sides[0] == sides[1]) != genuine)
    if len(wrong):
        raise InputError(
            f"In {len(wrong)} pairs (the first is pair {wrong[0]}) people contradict genuine: a genuine pair shows one "
            "person, an impostor pair two. Are pairs and subjects of the same benchmark?"
        )
    return sides
