"""The EDC of pairs that each count several times, as a bootstrap needs it, without repeating a single pair.

With whole-number weights the FNMR equals, to the last digit, that of `error_discard_curves` on the list in which pair i
stands weights[i] times, its copies side by side at its place. So pairs of equal quality are dropped in the order in
which they are given, copy by copy, and a cut may fall between two copies of one pair.

All sorting is done before; a curve then takes one pass over the pairs and a few over the genuine pairs.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prefiqs.evaluation.inputs import as_fraction
from prefiqs.evaluation.ranking import QualityRanks, SimilarityRanks

Ints = NDArray[np.integer]
Floats = NDArray[np.float64]


class _Order(NamedTuple):
    """The pairs in the order of discarding, (P,), and the places in it of the genuine and of the impostor pairs."""

    pairs: Ints
    genuine_place: Ints
    impostor_place: Ints


class _Cut(NamedTuple):
    """What each step discards under one weighting; all but `steps_left` have shape (steps,).

    pair: the first in the order of discarding of which a copy is left. gone: how many copies of it are not.
    n_left: copies left of all pairs. steps_left: (P,) by place, at how many steps a pair is left, be it in part.
    """

    pair: Ints
    gone: Ints
    n_left: Ints
    steps_left: Ints


class WeightedPairs:
    """Sorted pairs, for the curves of several quality measures under any number of weightings.

    similarity: of P pairs. qualities: of the same pairs by key. discard: (steps,) fractions. fmrs, threshold, rule:
    as for `error_discard_curves`; with threshold "fixed" the first fraction is 0. Nothing is checked here.
    Holds 16 bytes a pair and key.
    """

    def __init__(
        self,
        similarity: SimilarityRanks,
        qualities: Mapping[Any, QualityRanks],
        fmrs: Sequence[float],
        discard: Floats,
        threshold: str,
        rule: str,
    ):
        self._fixed, self._nearest = threshold == "fixed", rule == "nearest"
        self._targets = [as_fraction(fmr) for fmr in fmrs]
        self._discard = np.array([as_fraction(step).as_integer_ratio() for step in discard]).T
        self._genuine, self._genuine_pairs = similarity.genuine, similarity.genuine_pairs
        self._impostor, self._impostor_pairs = similarity.impostor[::-1], similarity.impostor_pairs[::-1]
        # Equal impostor similarities match together or not at all: where the run of each one begins and ends.
        self._run_start = np.searchsorted(-self._impostor, -self._impostor, side="left")
        self._run_end = np.searchsorted(-self._impostor, -self._impostor, side="right")
        n_pairs = len(self._genuine) + len(self._impostor)
        self._genuine_rank = _places(self._genuine_pairs, n_pairs)
        self._impostor_rank = _places(self._impostor_pairs, n_pairs)
        self._orders = {
            method: _Order(
                _places(quality.rank, n_pairs),
                quality.rank[self._genuine_pairs].astype(np.intp),
                quality.rank[self._impostor_pairs].astype(np.intp),
            )
            for method, quality in qualities.items()
        }

    def fnmr(self, weights: Ints) -> dict[Hashable, Floats]:
        """Return the FNMR by key, (targets, steps), in [0, 1]; NaN where that of `error_discard_curves` is.

        weights: (P,) int64, 0 or more, above 0 for some genuine and some impostor pair.
        """
        genuine_weights = weights[self._genuine_pairs].astype(float)  # `bincount` adds floats; these are exact
        impostor_weights = weights[self._impostor_pairs]
        return {m: self._fnmr(order, weights, genuine_weights, impostor_weights) for m, order in self._orders.items()}

    def _fnmr(self, order: _Order, weights: Ints, genuine_weights: Floats, impostor_weights: Ints) -> Floats:
        cut = self._cut(order.pairs, weights)
        steps_left = cut.steps_left[order.genuine_place]
        n_genuine = _left(np.bincount(steps_left, genuine_weights, len(cut.pair) + 1)).astype(np.int64)
        n_genuine -= cut.gone * (self._genuine_rank[cut.pair] < len(self._genuine))
        n_impostor = cut.n_left - n_genuine
        thresholds = np.array(
            [self._threshold(cut, order.impostor_place, impostor_weights, n_impostor, fmr) for fmr in self._targets]
        )
        if self._fixed:
            thresholds[:] = thresholds[:, :1]
        rejected = self._rejected(cut, thresholds, steps_left, genuine_weights)
        undefined = np.isnan(thresholds) | (n_genuine == 0)
        return np.where(undefined, np.nan, rejected / np.maximum(n_genuine, 1))

    def _cut(self, order: Ints, weights: Ints) -> _Cut:
        ends = weights[order].cumsum()  # copies up to and with each pair, lowest quality first
        numerator, denominator = self._discard
        n_dropped = numerator * ends[-1] // denominator
        place = np.searchsorted(ends, n_dropped, side="right")
        n_steps = np.arange(len(place) + 1, dtype=np.int16)  # small, as it is looked up at random
        return _Cut(
            pair=order[place],
            gone=weights[order[place]] - (ends[place] - n_dropped),
            n_left=ends[-1] - n_dropped,
            steps_left=np.repeat(n_steps, np.diff(place, prepend=0, append=len(order))),
        )

    def _threshold(
        self, cut: _Cut, places: Ints, weights: Ints, n_impostor: Ints, fmr: Fraction, n_top: int | None = None
    ) -> Floats:
        """Return the threshold of each step, (steps,), by the rule of `error_rates.threshold_at_fmr`.

        It is sought among the `n_top` most similar impostors, and among twice as many if too few of them are left.
        """
        allowed = np.minimum(fmr.numerator * n_impostor // fmr.denominator, n_impostor - 1)
        n_top = min(n_top or 2 * int(allowed.max()) + 64, len(places))
        steps = np.arange(len(n_impostor))
        left = np.where(cut.steps_left[places[:n_top]] > steps[:, None], weights[:n_top], 0)
        rank = self._impostor_rank[cut.pair]
        left[steps[rank < n_top], rank[rank < n_top]] -= cut.gone[rank < n_top]
        count = np.zeros((len(steps), n_top + 1), np.int64)  # copies left of the 0, 1, ... most similar
        left.cumsum(axis=1, out=count[:, 1:])

        chosen = (count[:, 1:] <= allowed[:, None]).sum(axis=1)
        if self._nearest:
            run = np.minimum(chosen, n_top - 1)
            matches_strict = count[steps, self._run_start[run]]
            matches_next = count[steps, np.minimum(self._run_end[run], n_top)]
            nearer = (matches_next + matches_strict) * fmr.denominator <= 2 * fmr.numerator * n_impostor
            lenient = (count[:, 1:] <= matches_next[:, None]).sum(axis=1)
            chosen = np.where(nearer & (matches_next < n_impostor), lenient, chosen)
        if (chosen == n_top).any():
            return self._threshold(cut, places, weights, n_impostor, fmr, 2 * n_top)
        return np.where(n_impostor > 0, self._impostor[chosen], np.nan)

    def _rejected(self, cut: _Cut, thresholds: Floats, steps_left: Ints, weights: Floats) -> Floats:
        """Return how many copies of genuine pairs are left and not above each threshold, (targets, steps).

        Each pair is added up once, by its steps and by the two thresholds between which it lies.
        """
        n_below = np.searchsorted(self._genuine, thresholds, side="right")
        edges = np.sort(n_below, axis=None)
        interval = np.repeat(np.arange(len(edges) + 1), np.diff(edges, prepend=0, append=len(weights)))
        shape = thresholds.shape[1] + 1, len(edges) + 1
        table = np.bincount(steps_left * np.int64(shape[1]) + interval, weights, math.prod(shape)).reshape(shape)
        below = _left(table).cumsum(axis=1)[np.arange(thresholds.shape[1]), np.searchsorted(edges, n_below)]
        return below - cut.gone * (self._genuine_rank[cut.pair] < n_below)


def _places(items: Ints, n: int) -> Ints:
    """Return the place in `items` of each of 0 ... n - 1, (n,); n for one that is not there."""
    places = np.full(n, n)
    places[items] = np.arange(len(items))
    return places


def _left(by_steps: NDArray) -> NDArray:
    """Return what is left at each step, from what is left at 0, 1, ... steps: at step k, what is at more than k."""
    return by_steps[::-1].cumsum(axis=0)[::-1][1:]
