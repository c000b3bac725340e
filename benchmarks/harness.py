"""Ratios of two ways to do the same work, taken in turns in one process: machines are noisy, and differ."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    value: how many times as fast as `against` (wanted "≥ …"), or how many times as dear (wanted "≤ …").
    low, high: smallest and largest ratio of one turn.
    details: what else was measured, with units.
    """

    work: str
    against: str
    value: float
    low: float
    high: float
    wanted: str = ""
    details: dict[str, object] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """Whether the value is as wanted; None where nothing is asked for."""
        if not self.wanted:
            return None
        sign, bound = self.wanted.split()
        return self.value >= float(bound) if sign == "≥" else self.value <= float(bound)


def in_turns(*ways: Callable[[], object], turns: int = 3) -> np.ndarray:
    """Seconds of each way in each turn, turns × ways; a first turn is not counted."""
    seconds = np.array([[seconds_of(way) for way in ways] for _ in range(turns + 1)])
    return seconds[1:]


def faster(work: str, against: str, way: Callable, reference: Callable, wanted: str = "", turns: int = 3, **details):
    """How many times as fast `way` is as `reference`: the median over turns of the ratio of their times."""
    seconds = in_turns(way, reference, turns=turns)
    return _figure(work, against, seconds[:, 1] / seconds[:, 0], wanted, seconds, details)


def dearer(work: str, against: str, way: Callable, reference: Callable, wanted: str = "", turns: int = 3, **details):
    """How many times as long `way` takes as `reference`: the median over turns of the ratio of their times."""
    seconds = in_turns(way, reference, turns=turns)
    return _figure(work, against, seconds[:, 0] / seconds[:, 1], wanted, seconds, details)


def _figure(work, against, ratios, wanted, seconds, details) -> Figure:
    took, reference = np.median(seconds, axis=0)
    details = {"seconds": round(took, 4), "seconds against": round(reference, 4), **details}
    return Figure(work, against, float(np.median(ratios)), float(ratios.min()), float(ratios.max()), wanted, details)


def seconds_of(way: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    way()
    return time.perf_counter() - start
