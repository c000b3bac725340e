"""False match rate (FMR), false non-match rate (FNMR), and the threshold for a target FMR.

A pair matches if and only if similarity > threshold, for both rates. The rule `cr-fiqa` is the exception: as in the
code published with CR-FIQA, an impostor pair *at* the threshold matches, while a genuine pair there does not.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefiqs.errors import InputError
from prefiqs.evaluation.inputs import as_fraction, as_genuine, as_scores, check_choice

RULES = ("nearest", "conservative", "cr-fiqa")


def check_fmr(fmr: float) -> None:
    """Raise InputError unless 0 < fmr < 1."""
    if not 0 < fmr < 1:
        raise InputError(f"The target FMR must be above 0 and below 1, not {fmr}; 1e-3 is usual.")


def threshold_at_fmr(impostor_sorted: NDArray, fmr: float, rule: str = "nearest") -> float:
    """Return the threshold whose empirical FMR corresponds to the target `fmr`; NaN if there is no impostor pair.

    Candidates are the distinct impostor similarities, each the smallest threshold of its FMR.

    impostor_sorted: (n,) float, ascending, larger = more alike. fmr: target in (0, 1).
    rule: "nearest", the FMR closest to the target (of two equally close ones, the larger, as in published code);
        "conservative", the largest FMR not above the target (0 if need be).
    Raises InputError for another target or rule; "cr-fiqa" also needs the genuine pairs (`edc.error_discard_curve`).
    """
    check_fmr(fmr)
    check_choice(rule, "rule", RULES[:2])
    n = len(impostor_sorted)
    if n == 0:
        return math.nan
    falling = impostor_sorted[::-1]
    return float(falling[threshold_places(falling, np.arange(n + 1)[None], np.array([n]), fmr, rule)[0]])


def threshold_places(
    falling: NDArray, counts: NDArray, n: NDArray, fmr: float, rule: str, none_may_match: NDArray | bool = True
) -> NDArray[np.integer]:
    """Return where in `falling` the threshold of `threshold_at_fmr` stands, for several sets of its impostors.

    falling: (k,) the largest impostor similarities, descending. counts: (sets, k + 1) how many of the first 0, 1, …, k
    are in each set. n: (sets,) how many impostors in all. Where k are too few to tell, the place is k.

    With the rule "cr-fiqa" it is the largest similarity *below* the threshold; the place is k if all impostors match.
    none_may_match: (sets,) whether it has a candidate above all impostors.
    """
    target = as_fraction(fmr)  # exact: at n = 500 and 1e-3, half a false match is wanted, a tie between none and one
    allowed = np.minimum(target.numerator * n // target.denominator, n - 1)
    strict = (counts[:, 1:] <= allowed[:, None]).sum(axis=1)
    if rule == "conservative":
        return strict
    # The next achievable number of matches is that of the next lower similarity in the set, where there is one.
    sets, rising = np.arange(len(n)), -falling
    value = rising[np.minimum(strict, len(rising) - 1)]
    matches_strict = counts[sets, np.searchsorted(rising, value, side="left")]
    matches_next = counts[sets, np.searchsorted(rising, value, side="right")]
    lenient = (matches_next + matches_strict) * target.denominator <= 2 * target.numerator * n
    if rule == "nearest":
        lenient &= matches_next < n
    else:
        lenient = (lenient | (matches_strict == 0) & ~np.asarray(none_may_match)) & (n > 0)
    return np.where(lenient, (counts[:, 1:] <= matches_next[:, None]).sum(axis=1), strict)


def false_non_match_rate(genuine_sorted: NDArray, threshold: float) -> float:
    """Return the fraction of genuine similarities (ascending) not above `threshold`, in [0, 1]; NaN when undefined."""
    n = len(genuine_sorted)
    if n == 0 or math.isnan(threshold):
        return math.nan
    return float(np.searchsorted(genuine_sorted, threshold, side="right") / n)


def fnmr_at_fmr(similarity: ArrayLike, genuine: ArrayLike, fmr: float = 1e-3, rule: str = "nearest") -> float:
    """Return the FNMR, in [0, 1] (smaller = better), at the threshold of `threshold_at_fmr`.

    similarity: (P,) float, larger = more alike. genuine: (P,) bool, True = same person.
    NaN when there are no genuine or no impostor pairs. Raises InputError for unequal lengths or NaN.
    """
    similarity = as_scores(similarity, "similarity")
    genuine = as_genuine(genuine, len(similarity))
    threshold = threshold_at_fmr(np.sort(similarity[~genuine]), fmr, rule)
    return false_non_match_rate(np.sort(similarity[genuine]), threshold)
