"""Rows of embedding tables."""

import numpy as np

from prefiqs.embedding.vectors import normalise, rowwise_cosine


def test_normalise_by_hand():
    raw = np.array([[3, 4], [0, 0], [0, -2]], np.float32)
    np.testing.assert_allclose(normalise(raw), [[0.6, 0.8], [0, 0], [0, -1]], atol=1e-7)
    assert normalise(raw).dtype == np.float32


def test_cosine_similarity_by_hand():
    a = np.array([[2, 0], [0, 3], [0, 0], [-1, -1]], np.float32)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(rowwise_cosine(np.array([[1, 1]], np.float32), a), [half, half, 0, -1], atol=1e-12)
    np.testing.assert_allclose(rowwise_cosine(a, a), [1, 1, 0, 1], atol=1e-12)
