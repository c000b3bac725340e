"""Operating points of a user's methods: at percentiles of their scores, and for a wanted FNMR."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from prefiqs.reporting.tables import Table

PERCENTILES = (0, 1, 2, 5, 10, 20, 30, 50)
_DIGITS = {"images_rejected": 3, "pairs_rejected": 3, "fnmr": 4}
_NOTES = (
    "rejection_threshold: on the method's own scale. Images below it (above it, if lower is better) are rejected, with "
    "all of their pairs; images without a score are always rejected. fnmr: of the remaining pairs, at the similarity "
    "threshold, which is fixed at the FMR with nothing rejected; in brackets, its 95 % interval over people at fixed "
    "thresholds. reliable: at least ten false matches are expected at the FMR."
)


def threshold_table(thresholds: pd.DataFrame, hidden: list[str]) -> Table:
    """Return the table of `evaluation.operating_points.similarity_thresholds`."""
    notes = (
        "similarity_threshold: the cosine above which two images match. fnmr: with nothing rejected. false_matches: "
        "number expected among the impostor pairs; reliable: at least ten."
    )
    digits = {"similarity_threshold": 4, "fmr_realised": 6, "fnmr": 4, "false_matches": 1}
    caption = "Similarity threshold to set in the recogniser at each FMR"
    return Table(thresholds, caption, digits=digits, notes=notes, hidden=hidden)


def percentile_table(points: pd.DataFrame, sign: Mapping[str, int], hidden: list[str]) -> Table:
    """Return the table of `evaluation.operating_points.operating_points` at percentiles. sign: of each method."""
    return _table(points, "Operating points: images below a percentile of the scores are rejected", sign, hidden)


def target_table(points: pd.DataFrame, sign: Mapping[str, int], hidden: list[str]) -> Table:
    """Return the same for target FNMRs; no threshold means that none reaches the target."""
    caption = "Operating points for a target FNMR: the lowest rejection threshold that reaches it"
    notes = (
        "For a target, reliable also requires ten expected non-matches among the remaining pairs. There is no "
        "threshold if none reaches the target with at least 1/target genuine pairs left. The thresholds were chosen on "
        "these pairs, so expect a somewhat larger FNMR on others."
    )
    return _table(points, caption, sign, hidden, notes)


def on_own_scale(points: pd.DataFrame, sign: Mapping[str, int]) -> pd.DataFrame:
    """Return points with the column method instead of key, thresholds on the scale of the method's own scores."""
    points = points.rename(columns={"key": "method"})
    return points.assign(rejection_threshold=points["rejection_threshold"] * points["method"].map(sign))


def decimals(points: pd.DataFrame) -> int:
    """Return enough decimals to tell the thresholds of each method apart: scores may be of any size."""
    spread = points.groupby("method")["rejection_threshold"].agg(np.ptp)
    spread = spread[spread > 0].min()
    return max(0, 3 - math.floor(math.log10(spread))) if spread > 0 else 4


def _table(points: pd.DataFrame, caption: str, sign: Mapping[str, int], hidden: list[str], notes: str = "") -> Table:
    points = on_own_scale(points, sign)
    digits = _DIGITS | {"rejection_threshold": decimals(points)}
    notes = f"{_NOTES} {notes}".strip()
    return Table(
        points, caption, digits=digits, notes=notes, hidden=[*hidden, "similarity_threshold"], intervals=["fnmr"]
    )
