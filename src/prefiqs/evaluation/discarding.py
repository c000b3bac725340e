"""Which of the sorted pairs are left at each step of an error-versus-discard curve, even if pairs count several times.

A bootstrap resample gives each pair an integer weight; a cut may fall between two copies of one pair. Pairs are sorted
once. What is left takes two passes over the pairs, for all verifiers together. A verifier looks at few pairs only: the
most similar impostor pairs and the least similar genuine ones.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefiqs.errors import InputError
from prefiqs.evaluation.curve import Curve
from prefiqs.evaluation.error_rates import threshold_places
from prefiqs.evaluation.inputs import as_fraction, as_genuine, as_scores

Ints = NDArray[np.integer]
Floats = NDArray[np.float64]


class SimilarityRanks:
    """Pairs sorted by similarity, for all curves of a verifier; 13 bytes a pair.

    similarity: (P,) float, larger = more alike. genuine: (P,) bool, True = same person. genuine_pairs, impostor_pairs:
    places in the list, least alike first; genuine_similarity: of the genuine pairs in that order.
    Raises InputError for unequal lengths, NaN, or pairs of one kind only.
    """

    def __init__(self, similarity: ArrayLike, genuine: ArrayLike):
        self.similarity = as_scores(similarity, "similarity")
        self.genuine = as_genuine(genuine, len(self.similarity))
        n_genuine, n_impostor = self.genuine.sum(), (~self.genuine).sum()
        if not n_genuine or not n_impostor:
            raise InputError(f"There are {n_genuine} genuine and {n_impostor} impostor pairs; both kinds are needed.")
        order = np.argsort(self.similarity)
        kind = self.genuine[order]
        self.genuine_pairs, self.impostor_pairs = order[kind], order[~kind].astype(np.min_scalar_type(len(order)))
        self.genuine_similarity = self.similarity[self.genuine_pairs]


class QualityRanks:
    """The order in which pairs are discarded, (P,) places in the list, the worst first; up to 20 bytes a pair."""

    def __init__(self, order: Ints, genuine: NDArray[np.bool_]):
        self.order = order.astype(np.intp)  # several times as fast an index as a smaller type
        self.rank = np.empty(len(order), np.min_scalar_type(len(order)))
        self.rank[self.order] = np.arange(len(order))
        self.of_genuine = np.flatnonzero(genuine[self.order])  # ascending ranks


def sort_by_quality(pair_quality: ArrayLike) -> Ints:
    """Return the order in which pairs are discarded, the worst first; equal ones in a random order, always the same.

    In the order of a list, the pairs of one image, which are often equal, would be discarded by kind or by person.
    """
    quality = np.asarray(pair_quality)
    shuffled = np.random.default_rng(0).permutation(len(quality))
    order = shuffled[np.argsort(quality[shuffled], kind="stable")]
    return order.astype(np.min_scalar_type(len(order)))  # to be kept: half the memory


class Left:
    """What each step of discarding leaves of weighted pairs, whatever the verifier.

    weights: (P,) int, how often each pair counts; both kinds do. steps: fractions to discard, (steps,), in [0, 1).
    n_genuine, n_impostor: (steps,) copies left. Of pair `cut`, the first of which any are left, `gone` are not.
    """

    def __init__(self, quality: QualityRanks, weights: Ints, steps: ArrayLike):
        self.weights, self._rank = weights, quality.rank
        dropped, of = np.array([as_fraction(step).as_integer_ratio() for step in np.asarray(steps)]).T
        in_order = weights.take(quality.order)  # faster than an index
        ends = in_order.cumsum()  # copies up to and with each pair, lowest quality first
        n_dropped = dropped * ends[-1] // of
        place = np.searchsorted(ends, n_dropped, side="right")
        self.cut = quality.order[place]
        self.gone = weights[self.cut] - (ends[place] - n_dropped)
        genuine_ends = np.append(0, in_order.take(quality.of_genuine).cumsum())
        n_before = np.searchsorted(quality.of_genuine, place)  # genuine pairs of which no copy is left
        cut_is_genuine = np.searchsorted(quality.of_genuine, place, side="right") > n_before
        self.n_genuine = genuine_ends[-1] - genuine_ends[n_before] - self.gone * cut_is_genuine
        self.n_impostor = ends[-1] - n_dropped - self.n_genuine
        # By rank, at how many steps a pair is left; a small type, as lookups are random.
        n_steps = np.arange(len(place) + 1, dtype=np.min_scalar_type(len(place)))
        self._n_steps = np.repeat(n_steps, np.diff(place, prepend=0, append=len(ends)))

    def n_steps(self, pairs: Ints) -> Ints:
        """Return at how many steps each pair is left, even in part: at the first ones."""
        return self._n_steps[self._rank[pairs]]


class Discarding:
    """The pairs of one verifier, for the curves of any quality measure under any weights.

    similarity: of P pairs. fmrs, discard, threshold, rule: as for `edc.error_discard_curve`; nothing is checked here.
    """

    def __init__(self, similarity: SimilarityRanks, fmrs: Sequence[float], discard: Floats, threshold: str, rule: str):
        self.similarity, self.fmrs, self.discard = similarity, fmrs, discard
        self._fixed, self._rule = threshold == "fixed", rule

    def left(self, quality: QualityRanks, weights: Ints) -> Left:
        """Return what is left of pairs that count `weights` times, (P,) int; the same for verifiers of one protocol."""
        # A fixed threshold is that of all pairs, so it has a step of its own.
        return Left(quality, weights, np.append(0, self.discard) if self._fixed else self.discard)

    def curves(self, order: Ints) -> list[Curve]:
        """Return one curve for each target FMR; order: see `QualityRanks`."""
        left = self.left(QualityRanks(order, self.similarity.genuine), np.broadcast_to(np.int64(1), len(order)))
        n_genuine, n_impostor = (counts[-len(self.discard) :] for counts in (left.n_genuine, left.n_impostor))
        curves = []
        for fmr, fnmr, thresholds, matches in zip(self.fmrs, *self._points(left), strict=True):
            realised = np.where(n_impostor > 0, matches / np.maximum(n_impostor, 1), np.nan)
            resolvable = np.array([int(n) * as_fraction(fmr) >= 1 for n in n_impostor])
            curves.append(Curve(self.discard, fnmr, thresholds, realised, n_genuine, n_impostor, resolvable, fmr))
        return curves

    def fnmr(self, left: Left) -> Floats:
        """Return the FNMR of what is left, (targets, steps), in [0, 1]."""
        return self._points(left)[0]

    def _points(self, left: Left) -> list[NDArray]:
        """Return FNMR, thresholds and false matches, (targets, steps) each."""
        found = [self._thresholds(left, fmr) for fmr in self.fmrs]
        thresholds, matches = (np.array(values) for values in zip(*found, strict=True))
        undefined = np.isnan(thresholds) | (left.n_genuine == 0)
        fnmr = np.where(undefined, np.nan, self._rejected(left, thresholds) / np.maximum(left.n_genuine, 1))
        return [values[:, -len(self.discard) :] for values in (fnmr, thresholds, matches)]

    def _thresholds(self, left: Left, fmr: float, n_top: int = 0) -> tuple[Floats, Ints]:
        """Return the threshold of each step and how many impostors match, (steps,) each.

        It is sought among the `n_top` most similar impostors, and among twice as many if too few of them are left.
        """
        pairs, n_impostor, steps = self.similarity.impostor_pairs[::-1], left.n_impostor, np.arange(len(left.cut))
        n_top = min(n_top or 2 * int(fmr * n_impostor.max()) + 64, len(pairs))
        top = pairs[:n_top]
        copies = np.where(left.n_steps(top) > steps[:, None], left.weights[top], 0)
        copies -= left.gone[:, None] * (top == left.cut[:, None])
        counts = np.zeros((len(steps), n_top + 1), np.int64)
        copies.cumsum(axis=1, out=counts[:, 1:])
        falling = self.similarity.similarity[top]
        places = threshold_places(falling, counts, n_impostor, fmr, self._rule)
        side: Literal["left", "right"] = "left"  # a pair matches above the threshold
        if self._rule == "cr-fiqa":
            side = "right"  # an impostor pair also at it
            scores, exist = self._lowest_scores(left, places, falling, counts)
            if not exist.all():
                places = threshold_places(falling, counts, n_impostor, fmr, self._rule, exist)
                scores, _ = self._lowest_scores(left, places, falling, counts)
        if self._fixed:
            places[:] = places[0]
        if (places == n_top).any() and n_top < len(pairs):
            return self._thresholds(left, fmr, 2 * n_top)
        thresholds = scores if self._rule == "cr-fiqa" else falling[places]
        if self._fixed:
            thresholds[:] = thresholds[0]
        matches = counts[steps, np.searchsorted(-falling, -thresholds, side=side)]
        return np.where(self._fixed | (n_impostor > 0), thresholds, np.nan), matches

    def _lowest_scores(
        self, left: Left, places: Ints, falling: Floats, counts: Ints
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the smallest similarity left above that at each place, and whether there is one."""
        limits = np.append(falling, -np.inf)[places]
        n_above = counts[np.arange(len(places)), np.searchsorted(-falling, -limits, side="left")]
        impostor = np.append(falling, np.inf)[np.where(n_above, (counts[:, 1:] < n_above[:, None]).sum(axis=1), -1)]
        place, end = self._next_genuine(left, limits), len(self.similarity.genuine_pairs)
        genuine = np.where(place < end, self.similarity.genuine_similarity[np.minimum(place, end - 1)], np.inf)
        return np.minimum(impostor, genuine), (n_above > 0) | (place < end)

    def _next_genuine(self, left: Left, limits: Floats) -> Ints:
        """Return the place among all genuine pairs of the first one left above each limit; their number if none is."""
        end, width = len(self.similarity.genuine_pairs), 32
        start = np.searchsorted(self.similarity.genuine_similarity, limits, side="right")
        found = np.full(len(limits), end)
        while len(missing := np.flatnonzero((found == end) & (start < end))):
            window = np.minimum(start[missing, None] + np.arange(width), end - 1)
            pairs = self.similarity.genuine_pairs[window]
            is_left = (left.n_steps(pairs) > missing[:, None]) & (left.weights[pairs] > 0)
            first = window[np.arange(len(missing)), is_left.argmax(axis=1)]
            found[missing] = np.where(is_left.any(axis=1), first, end)
            start, width = start + width, 4 * width
        return found

    def _rejected(self, left: Left, thresholds: Floats) -> Floats:
        """Return how many copies of genuine pairs are left and not above each threshold, (targets, steps).

        Each pair is added up once, by its steps and by the two thresholds between which it lies.
        """
        n_below = np.searchsorted(self.similarity.genuine_similarity, thresholds, side="right")
        n_below = np.where(np.isnan(thresholds), 0, n_below)
        edges, steps = np.unique(n_below), np.arange(len(left.cut))
        pairs = self.similarity.genuine_pairs[: edges[-1]]
        interval = np.repeat(np.arange(len(edges)), np.diff(edges, prepend=0))
        cell = left.n_steps(pairs) * np.int64(len(edges)) + interval
        size = (len(steps) + 1) * len(edges)
        by_steps = np.bincount(cell, left.weights[pairs], size).reshape(-1, len(edges))  # sums of floats; exact
        at_each_step = by_steps[::-1].cumsum(axis=0)[::-1][1:]  # left at step k is what is left at more than k steps
        below = at_each_step.cumsum(axis=1)[steps, np.searchsorted(edges, n_below)]
        cut_is_rejected = self.similarity.genuine[left.cut] & (self.similarity.similarity[left.cut] <= thresholds)
        return below - left.gone * cut_is_rejected
