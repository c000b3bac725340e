"""Error-versus-discard characteristic (EDC; ERC in older papers).

Grother & Tabassi, "Performance of biometric quality measures", TPAMI 2007; ISO/IEC 29794-1. The default follows the
code published with CR-FIQA (Boutros et al., CVPR 2023), except that the decision rule is the same for both error rates
(see `error_rates`): *all* pairs are discarded by quality, and the threshold is found again on the pairs left.
`threshold="fixed"` keeps that of discard 0 (ISO, NIST); `pairs="genuine"` discards genuine pairs only.

Pairs of equal quality are dropped in a random order that depends on nothing but the number of pairs. The published code
drops them in the order of the list.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefiqs.errors import InputError
from prefiqs.evaluation.curve import Curve
from prefiqs.evaluation.discarding import Discarding, SimilarityRanks, sort_by_quality
from prefiqs.evaluation.error_rates import RULES, check_fmr
from prefiqs.evaluation.inputs import as_fraction, as_scores, check_choice

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

    fmrs: distinct targets. threshold, rule: as for `error_discard_curve`. step: of `discard_grid`.
    limit: upper end of the pAUC, from one step to the last one. Raises InputError for anything else.
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
            raise InputError(f"The upper limit of pAUC must be from {self.step:g} to {last:g}, not {self.limit}.")

    def discarding(self, similarity: SimilarityRanks, whole: bool = True) -> Discarding:
        """Return what draws such curves of the pairs of a verifier, up to the limit if not `whole`."""
        grid = discard_grid(self.step)
        steps = grid if whole else grid[: np.searchsorted(grid, self.limit) + 1]
        return Discarding(similarity, self.fmrs, steps, self.threshold, self.rule)


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
    """Return the EDC: FNMR at the target `fmr` as a function of the fraction of pairs discarded, lowest quality first.

    similarity: (P,) float, larger = more alike. genuine: (P,) bool, True = same person.
    pair_quality: (P,) float, larger = better (see `pairs.pair_quality`).
    fmr: target in (0, 1). discard: fractions in [0, 1), strictly ascending; None is 0, 0.05, ..., 0.95.
        At fraction r, exactly floor(r * P) pairs are dropped (with `pairs="genuine"`, of the genuine pairs only).
    threshold: "recomputed" on the remaining pairs, or "fixed" at its value for all pairs.
    rule: "nearest" or "conservative", see `error_rates.threshold_at_fmr`; or "cr-fiqa", as in the code published with
        CR-FIQA: the FMR nearest to the target among the similarities of all pairs left, of equally near ones the
        smallest similarity, where an impostor pair at the threshold matches but a genuine pair does not.
    pairs: which pairs may be discarded, "all" or "genuine".

    Raises InputError for unequal lengths, NaN, an unknown option, or no genuine or no impostor pair at all.
    """
    protocol = EdcProtocol((fmr,), threshold, rule)
    check_choice(pairs, "pairs", ("all", "genuine"))
    grid = discard_grid(0.05) if discard is None else as_scores(discard, "discard")
    if not len(grid) or grid[0] < 0 or grid[-1] >= 1 or (np.diff(grid) <= 0).any():
        raise InputError(f"discard must contain ascending fractions from 0 to below 1, not {grid}.")
    ranks = SimilarityRanks(similarity, genuine)
    quality = as_scores(pair_quality, "pair_quality", len(ranks.genuine))
    kept = (pairs == "genuine") & ~ranks.genuine  # whatever their quality
    order = sort_by_quality(quality)
    order = order[np.argsort(kept[order], kind="stable")]
    return Discarding(ranks, protocol.fmrs, grid, threshold, rule).curves(order, int((~kept).sum()))[0]
