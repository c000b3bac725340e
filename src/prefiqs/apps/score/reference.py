"""How a score ranks among those of a stated reference set, for the settings that `percentiles.csv` holds."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

REFERENCE = "the 7,701 photos in the official pairs of LFW"
FILE = Path(__file__).parent / "percentiles.csv"
"""One line per setting: the setting as `describe` gives it for photos, and the percentiles 0 … 100 of its scores."""


def percentile_of(settings: str) -> Callable[[float], float | None]:
    """From a score to the share (%, in [0, 100]) of reference faces that score lower; None if settings are unknown."""
    with FILE.open(encoding="utf-8", newline="") as file:
        known = {setting: np.array(scores, float) for setting, *scores in csv.reader(file)}
    if settings not in known:
        return lambda score: None
    return lambda score: round(float(np.interp(score, known[settings], np.arange(101))), 1)
