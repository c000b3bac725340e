"""False match rate (FMR), false non-match rate (FNMR), and the threshold that belongs to a target FMR.

One decision rule everywhere: a pair matches if and only if similarity > threshold, strictly. The published ERC code of
CR-FIQA counts an impostor *at* the threshold as a match but a genuine pair at the threshold as a non-match, which gives
an FNMR one comparison too high when the two coincide; here both rates use the same strict rule.

All similarity arrays named `*_sorted` are ascending, so that every rate is a binary search.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefiqs.errors import InputError
from prefiqs.evaluation.inputs import as_fraction, as_genuine, as_scores, check_choice

RULES = ("nearest", "conservative")


def check_fmr(fmr: float) -> None:
    """Raise InputError unless 0 < fmr < 1."""
    if not 0 < fmr < 1:
        raise InputError(f"The target FMR must be above 0 and below 1, not {fmr}; 1e-3 is usual.")


def threshold_at_fmr(impostor_sorted: NDArray, fmr: float, rule: str = "nearest", n: int | None = None) -> float:
    """Return the threshold whose empirical FMR answers to the target `fmr`; NaN when there is no impostor.

    Candidates are the distinct impostor similarities: with the strict rule each is the smallest, hence for the genuine
    pairs the kindest, threshold of its FMR, and together they reach every FMR below 1 that the data allow.

    impostor_sorted: (n,) float, ascending, larger = more alike. fmr: target in (0, 1).
    rule: "nearest", the FMR closest to the target, and of two equally close the larger one (the more lenient, as
    published code does); "conservative", the largest FMR not above the target (0 if need be).
    n: number of impostors, if only the most similar are given: at least all that tie with the one that is
    floor(fmr * n) places below the top, and one more.
    Raises InputError for another rule or target.
    """
    check_fmr(fmr)
    check_choice(rule, "rule", RULES)
    given = len(impostor_sorted)
    n = given if n is None else n
    if n == 0:
        return math.nan
    target = as_fraction(fmr) * n  # false matches wanted, exact: at n = 500 and 1e-3 it is the tie 1/2
    strict = impostor_sorted[given - 1 - min(math.floor(target), n - 1)]
    matches_strict = given - np.searchsorted(impostor_sorted, strict, side="right")
    matches_next = given - np.searchsorted(impostor_sorted, strict, side="left")
    # matches_strict <= target < matches_next are neighbouring achievable counts; the upper one is achieved by the
    # next lower impostor similarity, where there is one.
    lenient_is_nearer = matches_next - target <= target - matches_strict
    if rule == "nearest" and matches_next < n and lenient_is_nearer:
        return float(impostor_sorted[given - 1 - matches_next])
    return float(strict)


def false_match_rate(impostor_sorted: NDArray, threshold: float, n: int | None = None) -> float:
    """Return the fraction of impostor similarities (ascending) above `threshold`, in [0, 1]; NaN when undefined.

    n: number of impostors, if only the most similar are given, at least all above the threshold.
    """
    given = len(impostor_sorted)
    n = given if n is None else n
    if n == 0 or math.isnan(threshold):
        return math.nan
    return float((given - np.searchsorted(impostor_sorted, threshold, side="right")) / n)


def false_non_match_rate(genuine_sorted: NDArray, threshold: float) -> float:
    """Return the fraction of genuine similarities (ascending) not above `threshold`, in [0, 1]; NaN when undefined."""
    n = len(genuine_sorted)
    if n == 0 or math.isnan(threshold):
        return math.nan
    return float(np.searchsorted(genuine_sorted, threshold, side="right") / n)


def is_resolvable(n_impostor: int, fmr: float) -> bool:
    """Say whether `n_impostor` pairs resolve the target, i.e. are at least 1/fmr, for one expected false match."""
    return n_impostor * as_fraction(fmr) >= 1


def fnmr_at_fmr(similarity: ArrayLike, genuine: ArrayLike, fmr: float = 1e-3, rule: str = "nearest") -> float:
    """Return the FNMR, in [0, 1] (smaller = better), at the threshold of `threshold_at_fmr`.

    similarity: (P,) float, larger = more alike. genuine: (P,) bool, True = same person.
    NaN when there are no genuine or no impostor pairs. Raises InputError for unequal lengths or NaN.
    """
    similarity = as_scores(similarity, "similarity")
    genuine = as_genuine(genuine, len(similarity))
    threshold = threshold_at_fmr(np.sort(similarity[~genuine]), fmr, rule)
    return false_non_match_rate(np.sort(similarity[genuine]), threshold)
