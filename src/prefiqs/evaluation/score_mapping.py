"""Map a method's own scores to 0 … 100, as in ISO/IEC 29794-5; the order of the images does not change.

Two kinds. `sigmoid`: 100 / (1 + exp((x₀ − x)/w)), as OFIQ, the reference implementation of the standard, maps its
measures; x₀ is the median of the set it is fitted on, and w such that quartiles at equal distances from the median
become 25 and 75. `percentile`: the share of the set that is worse, in percent. Both say how a face compares with that
set. A value is no probability, and no threshold carries over to another method or set. Values are not rounded to whole
numbers as in the standard, because that would make ties.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from prefiqs.errors import InputError
from prefiqs.evaluation.inputs import check_choice

KINDS = ("sigmoid", "percentile")
MIN_SCORES = 10
MIN_SPREAD = 1e-300  # between two scores: below it, slopes overflow


class ScoreMapping(NamedTuple):
    """A strictly or weakly increasing map of quality to [0, 100], higher = better, and its inverse.

    apply: scores as the method gives them, (n,), to float64 (n,) in [0, 100]; NaN stays NaN.
    inverse: levels, each within the range reached, to the scores that become them.
    """

    apply: Callable[[ArrayLike], NDArray[np.float64]]
    inverse: Callable[[ArrayLike], NDArray[np.float64]]


def fit_mapping(scores: ArrayLike, kind: str, method: str, lower_is_better: bool = False) -> ScoreMapping:
    """Fit a map on the scores of a set, n numbers as the method (a name for messages) gives them.

    Raises InputError for another kind, fewer than 10 scores, one that is not finite, or too little spread to map.
    """
    check_choice(kind, "kind", KINDS)
    x = np.asarray(scores, np.float64)
    if x.ndim != 1 or len(x) < MIN_SCORES or not np.isfinite(x).all():
        raise InputError(
            f"A score mapping of {method} needs at least {MIN_SCORES} scores, all finite; there are {x.size}, "
            f"{(~np.isfinite(x)).sum()} of them not finite."
        )
    sign = -1.0 if lower_is_better else 1.0
    low, centre, high = np.quantile(sign * x, [0.25, 0.5, 0.75])
    levels = np.arange(101.0)
    points, place = np.unique(np.quantile(sign * x, levels / 100), return_inverse=True)
    if not high - low > MIN_SPREAD or (kind == "percentile" and np.diff(points).min() <= MIN_SPREAD):
        raise InputError(
            f"Scores of {method} cannot be mapped to 0 … 100: too many are equal or nearly equal (median {centre:.9g})."
        )
    width = (high - low) / (2 * np.log(3))
    means = np.bincount(place, levels) / np.bincount(place)  # equal scores become the middle of their ranks

    @np.errstate(over="ignore")  # infinitely far is 0 or 100
    def sigmoid(scores: ArrayLike) -> NDArray[np.float64]:
        return 100 * expit((sign * np.asarray(scores, np.float64) - centre) / width)

    if kind == "sigmoid":
        return ScoreMapping(sigmoid, lambda levels: sign * (centre + width * logit(np.asarray(levels) / 100)))
    return ScoreMapping(
        lambda scores: np.interp(sign * np.asarray(scores, np.float64), points, means),
        lambda levels: sign * np.interp(np.asarray(levels, np.float64), means, points),
    )


def fitting_half(subjects: NDArray, seed: int = 0) -> NDArray[np.bool_]:
    """Return which of n images show one half of the people, drawn by `seed`, to fit on; the rest are to report on.

    Raises InputError for fewer than four people, as the half that is held out needs two to compare.
    """
    people = np.unique(subjects)
    if len(people) < 4:
        raise InputError(f"A score mapping needs at least 4 people, to hold half of them out; there are {len(people)}.")
    drawn = np.random.default_rng(seed).permutation(people)[: len(people) // 2]
    return np.isin(subjects, drawn)
