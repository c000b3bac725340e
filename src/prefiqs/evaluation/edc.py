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

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefiqs.core.errors import InputError
from prefiqs.evaluation.curve import Curve
from prefiqs.evaluation.error_rates import (
    RULES,
    check_fmr,
    false_match_rate,
    false_non_match_rate,
    is_reliable,
    threshold_at_fmr,
)
from prefiqs.evaluation.inputs import as_fraction, as_genuine, as_scores, check_choice

DEFAULT_DISCARD = np.arange(20) / 20  # 0, 0.05, ..., 0.95


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
    similarity = as_scores(similarity, "similarity")
    genuine = as_genuine(genuine, len(similarity))
    quality = as_scores(pair_quality, "pair_quality", len(similarity))
    grid = _as_discard_grid(discard)
    for fmr in fmrs:
        check_fmr(fmr)
    check_choice(threshold, "threshold", ("recomputed", "fixed"))
    check_choice(rule, "rule", RULES)
    check_choice(pairs, "pairs", ("all", "genuine"))
    if genuine.all() or not genuine.any():
        raise InputError(
            f"genuine: expected genuine and impostor pairs, got {genuine.sum()} and {(~genuine).sum()}; "
            "an error rate at a target FMR needs both kinds."
        )

    rank, n_droppable = _discard_ranks(quality, genuine if pairs == "genuine" else np.ones_like(genuine))
    # Similarities are sorted once; what remains of a sorted array after a cut is sorted still.
    genuine_sorted, genuine_rank = _sorted_with_rank(similarity[genuine], rank[genuine])
    impostor_sorted, impostor_rank = _sorted_with_rank(similarity[~genuine], rank[~genuine])
    start = [threshold_at_fmr(impostor_sorted, fmr, rule) for fmr in fmrs]

    points: list[list[tuple]] = [[] for _ in fmrs]
    for fraction in grid:
        n_dropped = math.floor(as_fraction(fraction) * n_droppable)
        genuine_left = genuine_sorted[genuine_rank >= n_dropped]
        impostor_left = impostor_sorted[impostor_rank >= n_dropped]
        for target, fmr in enumerate(fmrs):
            cutoff = start[target] if threshold == "fixed" else threshold_at_fmr(impostor_left, fmr, rule)
            points[target].append(_point(genuine_left, impostor_left, cutoff, fmr))
    return [
        Curve(grid, *map(np.array, zip(*points_of_target, strict=True)), target_fmr=fmr)
        for points_of_target, fmr in zip(points, fmrs, strict=True)
    ]


def _point(genuine_left: NDArray, impostor_left: NDArray, threshold: float, fmr: float) -> tuple:
    """Return one step of a curve, in the order of the fields of `Curve` after `discard`."""
    return (
        false_non_match_rate(genuine_left, threshold),
        threshold,
        false_match_rate(impostor_left, threshold),
        len(genuine_left),
        len(impostor_left),
        is_reliable(len(impostor_left), fmr),
    )


def _as_discard_grid(discard: ArrayLike | None) -> NDArray[np.float64]:
    if discard is None:
        return DEFAULT_DISCARD.copy()
    grid = as_scores(discard, "discard")
    if not len(grid) or grid[0] < 0 or grid[-1] >= 1 or (np.diff(grid) <= 0).any():
        raise InputError(
            f"discard: expected strictly ascending fractions from 0 up to but without 1, got {grid}; "
            "pass None for 0, 0.05, ..., 0.95."
        )
    return grid


def _discard_ranks(quality: NDArray, droppable: NDArray[np.bool_]) -> tuple[NDArray[np.int64], int]:
    """Return each pair's place in the order of discarding, (P,), and the number of pairs that may be discarded.

    A pair is left after dropping k pairs if its place is k or higher; one that may not be dropped is past the end.
    """
    candidates = np.flatnonzero(droppable)
    order = candidates[np.argsort(quality[candidates], kind="stable")]
    rank = np.full(len(quality), len(quality))
    rank[order] = np.arange(len(order))
    return rank, len(order)


def _sorted_with_rank(similarity: NDArray, rank: NDArray[np.int64]) -> tuple[NDArray, NDArray[np.int64]]:
    order = np.argsort(similarity)
    return similarity[order], rank[order]
