"""Operating points of a user's methods: at percentiles of their scores, and for a wanted FNMR."""

from collections.abc import Mapping
from decimal import ROUND_FLOOR, Context
from typing import Any

import numpy as np
import pandas as pd

from prefiqs.reporting.tables import Table

PERCENTILES = (0, 1, 2, 5, 10, 20, 30, 50)
_DIGITS = {"images_rejected": 3, "pairs_rejected": 3, "fnmr": 4}
_NOTES = (
    "threshold: rejection threshold on the method's own scale, with as many digits as needed to reject the same "
    "images. Images below it (above it, if lower is better) are rejected, with all of their pairs; images without a "
    "score are always rejected. fnmr: of the remaining pairs, at the similarity threshold, which is fixed at the FMR "
    "with nothing rejected; in brackets, its 95 % interval over people at fixed thresholds. reliable: at least ten "
    "false matches are expected at the FMR."
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
    """Return the table of `evaluation.operating_points.operating_points` at percentiles, with `printed_thresholds`.

    sign: of each method.
    """
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


def printed_thresholds(
    points: pd.DataFrame, scores: Mapping[Any, np.ndarray], sign: Mapping[str, int]
) -> list[str | None]:
    """Return the rejection threshold of each point on the scale of the method's own scores; None where there is none.

    scores: by key, higher = better. Four significant digits, or as many more as it takes to reject the same images,
    rounded to the side on which images are accepted.
    """
    levels = zip(points["key"], points["rejection_threshold"], strict=True)
    return [None if np.isnan(level) else _printed(level, scores[key], sign[key]) for key, level in levels]


def _printed(level: float, scores: np.ndarray, sign: int) -> str:
    rejected = scores[scores < level].max(initial=-np.inf)
    for digits in range(4, 17):
        rounded = float(Context(digits, ROUND_FLOOR).create_decimal_from_float(level))
        text = f"{sign * rounded + 0.0:.{digits}g}"  # never -0
        if rejected < sign * float(text) <= level:
            break
    else:
        text = repr(sign * level)
    return text.replace("-", "−")


def _table(points: pd.DataFrame, caption: str, sign: Mapping[str, int], hidden: list[str], notes: str = "") -> Table:
    points = on_own_scale(points, sign)
    notes = f"{_NOTES} {notes}".strip()
    hidden = [*hidden, "similarity_threshold", "rejection_threshold"]
    return Table(points, caption, {}, _DIGITS, notes, hidden=hidden, not_in_csv=["threshold"], intervals=["fnmr"])
