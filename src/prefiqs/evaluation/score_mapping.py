"""From a method's own scores to 0 … 100, as in ISO/IEC 29794-5; the order of the images stays.

Two kinds. `sigmoid`: 100 / (1 + exp((x₀ − x)/w)), the form in which OFIQ, the reference implementation of the standard,
maps its measures; here x₀ is the median of the set it is fitted on, and w such that quartiles at equal distances from
the median become 25 and 75. `percentile`: the share of the set that is worse, in percent. Both say how a face compares
with that set: a value is no probability, and no threshold carries over to another method or set. The standard's values
are whole numbers; these are not rounded, for that would make ties.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from prefiqs.errors import InputError
from prefiqs.evaluation.inputs import check_choice

KINDS = ("sigmoid", "percentile")
MIN_SCORES = 10
MIN_SPREAD = 1e-300  # between two scores: below it, slopes overflow


@dataclass(frozen=True)
class ScoreMapping:
    """A strictly or weakly increasing map of quality to [0, 100].

    kind: "sigmoid" or "percentile".
    lower_is_better: whether scores fall with quality; then they are negated first.
    scores: for "sigmoid" x₀ and w > 0; for "percentile" ascending scores, after the negation.
    levels: for "percentile" what each of `scores` becomes, ascending in [0, 100]; else empty.
    """

    kind: str
    lower_is_better: bool
    scores: tuple[float, ...]
    levels: tuple[float, ...] = ()

    def apply(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Map scores as the method gives them, to float64 (n,) in [0, 100], higher = better; NaN stays NaN."""
        x = self._signed(np.asarray(scores, np.float64))
        if self.kind == "percentile":
            return np.interp(x, self.scores, self.levels)
        centre, width = self.scores
        with np.errstate(over="ignore"):  # infinitely far is 0 or 100
            return 100 * expit((x - centre) / width)

    def inverse(self, levels: ArrayLike) -> NDArray[np.float64]:
        """Return the scores, on the method's own scale, that become `levels` (each within the range reached)."""
        levels = np.asarray(levels, np.float64)
        if self.kind == "percentile":
            return self._signed(np.interp(levels, self.levels, self.scores))
        centre, width = self.scores
        return self._signed(centre + width * logit(levels / 100))

    def _signed(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return -values if self.lower_is_better else values


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
    x = -x if lower_is_better else x
    low, centre, high = np.quantile(x, [0.25, 0.5, 0.75])
    levels = np.arange(101.0)
    points, place = np.unique(np.quantile(x, levels / 100), return_inverse=True)
    if not high - low > MIN_SPREAD or (kind == "percentile" and np.diff(points).min() <= MIN_SPREAD):
        raise InputError(
            f"Scores of {method} cannot be mapped to 0 … 100: too many are equal or nearly equal (median {centre:.9g})."
        )
    if kind == "sigmoid":
        return ScoreMapping(kind, lower_is_better, (float(centre), float((high - low) / (2 * np.log(3)))))
    mean = np.bincount(place, levels) / np.bincount(place)  # equal scores become the middle of their ranks
    return ScoreMapping(kind, lower_is_better, tuple(points.tolist()), tuple(mean.tolist()))


def fitting_half(subjects: NDArray, seed: int = 0) -> NDArray[np.bool_]:
    """Return which of n images show one half of the people, drawn by `seed`, to fit on; the rest are to report on.

    Raises InputError for fewer than four people, as the half that is held out needs two to compare.
    """
    people = np.unique(subjects)
    if len(people) < 4:
        raise InputError(f"A score mapping needs at least 4 people, to hold half of them out; there are {len(people)}.")
    drawn = np.random.default_rng(seed).permutation(people)[: len(people) // 2]
    return np.isin(subjects, drawn)
