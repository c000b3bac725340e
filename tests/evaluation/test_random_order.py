"""The random-order baseline: what is drawn, and that it is drawn reproducibly."""

import numpy as np
import pytest

from prefiqs.errors import InputError
from prefiqs.evaluation.edc import error_discard_curve
from prefiqs.evaluation.random_order import random_order_areas

N_IMAGES = 40


@pytest.fixture
def comparisons():
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, N_IMAGES, (400, 2))
    genuine = rng.random(400) < 0.5
    return rng.normal(size=400) + genuine, genuine, pairs


def test_each_seed_draws_one_quality_an_image(comparisons):
    similarity, genuine, pairs = comparisons
    result = random_order_areas(similarity, genuine, pairs, N_IMAGES, seeds=[3, 8], fmr=0.05, threshold="fixed")
    areas = []
    for row, seed in zip(result.fnmr, [3, 8], strict=True):
        drawn = np.random.default_rng(seed).random(N_IMAGES)
        quality = [min(drawn[i], drawn[j]) for i, j in pairs]
        curve = error_discard_curve(similarity, genuine, quality, 0.05, threshold="fixed")
        np.testing.assert_array_equal(row, curve.fnmr)
        areas.append(curve.pauc(0.3))
    assert result.pauc.tolist() == areas
    assert areas[0] != areas[1]
    assert result.pauc_mean == pytest.approx((areas[0] + areas[1]) / 2)
    assert result.pauc_std == pytest.approx(abs(areas[0] - areas[1]) / 2)


def test_random_order_keeps_the_error_about_level(comparisons):
    similarity, genuine, pairs = comparisons
    result = random_order_areas(similarity, genuine, pairs, N_IMAGES, range(200), fmr=0.05, threshold="fixed")
    start = result.fnmr[0, 0]
    # Over 200 seeds the mean of the areas has a standard error of std / sqrt(200); four of them are allowed.
    assert result.pauc_mean == pytest.approx(0.3 * start, abs=4 * result.pauc_std / np.sqrt(200))


def test_band_holds_the_central_seeds(comparisons):
    result = random_order_areas(*comparisons, N_IMAGES, range(11), fmr=0.05)
    low, high = result.band(1.0)
    np.testing.assert_allclose(low, result.fnmr.min(axis=0))
    np.testing.assert_allclose(high, result.fnmr.max(axis=0))
    low, high = result.band(0.8)  # of eleven sorted values the second and the last but one
    np.testing.assert_allclose(low, np.sort(result.fnmr, axis=0)[1])
    np.testing.assert_allclose(high, np.sort(result.fnmr, axis=0)[-2])


def test_the_global_generator_plays_no_part(comparisons):
    curves = []
    for global_seed in (1, 2):
        np.random.seed(global_seed)
        before = np.random.get_state()[1].tolist()
        curves.append(random_order_areas(*comparisons, N_IMAGES, [0], fmr=0.05).fnmr)
        assert np.random.get_state()[1].tolist() == before
    np.testing.assert_array_equal(*curves)


def test_no_seed(comparisons):
    with pytest.raises(InputError, match="seeds: expected at least one"):
        random_order_areas(*comparisons, N_IMAGES, [])
