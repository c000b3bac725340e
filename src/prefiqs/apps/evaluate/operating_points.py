"""Operating points of a user's methods: at percentiles of their scores, or on a mapped scale of 0 … 100."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from prefiqs.apps.evaluate.inputs import EvaluationInputs
from prefiqs.errors import InputError
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.edc import EdcProtocol
from prefiqs.evaluation.operating_points import operating_points
from prefiqs.evaluation.score_mapping import fit_mapping, fitting_half
from prefiqs.reporting.tables import Table

PERCENTILES = (0, 1, 2, 5, 10, 20, 30, 50)
LEVELS = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90)
_DIGITS = {"images_rejected": 3, "pairs_rejected": 3, "fnmr": 4}


def points_at_percentiles(comparison: Comparison, inputs: EvaluationInputs, protocol: EdcProtocol) -> Table:
    """Return one row per verifier, method, percentile of its scores, and FMR: the columns of `operating_points`, and
    percentile.

    Rejection thresholds are on the method's own scale; where lower is better, images above them are rejected.
    """
    thresholds = {m: np.quantile(scores, np.array(PERCENTILES) / 100) for m, scores in comparison.scores.items()}
    table = _by_method(comparison, thresholds, protocol)
    table.insert(2, "percentile", np.resize(np.repeat(PERCENTILES, len(protocol.fmrs)), len(table)))
    table["rejection_threshold"] *= table["method"].map(inputs.sign)
    notes = (
        "rejection_threshold: on the method's own scale. Images below it (above it, if lower is better) "
        "are rejected, and so are pairs with one of them. The similarity threshold is fixed at the FMR with nothing "
        "rejected; fmr_resolvable: at least 1/FMR impostor pairs set it."
    )
    digits = _DIGITS | {"rejection_threshold": _decimals(table, "rejection_threshold")}
    caption = "Operating points: images below a percentile of the scores are rejected"
    return Table(table, caption, digits=digits, notes=notes, hidden=hidden_verifier(inputs))


def mapped_points(inputs: EvaluationInputs, kind: str, protocol: EdcProtocol, seed: int) -> Table:
    """Fit a mapping of each method on one half of the people, drawn by `seed`, and judge it on the other half.

    Returns one row per verifier, method, rejection threshold on the scale 0 … 100, and FMR: the columns of
    `operating_points` on the people held out, with `score` (the threshold on the method's own scale) and
    `images_below_fitted`, the share below it in the half fitted on. Where both shares agree, the scale holds for people
    it has not seen.

    Raises InputError for too few people, or no genuine or impostor pair among those held out.
    """
    fitting = fitting_half(inputs.subjects, seed)
    mapped, scores, below = {}, [], []
    for method, quality in inputs.scores.items():
        mapping = fit_mapping(quality[fitting], kind, method)
        mapped[method] = mapping.apply(quality)
        scores += (inputs.sign[method] * mapping.inverse(LEVELS)).tolist()
        below += [np.mean(mapped[method][fitting] < level) for level in LEVELS]
    table = _by_method(_held_out(inputs, fitting, mapped), dict.fromkeys(mapped, LEVELS), protocol)
    score = np.resize(np.repeat(scores, len(protocol.fmrs)), len(table))
    table.insert(3, "score", np.where(np.isfinite(score), score, np.nan))  # no score becomes 0 on a sigmoid
    table.insert(4, "images_below_fitted", np.resize(np.repeat(below, len(protocol.fmrs)), len(table)))
    notes = (
        "rejection_threshold: of 100; score: the same on the method's own scale. images_below_fitted: share below it "
        "among the half of the people that the mapping was fitted on; everything else refers to the other half."
    )
    digits = _DIGITS | {"rejection_threshold": 0, "score": _decimals(table, "score"), "images_below_fitted": 3}
    caption = f"Operating points on a scale of 0 to 100 ({kind}), for people it was not fitted on"
    return Table(table, caption, digits=digits, notes=notes, hidden=hidden_verifier(inputs))


def hidden_verifier(inputs: EvaluationInputs) -> list[str]:
    """Return the column of verifiers if there is but one, which then need not be printed."""
    return ["verifier"] if len(inputs.verifiers) == 1 else []


def _by_method(comparison: Comparison, thresholds: Mapping[Any, ArrayLike], protocol: EdcProtocol) -> pd.DataFrame:
    table = operating_points(comparison, thresholds, protocol.fmrs, protocol.rule)
    return table.rename(columns={"key": "method"})


def _decimals(points: pd.DataFrame, column: str) -> int:
    """Return enough decimals to tell the values of each method apart: scores may be of any size."""
    spread = points.groupby("method")[column].agg(np.ptp).min()
    return max(0, 3 - math.floor(math.log10(spread))) if spread > 0 else 3


def _held_out(inputs: EvaluationInputs, fitting: np.ndarray, scores: dict[str, np.ndarray]) -> Comparison:
    """Compare the pairs without an image in the half that the mapping was fitted on."""
    kept = ~fitting[inputs.pairs].any(axis=1)
    rows, pairs = np.unique(inputs.pairs[kept], return_inverse=True)
    genuine = inputs.genuine[kept]
    if not 0 < genuine.sum() < len(genuine):
        raise InputError(
            f"The half of the people held out has {int(genuine.sum())} genuine and {int((~genuine).sum())} impostor "
            "pairs, but both kinds are needed. Choose another --seed, or leave --score-mapping out."
        )
    held_out = {method: values[rows] for method, values in scores.items()}
    return Comparison(
        {name: vectors[rows] for name, vectors in inputs.verifiers.items()}, pairs.reshape(-1, 2), genuine, held_out
    )
