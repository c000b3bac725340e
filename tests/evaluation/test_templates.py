"""Templates from images: pooling against a double loop in float64, and what does not depend on order."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefiqs.errors import InputError
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.edc import EdcProtocol
from prefiqs.evaluation.templates import pool_templates, template_quality


def loop_pooling(embeddings, rows, media):
    """Mean within each medium of a template, sum over its media, L2-normalised; everything in float64."""
    pooled = []
    for template in range(max(rows) + 1):
        total = np.zeros(embeddings.shape[1])
        for medium in {m for r, m in zip(rows, media, strict=True) if r == template}:
            images = [i for i in range(len(rows)) if rows[i] == template and media[i] == medium]
            mean = np.zeros(embeddings.shape[1])
            for i in images:
                mean += embeddings[i].astype(np.float64)
            total += mean / len(images)
        pooled.append(total / np.sqrt((total**2).sum()))
    return np.array(pooled)


@st.composite
def image_templates(draw):
    """One to six templates, each with at least one image, in any order; media numbers are used again and again."""
    n_templates = draw(st.integers(1, 6))
    extra = draw(st.lists(st.integers(0, n_templates - 1), max_size=20))
    rows = draw(st.permutations([*range(n_templates), *extra]))
    media = draw(st.lists(st.integers(-1, 3), min_size=len(rows), max_size=len(rows)))
    return SimpleNamespace(rows=np.array(rows, np.int32), media=np.array(media, np.int32))


def reader(templates, seed=0, d=5):
    """Raw embeddings of very different lengths, all in one half space, so that no sum is near zero."""
    rng = np.random.default_rng(seed)
    n = len(templates.rows)
    return ((1 + rng.random((n, d))) * rng.uniform(0.1, 30, (n, 1))).astype(np.float32)


@given(image_templates(), st.integers(0, 9))
def test_pooling_equals_the_double_loop(templates, seed):
    embeddings = reader(templates, seed)
    pooled = pool_templates(embeddings, templates)
    expected = loop_pooling(embeddings, templates.rows.tolist(), templates.media.tolist())
    assert pooled.dtype == np.float32
    np.testing.assert_allclose(pooled, expected, rtol=1e-5, atol=1e-6)


def test_pooling_by_hand():
    # One template: a video of two frames, mean (2, 0), and a photo (0, 1); the sum is (2, 1).
    templates = SimpleNamespace(rows=np.array([0, 0, 0]), media=np.array([7, 7, 8]))
    embeddings = np.float32([[1, 0], [3, 0], [0, 1]])
    np.testing.assert_allclose(pool_templates(embeddings, templates), [[2 / 5**0.5, 1 / 5**0.5]], rtol=1e-6)


@given(image_templates(), st.integers(0, 9))
def test_the_order_of_images_does_not_matter(templates, seed):
    embeddings = reader(templates)
    order = np.random.default_rng(seed).permutation(len(embeddings))
    moved = SimpleNamespace(rows=templates.rows[order], media=templates.media[order])
    np.testing.assert_allclose(
        pool_templates(embeddings[order], moved), pool_templates(embeddings, templates), rtol=1e-5
    )
    scores = np.random.default_rng(seed).normal(size=len(order))
    np.testing.assert_array_equal(template_quality(scores[order], moved), template_quality(scores, templates))


def test_lengths_count_and_medium_numbers_count_within_a_template_only():
    templates = SimpleNamespace(rows=np.array([0, 0, 1]), media=np.array([1, 2, 1]))
    long_first = np.float32([[9, 0], [0, 1], [0, 5]])
    np.testing.assert_allclose(pool_templates(long_first, templates)[0], np.array([9, 1]) / 82**0.5, rtol=1e-6)
    np.testing.assert_allclose(pool_templates(long_first, templates)[1], [0, 1])


def test_a_memory_map_will_do(tmp_path):
    templates = SimpleNamespace(rows=np.array([1, 0, 1]), media=np.array([1, 1, 2]))
    embeddings = reader(templates)
    np.save(tmp_path / "e.npy", embeddings)
    mapped = np.load(tmp_path / "e.npy", mmap_mode="r")
    np.testing.assert_array_equal(pool_templates(mapped, templates), pool_templates(embeddings, templates))


@given(image_templates(), st.integers(0, 9))
def test_a_template_is_as_good_as_its_worst_image(templates, seed):
    scores = np.random.default_rng(seed).integers(-3, 3, len(templates.rows)) / 2
    expected = [
        min(s for s, r in zip(scores, templates.rows, strict=True) if r == t) for t in range(1 + max(templates.rows))
    ]
    assert template_quality(scores, templates).tolist() == expected


def test_a_comparison_of_templates():
    rng = np.random.default_rng(4)
    rows = np.append(np.arange(30), rng.integers(0, 30, 50))
    templates = SimpleNamespace(rows=rows, media=rng.integers(0, 3, 80))
    embeddings, scores = rng.normal(size=(80, 6)).astype(np.float32), rng.random(80)
    listed, protocol = (rng.integers(0, 30, (400, 2)), rng.random(400) < 0.3), EdcProtocol((0.1,))
    of_templates = {"v": pool_templates(embeddings, templates)}
    comparison = Comparison(of_templates, *listed, {"m": scores}, templates)
    pooled = Comparison(of_templates, *listed, {"m": template_quality(scores, templates)})
    curve = comparison.curves(protocol)["v", "m", 0.1]
    assert curve.n_genuine[0] + curve.n_impostor[0] == 400
    np.testing.assert_array_equal(curve.fnmr, pooled.curves(protocol)["v", "m", 0.1].fnmr)
    # The random baseline draws for the images, and a template gets the smallest of its draws.
    chance = comparison.random_orders(protocol, 2)["v", 0.1]
    for seed in range(2):
        drawn = template_quality(np.random.default_rng(seed).random(80), templates)
        again = pooled.with_scores({"drawn": drawn}).curves(protocol)["v", "drawn", 0.1]
        np.testing.assert_array_equal(chance.fnmr[seed], again.fnmr)
    with pytest.raises(InputError, match="The embeddings of v must be those of the 30 templates, pooled"):
        Comparison({"v": embeddings}, *listed, {"m": scores}, templates)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": np.array([0, 0])}, "There are 3 images, but templates has 2 rows and 3 media"),
        ({"media": np.array([0])}, "There are 3 images, but templates has 3 rows and 1 media"),
        ({"rows": np.array([0, 2, 2])}, "Template 1 has no images"),
    ],
)
def test_templates_of_another_benchmark(change, message):
    templates = SimpleNamespace(**({"rows": np.array([0, 1, 1]), "media": np.array([0, 0, 1])} | change))
    with pytest.raises(InputError, match=message):
        pool_templates(np.ones((3, 2), np.float32), templates)


def test_embeddings_without_a_direction():
    templates = SimpleNamespace(rows=np.array([0, 1, 1]), media=np.array([0, 1, 2]))
    opposite = np.float32([[1, 0], [0, 1], [0, -1]])
    with pytest.raises(InputError, match=r"sum of the embeddings of template 1 is zero or not finite"):
        pool_templates(opposite, templates)
    with pytest.raises(InputError, match="embeddings must be floats"):
        pool_templates(np.ones(3), templates)
    with pytest.raises(InputError, match="scores has 1 NaN"):
        template_quality([0, np.nan, 1], templates)
