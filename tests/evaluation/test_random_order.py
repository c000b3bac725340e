"""The random-order baseline: what is drawn, and that it is drawn reproducibly."""

import numpy as np
import pytest

from prefiqs.errors import InputError
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.edc import EdcProtocol, error_discard_curve
from prefiqs.evaluation.pairs import cosine_similarity
from prefiqs.evaluation.tables import random_curves_table

N_IMAGES = 40


@pytest.fixture
def comparisons():
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, N_IMAGES, (400, 2))
    return rng.normal(size=(N_IMAGES, 3)), pairs, rng.random(400) < 0.5


def random_order(embeddings, pairs, genuine, orders, threshold="recomputed"):
    comparison = Comparison({"v": embeddings}, pairs, genuine, {})
    return comparison.random_orders(EdcProtocol((0.05,), threshold), orders)["v", 0.05]


def test_each_seed_draws_one_quality_an_image(comparisons):
    embeddings, pairs, genuine = comparisons
    result = random_order(*comparisons, 2, "fixed")
    similarity, areas = cosine_similarity(embeddings, pairs), []
    for seed, row in enumerate(result.fnmr):
        drawn = np.random.default_rng(seed).random(N_IMAGES)
        quality = [min(drawn[i], drawn[j]) for i, j in pairs]
        curve = error_discard_curve(similarity, genuine, quality, 0.05, threshold="fixed")
        np.testing.assert_array_equal(row, curve.fnmr)
        areas.append(curve.pauc(0.3))
    assert result.pauc.tolist() == areas
    assert areas[0] != areas[1]
    assert result.pauc.mean() == pytest.approx((areas[0] + areas[1]) / 2)
    assert result.pauc.std() == pytest.approx(abs(areas[0] - areas[1]) / 2)


def test_random_order_keeps_the_error_about_level(comparisons):
    result = random_order(*comparisons, 200, "fixed")
    start = result.fnmr[0, 0]
    # Over 200 seeds the mean of the areas has a standard error of std / sqrt(200); four of them are allowed.
    assert result.pauc.mean() == pytest.approx(0.3 * start, abs=4 * result.pauc.std() / np.sqrt(200))


def test_table_has_mean_and_range_of_the_seeds(comparisons):
    result = random_order(*comparisons, 11)
    table = random_curves_table({("v", 0.01): result, ("w", 0.01): result})
    assert len(table) == 2 * len(result.discard)
    for _, of_verifier in table.groupby("verifier"):
        for (_, row), seeds in zip(of_verifier.iterrows(), result.fnmr.T.tolist(), strict=True):
            assert (row["low"], row["high"]) == (min(seeds), max(seeds))
            assert row["fnmr"] == pytest.approx(sum(seeds) / 11)


def test_the_global_generator_plays_no_part(comparisons):
    curves = []
    for global_seed in (1, 2):
        np.random.seed(global_seed)
        before = np.random.get_state()[1].tolist()
        curves.append(random_order(*comparisons, 1).fnmr)
        assert np.random.get_state()[1].tolist() == before
    np.testing.assert_array_equal(*curves)


def test_no_order(comparisons):
    with pytest.raises(InputError, match="At least one random order is needed"):
        random_order(*comparisons, 0)
