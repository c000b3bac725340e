"""Which measure is best, on curves whose resamples are made by hand."""

import numpy as np
import pytest

from prefiqs.evaluation.bootstrap import BootstrapCurves
from prefiqs.evaluation.curve import Curve
from prefiqs.evaluation.verdict import verdict

GRID = np.array([0, 0.1, 0.2])


def flat(fnmr, start):
    """A curve that begins at `start` and stays at `fnmr`."""
    values = np.array([start, fnmr, fnmr])
    return Curve(GRID, values, *(np.zeros(3) for _ in range(4)), np.ones(3, bool), 0.01)


def drawn(**levels):
    """Of each measure: the FNMR, and its values in the resamples; the FNMR with nothing discarded is 0.5."""
    curves = {key: flat(level, 0.5) for key, (level, _) in levels.items()}
    fnmr = {key: np.array([[0.5, value, value] for value in values]) for key, (_, values) in levels.items()}
    return BootstrapCurves(curves, fnmr, "people")


def test_best_ties_and_the_recommended_one():
    rng = np.random.default_rng(0)
    common = 0.1 * rng.random(400)  # resamples differ by more than the measures do: only pairs of areas tell
    judged = verdict(
        drawn(
            dear=(0.201, 0.201 + common + 0.02 * (rng.random(400) - 0.5)),
            cheap=(0.2, 0.2 + common),
            behind=(0.23, 0.23 + common),
            useless=(0.6, 0.6 + common),
        ),
        limit=0.2,
    )
    assert judged.best == "cheap" and list(judged.behind) == ["dear", "behind", "useless"]
    assert judged.tied == ["dear"] and judged.behind["dear"].low == 0 < judged.behind["behind"].low
    assert judged.useful == ["dear", "cheap", "behind"]


def test_the_first_of_those_that_cannot_be_told_apart():
    either = np.array([-0.05, 0.05] * 50)
    judged = verdict(drawn(first=(0.21, 0.2 - either), second=(0.2, 0.2 + either), third=(0.4, [0.4] * 100)), limit=0.2)
    assert (judged.best, judged.tied, judged.recommended) == ("second", ["first"], "first")
    assert judged.behind["first"].estimate == pytest.approx(0.01 * 0.15)


def test_ties_allow_for_the_choice_of_the_best():
    """Twelve equally good measures and a bad one: by intervals of single differences, three of the twelve are worse.

    By those that hold at once, only the bad one is.
    """
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 0.01, (13, 400))
    levels = [*(0.3 + rng.normal(0, 0.01, 12)), 0.5]
    curves = drawn(**{f"m{i}": (level, level + noise[i]) for i, level in enumerate(levels)})
    judged = verdict(curves, limit=0.2)
    naive = [key for key in judged.behind if curves.difference(key, judged.best, 0.2).low > 0]
    assert len(naive) == 4 and judged.tied == [key for key in judged.behind if key != "m12"]


def test_a_tie_that_does_not_beat_random_order_is_not_recommended():
    wide = np.array([0.0, 0.6] * 50)
    judged = verdict(drawn(poor=(0.3, wide), best=(0.2, [0.2] * 100)), limit=0.2)
    assert (judged.best, judged.tied, judged.useful, judged.recommended) == ("best", ["poor"], ["best"], "best")
    judged = verdict(drawn(poor=(0.3, wide), worse=(0.7, [0.7] * 100)), limit=0.2)
    assert (judged.best, judged.useful, judged.recommended) == ("poor", [], None)


def test_random_order_is_the_fnmr_with_nothing_discarded_times_the_width():
    judged = verdict(drawn(m=(0.2, [0.1, 0.3])), limit=0.2)
    assert judged.gain["m"].estimate == pytest.approx(0.1 * (0.5 + 0.2) / 2 + 0.1 * 0.2 - 0.2 * 0.5)
    assert judged.behind == {} and judged.recommended == "m"


def test_measures_without_an_area_are_left_out():
    judged = verdict(drawn(none=(np.nan, [np.nan] * 9), some=(0.2, [0.2] * 9)), limit=0.2)
    assert (judged.best, judged.behind, judged.recommended) == ("some", {}, "some")
    judged = verdict(drawn(none=(np.nan, [np.nan] * 9)), limit=0.2)
    assert (judged.best, judged.gain, judged.recommended) == (None, {}, None)
