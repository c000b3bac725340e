"""Which of the sorted pairs are left at each step of an error-versus-discard curve, even if pairs count several times.

A bootstrap resample gives each pair an integer weight. The FNMR equals, to the last digit, that of a list in which pair
i occurs weights[i] times in a row, so a cut may fall between two copies of one pair. Pairs are sorted once, beforehand.
What is left takes two passes over the pairs that are discarded, for all verifiers together. A verifier looks at few
pairs only, for all quality measures together: the most similar impostor pairs and the least similar genuine ones.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefiqs.errors import InputError
from prefiqs.evaluation.curve import Curve
from prefiqs.evaluation.error_rates import is_resolvable, threshold_places
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


class QualityOrders:
    """The orders in which K quality measures discard P pairs: (P,) places in the list each, the worst first.

    genuine: (P,) bool. Only the first `n_droppable` may be discarded, None = all; then each pair must count once.
    Holds up to 16 bytes a pair and measure.
    """

    def __init__(self, orders: Iterable[Ints], genuine: NDArray[np.bool_], n_droppable: int | None = None):
        self.genuine, self.n_droppable = genuine, n_droppable
        self.orders = [order.astype(np.intp) for order in orders]  # several times as fast an index as a smaller type
        self.of_genuine = [np.flatnonzero(genuine[order]) for order in self.orders]  # ascending


def sort_by_quality(pair_quality: ArrayLike) -> Ints:
    """Return the order in which pairs are discarded, the worst first; equal ones in a random order, always the same.

    All pairs of an image that is worse than its partners are equal. In the order of a list they would be discarded by
    kind or by person.
    """
    quality = np.asarray(pair_quality)
    shuffled = np.random.default_rng(0).permutation(len(quality))
    order = shuffled[np.argsort(quality[shuffled], kind="stable")]
    return order.astype(np.min_scalar_type(len(order)))  # to be kept: half the memory


class Left:
    """What each step of discarding leaves of weighted pairs, whatever the verifier.

    weights: (P,) signed int, how often each pair counts; both kinds do. steps: fractions to discard, (S,), in [0, 1).
    All below have K·S rows, one a quality measure and step, steps running fastest.
    n_genuine, n_impostor: copies left. Of pair `cut`, the first of which any are left, `gone` are not.
    """

    def __init__(self, qualities: QualityOrders, weights: Ints, steps: ArrayLike):
        self.weights = weights
        dropped, of = np.array([as_fraction(step).as_integer_ratio() for step in np.asarray(steps)]).T
        self.quality, self.step = np.divmod(np.arange(len(qualities.orders) * len(of)), len(of))
        total, n_genuine = weights.sum(dtype=np.int64), weights.sum(dtype=np.int64, where=qualities.genuine)
        n_dropped = dropped * (qualities.n_droppable or total) // of
        # At how many steps each pair is left, even in part: at the first ones. A small type, as lookups are random.
        n_steps = np.arange(len(of) + 1, dtype=np.min_scalar_type(len(of)))
        self.n_steps = np.full((len(qualities.orders), len(weights)), n_steps[-1])
        cuts, left = [], []
        memory = np.empty(len(weights), weights.dtype), np.empty(len(weights), np.int64)  # fresh memory is slow
        for order, of_genuine, of_pair in zip(qualities.orders, qualities.of_genuine, self.n_steps, strict=True):
            start, ends = _discarded(order, weights, n_dropped[-1], n_dropped[-1] / total, memory)
            place = np.searchsorted(ends, n_dropped, side="right")
            cut = start[place]
            gone = weights[cut] - (ends[place] - n_dropped)
            before = np.searchsorted(of_genuine, place)  # genuine pairs of which no copy is left
            genuine_ends = np.append(0, weights.take(start.take(of_genuine[: before[-1]])).cumsum(dtype=np.int64))
            cuts.append((cut, gone))
            left.append(n_genuine - genuine_ends[before] - gone * qualities.genuine[cut])
            of_pair[start] = np.repeat(n_steps, np.diff(place, prepend=0, append=len(start)))
        self.cut, self.gone = np.concatenate(cuts, axis=1)
        self.n_genuine = np.concatenate(left)
        self.n_impostor = np.tile(total - n_dropped, len(left)) - self.n_genuine

    def is_left(self, rows: Ints, pairs: Ints) -> NDArray[np.bool_]:
        """Return whether any copy of some pairs is left in each row; pairs: (rows, n), those of each row."""
        n_steps = self.n_steps[self.quality[rows, None], pairs]
        return (n_steps > self.step[rows, None]) & (self.weights[pairs] > 0)


def _discarded(order: Ints, weights: Ints, n_copies: int, share: float, memory: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Return the start of an order that holds more than `n_copies`, and the copies up to and with each of its pairs.

    share: of all copies, in [0, 1). memory: (P,) each, for the weights and for the copies that are returned.
    """
    n_pairs = int(1.2 * len(order) * share) + 64  # weights are spread evenly, more or less
    while True:
        start = order[:n_pairs]
        taken, ends = (array[: len(start)] for array in memory)
        # Faster than an index, and with a mode, without a copy of `taken`.
        weights.take(start, out=taken, mode="clip").cumsum(out=ends)
        if ends[-1] > n_copies:
            return start, ends
        n_pairs *= 2


class Discarding:
    """The pairs of one verifier, for the curves of any quality measure under any weights.

    similarity: of P pairs. fmrs, discard, threshold, rule: as for `edc.error_discard_curve`; nothing is checked here.
    """

    def __init__(self, similarity: SimilarityRanks, fmrs: Sequence[float], discard: Floats, threshold: str, rule: str):
        self.similarity, self.fmrs, self.discard = similarity, fmrs, discard
        self._fixed, self._rule = threshold == "fixed", rule

    def left(self, qualities: QualityOrders, weights: Ints) -> Left:
        """Return what is left of pairs that count `weights` times, (P,) int; the same for verifiers of one protocol."""
        # A fixed threshold is that of all pairs, so it has a step of its own.
        return Left(qualities, weights, np.append(0, self.discard) if self._fixed else self.discard)

    def curves(self, order: Ints, n_droppable: int | None = None) -> list[Curve]:
        """Return one curve for each target FMR; order: (P,), see `sort_by_quality`; n_droppable: as `QualityOrders`."""
        qualities = QualityOrders([order], self.similarity.genuine, n_droppable)
        left = self.left(qualities, np.broadcast_to(np.int64(1), len(order)))
        n_genuine, n_impostor = (counts[-len(self.discard) :] for counts in (left.n_genuine, left.n_impostor))
        curves = []
        for fmr, fnmr, thresholds, matches in zip(self.fmrs, *self._points(left), strict=True):
            realised = np.where(n_impostor > 0, matches[0] / np.maximum(n_impostor, 1), np.nan)
            resolvable = np.array([is_resolvable(int(n), fmr) for n in n_impostor])
            curves.append(Curve(self.discard, fnmr[0], thresholds[0], realised, n_genuine, n_impostor, resolvable, fmr))
        return curves

    def fnmr(self, left: Left) -> Floats:
        """Return the FNMR of what is left, (targets, quality measures, steps), in [0, 1]."""
        return self._points(left)[0]

    def _points(self, left: Left) -> list[NDArray]:
        """Return FNMR, thresholds and false matches, (targets, quality measures, steps) each."""
        errors = _Errors(self.similarity, left)
        found = [errors.thresholds(fmr, self._rule, self._fixed) for fmr in self.fmrs]
        thresholds, matches = (np.array(values) for values in zip(*found, strict=True))
        undefined = np.isnan(thresholds) | (left.n_genuine == 0)
        fnmr = np.where(undefined, np.nan, errors.rejected(thresholds) / np.maximum(left.n_genuine, 1))
        shape = (len(self.fmrs), -1, left.step[-1] + 1)
        return [values.reshape(shape)[..., -len(self.discard) :] for values in (fnmr, thresholds, matches)]


class _Errors:
    """The errors of one verifier on the pairs that are left; one row a quality measure and step, as in `Left`."""

    def __init__(self, similarity: SimilarityRanks, left: Left):
        self._similarity, self._left = similarity, left
        self._rows = np.arange(len(left.cut))

    def thresholds(self, fmr: float, rule: str, fixed: bool, n_top: int = 0) -> tuple[Floats, Ints]:
        """Return the threshold of each row and how many impostors match, (rows,) each.

        It is sought among the `n_top` most similar impostors, and among twice as many if too few of them are left.
        """
        pairs = self._similarity.impostor_pairs[::-1]
        left, n_impostor = self._left, self._left.n_impostor
        n_top = min(n_top or 2 * int(fmr * n_impostor.max()) + 64, len(pairs))
        top = pairs[:n_top]
        top = top[left.weights[top] > 0]  # a resample over people leaves out most impostor pairs
        if not len(top) and n_top < len(pairs):
            return self.thresholds(fmr, rule, fixed, 2 * n_top)
        copies = np.where(left.n_steps[:, top][left.quality] > left.step[:, None], left.weights[top], 0)
        row, place = np.nonzero(top == left.cut[:, None])
        copies[row, place] -= left.gone[row]
        counts = np.zeros((len(copies), len(top) + 1), np.int64)
        copies.cumsum(axis=1, out=counts[:, 1:])
        falling = self._similarity.similarity[top]
        places = threshold_places(falling, counts, n_impostor, fmr, rule)
        side: Literal["left", "right"] = "left"  # a pair matches above the threshold
        if rule == "cr-fiqa":
            side = "right"  # an impostor pair also at it
            scores, exist = self._lowest_scores(places, falling, counts)
            if not exist.all():
                places = threshold_places(falling, counts, n_impostor, fmr, rule, exist)
                scores, _ = self._lowest_scores(places, falling, counts)
        undiscarded = self._rows - left.step
        if fixed:
            places = places[undiscarded]
        if (places == len(top)).any() and n_top < len(pairs):
            return self.thresholds(fmr, rule, fixed, 2 * n_top)
        thresholds = scores if rule == "cr-fiqa" else falling[places]
        if fixed:
            thresholds = thresholds[undiscarded]
        matches = counts[self._rows, np.searchsorted(-falling, -thresholds, side=side)]
        return np.where(fixed | (n_impostor > 0), thresholds, np.nan), matches

    def _lowest_scores(self, places: Ints, falling: Floats, counts: Ints) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the smallest similarity left above that at each place, and whether there is one; see `thresholds`."""
        limits = np.append(falling, -np.inf)[places]
        n_above = counts[self._rows, np.searchsorted(-falling, -limits, side="left")]
        impostor = np.append(falling, np.inf)[np.where(n_above, (counts[:, 1:] < n_above[:, None]).sum(axis=1), -1)]
        place, end = self._next_genuine(limits), len(self._similarity.genuine_pairs)
        genuine = np.where(place < end, self._similarity.genuine_similarity[np.minimum(place, end - 1)], np.inf)
        return np.minimum(impostor, genuine), (n_above > 0) | (place < end)

    def _next_genuine(self, limits: Floats) -> Ints:
        """Return the place among all genuine pairs of the first one left above each limit; their number if none is."""
        end, width = len(self._similarity.genuine_pairs), 32
        start = np.searchsorted(self._similarity.genuine_similarity, limits, side="right")
        found = np.full(len(limits), end)
        while len(missing := self._rows[(found == end) & (start < end)]):
            window = np.minimum(start[missing, None] + np.arange(width), end - 1)
            pairs = self._similarity.genuine_pairs[window]
            is_left = self._left.is_left(missing, pairs)
            first = window[np.arange(len(missing)), is_left.argmax(axis=1)]
            found[missing] = np.where(is_left.any(axis=1), first, end)
            start, width = start + width, 4 * width
        return found

    def rejected(self, thresholds: Floats) -> Floats:
        """Return how many copies of genuine pairs are left and not above each threshold, (targets, rows).

        Each pair is added up once a quality measure, by its steps and by the two thresholds between which it lies.
        """
        left = self._left
        n_below = np.searchsorted(self._similarity.genuine_similarity, thresholds, side="right")
        n_below = np.where(np.isnan(thresholds), 0, n_below)
        edges = np.unique(n_below)
        pairs = self._similarity.genuine_pairs[: edges[-1]]
        counted = np.flatnonzero(left.weights[pairs])
        pairs, interval = pairs[counted], np.repeat(np.arange(len(edges)), np.diff(edges, prepend=0))[counted]
        weights = left.weights[pairs].astype(float)
        size, n_edges = (left.step[-1] + 2) * len(edges), np.int64(len(edges))
        cells = (of_pair.take(pairs) * n_edges + interval for of_pair in left.n_steps)
        by_steps = np.array([np.bincount(cell, weights, size) for cell in cells])  # sums of floats; exact
        by_steps = by_steps.reshape(len(by_steps), -1, len(edges))
        at_each_step = by_steps[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]  # left at step k: left at more than k steps
        below = at_each_step.cumsum(axis=2)[left.quality, left.step, np.searchsorted(edges, n_below)]
        cut_is_rejected = self._similarity.genuine[left.cut] & (self._similarity.similarity[left.cut] <= thresholds)
        return below - left.gone * cut_is_rejected
