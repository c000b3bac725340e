"""Error-versus-discard characteristic (EDC; ERC in older papers).

Grother & Tabassi, "Performance of biometric quality measures", TPAMI 2007; ISO/IEC 29794-1. The default follows the
code published with CR-FIQA (Boutros et al., CVPR 2023), which the tables of this literature use: *all* pairs are
discarded by quality, genuine and impostor alike, and the threshold is found anew on the pairs left. `threshold="fixed"`
keeps the threshold of discard 0 instead (ISO, NIST); `pairs="genuine"` discards genuine pairs only. One thing differs
from that code on purpose: the decision rule is the same for both error rates (see `error_rates`).

Ties: pairs of equal quality are dropped in the order in which they are given (stable sort, as the published code), so
a curve can depend on pair order where the cut falls among equal qualities.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefiqs.errors import InputError
from prefiqs.evaluation.curve import Curve
from prefiqs.evaluation.error_rates import (
    RULES,
    check_fmr,
    false_match_rate,
    false_non_match_rate,
    is_resolvable,
    threshold_at_fmr,
)
from prefiqs.evaluation.inputs import as_fraction, as_scores, check_choice
from prefiqs.evaluation.ranking import QualityRanks, SimilarityRanks, sort_by_quality, sort_by_similarity

THRESHOLDS = ("recomputed", "fixed")


def discard_grid(step: float) -> NDArray[np.float64]:
    """Return the discard fractions 0, step, 2·step, … below 1; InputError unless 0 < step < 1."""
    if not 0 < step < 1:
        raise InputError(f"The step of the discard fraction must be above 0 and below 1, not {step}; 0.05 is usual.")
    exact = as_fraction(step)
    return np.array([float(k * exact) for k in range(math.ceil(1 / exact))])


@dataclass(frozen=True)
class EdcProtocol:
    """How curves are drawn and areas taken; the defaults are those of this literature.

    fmrs: distinct targets, each in (0, 1). threshold: "recomputed" on the pairs left, or "fixed" at the one of all.
    rule: "nearest" or "conservative", see `error_rates.threshold_at_fmr`.
    step: of the discard fraction, see `discard_grid`. limit: upper end of the pAUC, from one step to the last one.
    Raises InputError for anything else.
    """

    fmrs: tuple[float, ...] = (1e-3, 1e-4)
    threshold: str = "recomputed"
    rule: str = "nearest"
    step: float = 0.05
    limit: float = 0.3

    def __post_init__(self) -> None:
        object.__setattr__(self, "fmrs", tuple(self.fmrs))
        for fmr in self.fmrs:
            check_fmr(fmr)
        if not self.fmrs or len(set(self.fmrs)) < len(self.fmrs):
            raise InputError(f"Give one or more distinct target FMRs, not {', '.join(map(str, self.fmrs)) or 'none'}.")
        check_choice(self.threshold, "threshold", THRESHOLDS)
        check_choice(self.rule, "rule", RULES)
        last = discard_grid(self.step)[-1]
        if not self.step <= self.limit <= last:
            raise InputError(
                f"The largest discard fraction of the pAUC must lie between one step ({self.step:g}) and the last one "
                f"({last:g}), not at {self.limit}."
            )

    def options(self) -> dict:
        """Return what `error_discard_curves` takes of them."""
        return dict(fmrs=self.fmrs, discard=discard_grid(self.step), threshold=self.threshold, rule=self.rule)


def error_discard_curve(
    similarity: ArrayLike,
    genuine: ArrayLike,
    pair_quality: ArrayLike,
    fmr: float = 1e-3,
    discard: ArrayLike | None = None,
    threshold: str = "recomputed",
    rule: str = "nearest",
    pairs: str = "all",
) -> Curve:
    """Return FNMR at the target `fmr` against the fraction of pairs discarded, lowest quality first.

    similarity: (P,) float, larger = more alike; any strictly increasing map of it gives the same FNMR.
    genuine: (P,) bool, True = same person. pair_quality: (P,) float, larger = better (see `pairs.pair_quality`).
    fmr: target in (0, 1). discard: fractions in [0, 1), strictly ascending; None is 0, 0.05, ..., 0.95.
        At fraction r exactly floor(r * P) pairs are dropped (with `pairs="genuine"`, of the genuine pairs only).
    threshold: "recomputed" on the pairs left, or "fixed" at the one of all pairs.
    rule: "nearest" or "conservative", see `error_rates.threshold_at_fmr`.
    pairs: which ones may be discarded, "all" or "genuine".

    Raises InputError for unequal lengths, NaN, an unknown option, or no genuine or no impostor pair at all.
    """
    return error_discard_curves(similarity, genuine, pair_quality, [fmr], discard, threshold, rule, pairs)[0]


def error_discard_curves(
    similarity: ArrayLike,
    genuine: ArrayLike,
    pair_quality: ArrayLike,
    fmrs: Sequence[float] = (1e-3, 1e-4),
    discard: ArrayLike | None = None,
    threshold: str = "recomputed",
    rule: str = "nearest",
    pairs: str = "all",
) -> list[Curve]:
    """Return one curve for each target in `fmrs` at about the cost of one; all else as `error_discard_curve`."""
    check_choice(pairs, "pairs", ("all", "genuine"))
    by_similarity = sort_by_similarity(similarity, genuine)
    quality = as_scores(pair_quality, "pair_quality", len(np.asarray(similarity)))
    droppable = np.asarray(genuine, bool) if pairs == "genuine" else None
    return curves_of_sorted(by_similarity, sort_by_quality(quality, droppable), fmrs, discard, threshold, rule)


def curves_of_sorted(
    similarity: SimilarityRanks,
    quality: QualityRanks,
    fmrs: Sequence[float] = (1e-3, 1e-4),
    discard: ArrayLike | None = None,
    threshold: str = "recomputed",
    rule: str = "nearest",
) -> list[Curve]:
    """Return what `error_discard_curves` does, of pairs sorted before.

    One sorting of the similarities serves any number of quality measures and the other way round; of the impostor
    pairs, only the few most similar ones are looked at.
    """
    grid = _as_discard_grid(discard)
    for fmr in fmrs:
        check_fmr(fmr)
    check_choice(threshold, "threshold", THRESHOLDS)
    check_choice(rule, "rule", RULES)
    n_genuine, n_impostor = len(similarity.genuine), len(similarity.impostor)
    start = [threshold_at_fmr(similarity.impostor, fmr, rule) for fmr in fmrs]
    genuine_rank = quality.rank[similarity.genuine_pairs]

    points: list[list[tuple]] = [[] for _ in fmrs]
    for fraction in grid:
        n_dropped = math.floor(as_fraction(fraction) * quality.n_droppable)
        genuine_left = similarity.genuine[genuine_rank >= n_dropped]
        n_impostor_left = n_impostor - (n_dropped - (n_genuine - len(genuine_left)))
        if threshold == "fixed":
            n_top = n_impostor - int(np.searchsorted(similarity.impostor, min(start), side="right"))
            top = _most_similar_left(similarity, quality, n_dropped, n_top)
        else:
            top = _enough_for_threshold(similarity, quality, n_dropped, n_impostor_left, max(fmrs))
        for target, fmr in enumerate(fmrs):
            cutoff = start[target] if threshold == "fixed" else threshold_at_fmr(top, fmr, rule, n_impostor_left)
            points[target].append(
                (  # in the order of the fields of `Curve` after `discard`
                    false_non_match_rate(genuine_left, cutoff),
                    cutoff,
                    false_match_rate(top, cutoff, n_impostor_left),
                    len(genuine_left),
                    n_impostor_left,
                    is_resolvable(n_impostor_left, fmr),
                )
            )
    curves = []
    for points_of_target, target_fmr in zip(points, fmrs, strict=True):
        fnmr, thresholds, realised, n_gen, n_imp, resolvable = map(np.array, zip(*points_of_target, strict=True))
        curves.append(Curve(grid, fnmr, thresholds, realised, n_gen, n_imp, resolvable, target_fmr))
    return curves


def _most_similar_left(similarity: SimilarityRanks, quality: QualityRanks, n_dropped: int, n_top: int) -> NDArray:
    """Return, ascending, which of the `n_top` largest impostor similarities are left."""
    top = slice(len(similarity.impostor) - n_top, None)
    return similarity.impostor[top][quality.rank[similarity.impostor_pairs[top]] >= n_dropped]


def _enough_for_threshold(
    similarity: SimilarityRanks, quality: QualityRanks, n_dropped: int, n_left: int, fmr: float
) -> NDArray:
    """Return, ascending, as many of the largest impostor similarities left as `threshold_at_fmr` needs."""
    n_above = math.floor(as_fraction(fmr) * n_left)
    n_top = 4 * n_above + 64  # a guess, as nobody knows how many of them were dropped
    while True:
        n_top = min(n_top, len(similarity.impostor))
        left = _most_similar_left(similarity, quality, n_dropped, n_top)
        if len(left) == n_left or (len(left) > n_above and left[0] < left[-1 - n_above]):
            return left
        n_top *= 4


def _as_discard_grid(discard: ArrayLike | None) -> NDArray[np.float64]:
    if discard is None:
        return discard_grid(0.05)
    grid = as_scores(discard, "discard")
    if not len(grid) or grid[0] < 0 or grid[-1] >= 1 or (np.diff(grid) <= 0).any():
        raise InputError(
            f"discard must hold ascending fractions from 0 to below 1, not {grid}; None stands for 0, 0.05, ..., 0.95."
        )
    return grid
