"""Thresholds and error rates against hand-worked cases and the definition."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefiqs.errors import InputError
from prefiqs.evaluation.error_rates import fnmr_at_fmr, threshold_at_fmr


@pytest.mark.parametrize(
    ("n", "fmr", "rule", "false_matches"),
    [
        (1000, 1e-3, "nearest", 1),
        (1000, 1e-3, "conservative", 1),
        (999, 1e-3, "nearest", 1),
        (999, 1e-3, "conservative", 0),
        (500, 1e-3, "nearest", 1),  # 0.5 wanted: 0 and 1 are equally near, the lenient one is taken
        (499, 1e-3, "nearest", 0),
        (500, 1e-3, "conservative", 0),
        (3000, 1e-3, "nearest", 3),
        (3000, 1e-4, "nearest", 0),
        (100, 0.29, "conservative", 29),  # 0.29 * 100 is 28.999... in floats
        (4, 0.99, "nearest", 3),  # a threshold at an impostor never matches all of them
    ],
)
def test_false_matches_among_distinct_impostors(n, fmr, rule, false_matches):
    threshold = threshold_at_fmr(np.arange(n), fmr, rule)
    assert threshold == n - 1 - false_matches


def test_tied_impostors_match_together():
    # Above 5: none. Above 3: two of five. Above 1: four. 0.3 * 5 = 1.5 is nearer to 2 than to 0.
    tied = np.array([1, 3, 3, 5, 5])
    assert threshold_at_fmr(tied, 0.3, "nearest") == 3
    assert threshold_at_fmr(tied, 0.3, "conservative") == 5
    assert threshold_at_fmr(tied, 0.2, "nearest") == 3  # 1 lies midway between 0 and 2: lenient
    assert threshold_at_fmr(tied, 0.1, "nearest") == 5


def test_no_impostor_has_no_threshold():
    assert math.isnan(threshold_at_fmr(np.array([]), 0.1))


@given(
    impostors=st.lists(st.integers(-9, 9), min_size=1, max_size=60),
    percent=st.integers(1, 99),
    level=st.integers(-10, 10),
)
def test_no_threshold_does_better(impostors, percent, level):
    """Conservative: none at or below the target is higher. Nearest: none below FMR 1 is nearer."""

    def rate(threshold):
        return Fraction(sum(s > threshold for s in impostors), len(impostors))

    target = Fraction(percent, 100)
    ascending = np.sort(impostors)
    conservative = rate(threshold_at_fmr(ascending, percent / 100, "conservative"))
    nearest = rate(threshold_at_fmr(ascending, percent / 100, "nearest"))
    assert conservative <= target
    if rate(level) <= target:
        assert rate(level) <= conservative
    if rate(level) < 1:
        assert abs(nearest - target) <= abs(rate(level) - target)


def test_a_pair_at_the_threshold_matches_for_neither_rate():
    # Impostors 4 3 2 1, one false match wanted, so the threshold is 3; the genuine pair at 3 is rejected, 3.5 accepted.
    similarity = [1, 2, 3, 4, 3, 3.5, 9, 9]
    genuine = [0, 0, 0, 0, 1, 1, 1, 1]
    assert fnmr_at_fmr(similarity, genuine, 0.25) == 0.25


def test_fnmr_does_not_depend_on_pair_order():
    rng = np.random.default_rng(0)
    similarity, genuine = rng.integers(0, 20, 200), rng.random(200) < 0.5
    shuffled = rng.permutation(200)
    expected = fnmr_at_fmr(similarity, genuine, 0.1)
    assert 0 < expected < 1
    assert fnmr_at_fmr(similarity[shuffled], genuine[shuffled], 0.1) == expected


def test_fnmr_is_undefined_without_both_kinds():
    assert math.isnan(fnmr_at_fmr([1, 2], [True, True], 0.1))
    assert math.isnan(fnmr_at_fmr([1, 2], [False, False], 0.1))


@pytest.mark.parametrize("fmr", [0, 1, -1, math.nan])
def test_target_outside_the_open_interval(fmr):
    with pytest.raises(InputError, match="The target FMR must be above 0 and below 1"):
        threshold_at_fmr(np.arange(3), fmr)


def test_unknown_rule():
    with pytest.raises(InputError, match="Unknown rule 'best'; choose one of nearest, conservative"):
        fnmr_at_fmr([1, 2], [True, False], 0.1, "best")
