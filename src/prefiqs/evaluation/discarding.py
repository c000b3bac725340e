"""Which of the sorted pairs are left at each step of an error-versus-discard curve, even if pairs count several times.

A bootstrap resample gives each pair an integer weight. The FNMR equals, to the last digit, that of a list in which pair
i occurs weights[i] times in a row, so a cut may fall between two copies of one pair. Pairs are sorted once, beforehand.
A curve takes two passes over the pairs, and looks only at the most similar impostor pairs.
"""

from collections.abc import Sequence
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


class QualityRanks:
    """The order in which the pairs of a verifier are discarded, (P,) places in the list, the worst first.

    Only the first `n_droppable` may be discarded, None = all. Holds 16 bytes a pair.
    """

    def __init__(self, order: Ints, similarity: SimilarityRanks, n_droppable: int | None = None):
        self.order = order.astype(np.intp)  # several times as fast an index as a smaller type
        self.rank = np.empty_like(self.order)
        self.rank[self.order] = np.arange(len(order))
        self.of_genuine = self.rank[similarity.genuine_pairs]
        self.n_droppable = n_droppable or len(order)


def sort_by_quality(pair_quality: ArrayLike) -> Ints:
    """Return the order in which pairs are discarded, the worst first; equal ones in a random order, always the same.

    All pairs of an image that is worse than its partners are equal. In the order of a list they would be discarded by
    kind or by person.
    """
    quality = np.asarray(pair_quality)
    shuffled = np.random.default_rng(0).permutation(len(quality))
    order = shuffled[np.argsort(quality[shuffled], kind="stable")]
    return order.astype(np.min_scalar_type(len(order)))  # to be kept: half the memory


class Discarding:
    """The pairs of one verifier, for the curves of any quality measure under any weights.

    similarity: of P pairs. fmrs, discard, threshold, rule: as for `edc.error_discard_curve`; nothing is checked here.
    """

    def __init__(self, similarity: SimilarityRanks, fmrs: Sequence[float], discard: Floats, threshold: str, rule: str):
        self.similarity, self.fmrs, self.discard = similarity, fmrs, discard
        self._fixed, self._rule = threshold == "fixed", rule
        steps = np.append(0, discard) if self._fixed else discard  # a fixed threshold is that of all pairs
        self._fractions = np.array([as_fraction(step).as_integer_ratio() for step in steps]).T

    def curves(self, order: Ints, n_droppable: int | None = None) -> list[Curve]:
        """Return one curve for each target FMR; arguments as of `QualityRanks`."""
        quality = QualityRanks(order, self.similarity, n_droppable)
        *of_targets, n_genuine, n_impostor = self._points(quality, np.broadcast_to(np.int64(1), len(order)))
        curves = []
        for fmr, fnmr, thresholds, matches in zip(self.fmrs, *of_targets, strict=True):
            realised = np.where(n_impostor > 0, matches / np.maximum(n_impostor, 1), np.nan)
            resolvable = np.array([is_resolvable(int(n), fmr) for n in n_impostor])
            curves.append(Curve(self.discard, fnmr, thresholds, realised, n_genuine, n_impostor, resolvable, fmr))
        return curves

    def fnmr(self, quality: QualityRanks, weights: Ints) -> Floats:
        """Return the FNMR, (targets, steps), in [0, 1], of pairs that count `weights` times, (P,) int64, both kinds."""
        return self._points(quality, weights)[0]

    def _points(self, quality: QualityRanks, weights: Ints) -> list[NDArray]:
        """Return FNMR, thresholds and false matches, (targets, steps) each, and the numbers of pairs left, (steps,)."""
        left = _Left(self.similarity, quality, weights, self._fractions)
        found = [left.thresholds(fmr, self._rule, self._fixed) for fmr in self.fmrs]
        thresholds, matches = (np.array(values) for values in zip(*found, strict=True))
        undefined = np.isnan(thresholds) | (left.n_genuine == 0)
        fnmr = np.where(undefined, np.nan, left.rejected(thresholds) / np.maximum(left.n_genuine, 1))
        points = fnmr, thresholds, matches, left.n_genuine, left.n_impostor
        return [values[..., -len(self.discard) :] for values in points]


class _Left:
    """What each step leaves of weighted pairs; n_genuine and n_impostor, (steps,), are the copies left."""

    def __init__(self, similarity: SimilarityRanks, quality: QualityRanks, weights: Ints, fractions: Ints):
        self._similarity, self._quality, self._weights = similarity, quality, weights
        ends = weights[quality.order].cumsum()  # copies up to and with each pair, lowest quality first
        n_dropped = fractions[0] * ends[quality.n_droppable - 1] // fractions[1]
        place = np.searchsorted(ends, n_dropped, side="right")
        # The first pair of which a copy is left, and how many copies of it are gone.
        self._cut = quality.order[place]
        self._gone = weights[self._cut] - (ends[place] - n_dropped)
        # By rank, at how many steps a pair is left, even in part; a small type, as lookups are random.
        n_steps = np.arange(len(place) + 1, dtype=np.min_scalar_type(len(place)))
        self._steps = np.repeat(n_steps, np.diff(place, prepend=0, append=len(ends)))
        self._genuine_steps = self._steps[quality.of_genuine]
        self._genuine_weights = weights[similarity.genuine_pairs].astype(float)  # as `bincount` adds them; exact
        n_genuine = _at_each_step(np.bincount(self._genuine_steps, self._genuine_weights, len(n_steps)))
        self.n_genuine = n_genuine.astype(np.int64) - self._gone * similarity.genuine[self._cut]
        self.n_impostor = ends[-1] - n_dropped - self.n_genuine

    def thresholds(self, fmr: float, rule: str, fixed: bool, n_top: int = 0) -> tuple[Floats, Ints]:
        """Return the threshold of each step and how many impostors match, (steps,) each.

        It is sought among the `n_top` most similar impostors, and among twice as many if too few of them are left.
        """
        pairs = self._similarity.impostor_pairs[::-1]
        n_top = min(n_top or 2 * int(fmr * self.n_impostor.max()) + 64, len(pairs))
        top, steps = pairs[:n_top], np.arange(len(self._cut))
        copies = np.where(self._steps[self._quality.rank[top]] > steps[:, None], self._weights[top], 0)
        copies -= self._gone[:, None] * (top == self._cut[:, None])
        counts = np.zeros((len(steps), n_top + 1), np.int64)
        copies.cumsum(axis=1, out=counts[:, 1:])
        falling = self._similarity.similarity[top]
        published = rule == "cr-fiqa"
        none_may_match: NDArray | bool = True
        if published:
            highest = np.append(falling, -np.inf)[(counts[:, 1:] == 0).sum(axis=1)]
            none_may_match = self._next_genuine(highest) < len(self._genuine_steps)
        places = threshold_places(falling, counts, self.n_impostor, fmr, rule, none_may_match)
        if fixed:
            places[:] = places[0]
        if (places == n_top).any() and n_top < len(pairs):
            return self.thresholds(fmr, rule, fixed, 2 * n_top)
        thresholds = np.append(falling, -np.inf)[places]
        if published:
            thresholds = self._lowest_score_above(thresholds, falling, counts)
            thresholds = np.full_like(thresholds, thresholds[0]) if fixed else thresholds
        # A pair matches above the threshold; by the published rule, an impostor pair also at it.
        side: Literal["left", "right"] = "right" if published else "left"
        matches = counts[steps, np.searchsorted(-falling, -thresholds, side=side)]
        return np.where(fixed | (self.n_impostor > 0), thresholds, np.nan), matches

    def _lowest_score_above(self, limits: Floats, falling: Floats, counts: Ints) -> Floats:
        """Return the smallest similarity above each limit among all pairs left; arguments as in `thresholds`."""
        n_above = counts[np.arange(len(limits)), np.searchsorted(-falling, -limits, side="left")]
        impostors = np.append(falling, np.inf)[np.where(n_above, (counts[:, 1:] < n_above[:, None]).sum(axis=1), -1)]
        genuine = np.append(self._similarity.genuine_similarity, np.inf)[self._next_genuine(limits)]
        return np.minimum(impostors, genuine)

    def _next_genuine(self, limits: Floats, width: int = 64) -> Ints:
        """Return the place among all genuine pairs of the first one left above each limit; their number if none is."""
        end, steps = len(self._genuine_steps), np.arange(len(limits))
        start = np.searchsorted(self._similarity.genuine_similarity, limits, side="right")
        window = np.minimum(start[:, None] + np.arange(width), end - 1)
        left = (self._genuine_steps[window] > steps[:, None]) & (self._genuine_weights[window] > 0)
        found = left.any(axis=1)
        if (~found & (start + width < end)).any():
            return self._next_genuine(limits, 8 * width)
        return np.where(found & (start < end), window[steps, left.argmax(axis=1)], end)

    def rejected(self, thresholds: Floats) -> Floats:
        """Return how many copies of genuine pairs are left and not above each threshold, (targets, steps).

        Each pair is added up once, by its steps and by the two thresholds between which it lies.
        """
        n_steps = len(self._cut)
        n_below = np.searchsorted(self._similarity.genuine_similarity, thresholds, side="right")
        edges = np.unique(n_below)
        interval = np.repeat(np.arange(len(edges) + 1), np.diff(edges, prepend=0, append=len(self._genuine_steps)))
        cell = self._genuine_steps * np.int64(len(edges) + 1) + interval
        table = np.bincount(cell, self._genuine_weights, (n_steps + 1) * (len(edges) + 1)).reshape(n_steps + 1, -1)
        below = _at_each_step(table).cumsum(axis=1)[np.arange(n_steps), np.searchsorted(edges, n_below)]
        cut_is_rejected = self._similarity.genuine[self._cut] & (self._similarity.similarity[self._cut] <= thresholds)
        return below - self._gone * cut_is_rejected


def _at_each_step(by_steps: NDArray) -> NDArray:
    """Return what is left at each step, from what is left at 0, 1, … steps: at step k, what is at more than k."""
    return by_steps[::-1].cumsum(axis=0)[::-1][1:]
