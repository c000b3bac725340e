"""Pair quality, cosine similarity and squared distance against loops over single pairs."""

import math

import numpy as np
import pytest

from prefiqs.errors import InputError
from prefiqs.evaluation.pairs import cosine_similarity, pair_quality, squared_distance

# At 0, 60, 90 and 180 degrees, of lengths 1, 2, 3 and 0.5.
COMPASS = np.array([[1, 0], [1, math.sqrt(3)], [0, 3], [-0.5, 0]])


def test_pair_quality_is_the_smaller_one():
    assert pair_quality([0.5, -1.0, 3.0], [[0, 1], [2, 0], [2, 2]]).tolist() == [-1.0, 0.5, 3.0]


def test_cosine_and_distance_by_hand():
    pairs = [[0, 0], [0, 1], [0, 2], [0, 3], [2, 1]]
    np.testing.assert_allclose(cosine_similarity(COMPASS, pairs), [1, 0.5, 0, -1, math.sqrt(0.75)], atol=1e-6)
    np.testing.assert_allclose(squared_distance(COMPASS, pairs), [0, 1, 2, 4, 2 - math.sqrt(3)], atol=1e-12)


def test_many_pairs_equal_one_at_a_time():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(50, 16)).astype(np.float32)
    pairs = rng.integers(0, 50, (1030, 2))  # several chunks and a remainder
    expected = [
        sum(float(a) * float(b) for a, b in zip(rows[i], rows[j], strict=True))
        / math.sqrt(sum(float(a) ** 2 for a in rows[i]) * sum(float(b) ** 2 for b in rows[j]))
        for i, j in pairs
    ]
    similarity = cosine_similarity(rows, pairs)
    assert similarity.dtype == np.float32
    np.testing.assert_allclose(similarity, expected, atol=1e-6)
    np.testing.assert_allclose(squared_distance(rows, pairs), 2 - 2 * np.array(expected), atol=1e-12)


def test_the_given_embeddings_are_left_as_they_were():
    rows = np.array([[3.0, 4.0], [1.0, 0.0]], np.float32)
    cosine_similarity(rows, [[0, 1]])
    assert rows.tolist() == [[3.0, 4.0], [1.0, 0.0]]


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([[0, 4]], "pairs has image indices from 0 to 4, but there are 4 images"),
        ([[-1, 0]], "pairs has image indices from -1 to 0, but there are 4 images"),
        ([0, 1], r"pairs must contain the two image indices .* not int64 \(2,\)"),
        ([[0.0, 1.0]], "pairs must contain the two image indices"),
    ],
)
def test_wrong_pairs(pairs, words):
    with pytest.raises(InputError, match=words):
        cosine_similarity(COMPASS, pairs)
    with pytest.raises(InputError, match=words):
        pair_quality(np.arange(4), pairs)


@pytest.mark.parametrize("row", [[0.0, 0.0], [math.nan, 1.0], [math.inf, 1.0]])
def test_an_embedding_without_direction(row):
    with pytest.raises(InputError, match=r"Row 1 of the embeddings is zero or not finite"):
        cosine_similarity(np.array([[1.0, 0.0], row]), [[0, 1]])


def test_embeddings_of_the_wrong_kind():
    with pytest.raises(
        InputError, match=r"embeddings must be floats, one row for each image, not float64 of shape \(3,\)"
    ):
        squared_distance(np.arange(3.0), [[0, 1]])
    with pytest.raises(InputError, match="not int64 of shape"):
        squared_distance(np.eye(2, dtype=np.int64), [[0, 1]])


def test_a_missing_score():
    with pytest.raises(InputError, match="scores has 1 NaN among 2"):
        pair_quality([math.nan, 1.0], [[0, 1]])
