"""Areas under a curve, worked by hand."""

import math

import numpy as np
import pytest

from prefiqs.errors import InputError
from prefiqs.evaluation.curve import Curve


def curve(discard, fnmr):
    steps = len(discard)
    nothing = np.zeros(steps)
    counts = np.ones(steps, int)
    return Curve(np.array(discard), np.array(fnmr), nothing, nothing, counts, counts, counts > 0, 1e-3)


BENT = curve([0.0, 0.1, 0.2, 0.3, 0.95], [0.5, 0.25, 0.125, 0.0, 0.0])


def test_pauc_is_the_sum_of_trapezoids_not_divided_by_the_limit():
    assert BENT.pauc() == pytest.approx(0.1 * (0.375 + 0.1875 + 0.0625))
    assert BENT.pauc(0.1) == pytest.approx(0.0375)


def test_pauc_interpolates_to_a_limit_between_grid_points():
    # At 0.15 the line from .25 to .125 stands at .1875.
    assert BENT.pauc(0.15) == pytest.approx(0.0375 + 0.05 * (0.25 + 0.1875) / 2)


def test_auc_covers_the_whole_grid():
    line = curve([0.0, 0.5, 0.95], [1.0, 0.5, 0.05])
    assert line.auc() == pytest.approx((1 + 0.05) / 2 * 0.95)
    assert line.pauc(0.3) == pytest.approx((1 + 0.7) / 2 * 0.3)


def test_a_missing_point_matters_only_inside_the_limit():
    holed = curve([0.0, 0.3, 0.6], [0.2, 0.2, math.nan])
    assert holed.pauc(0.3) == pytest.approx(0.06)
    assert math.isnan(holed.pauc(0.4))
    assert math.isnan(holed.auc())


@pytest.mark.parametrize("limit", [0, -0.1, 0.96])
def test_the_limit_must_lie_on_the_curve(limit):
    with pytest.raises(InputError, match="so it has no area from 0 to"):
        BENT.pauc(limit)


def test_an_area_needs_a_curve_from_zero():
    with pytest.raises(InputError, match="from discard fraction 0.1 to 0.3"):
        curve([0.1, 0.3], [0.5, 0.5]).pauc(0.3)
