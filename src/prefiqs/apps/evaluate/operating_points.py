"""Operating points of a user's methods, at percentiles of their scores."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from prefiqs.apps.evaluate.inputs import EvaluationInputs
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.edc import EdcProtocol
from prefiqs.evaluation.operating_points import operating_points
from prefiqs.reporting.tables import Table

PERCENTILES = (0, 1, 2, 5, 10, 20, 30, 50)
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
