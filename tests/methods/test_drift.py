"""Drift and quality by hand and by the identity D² = 2 − 2 cos (PreFIQs, eq. 4 to 7)."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from small_networks import unit_rows

import prefiqs
from prefiqs.errors import InputError

# Rows that can be normalised: no entry so small that its square is lost.
entries = st.floats(-5, 5).map(lambda x: round(x, 3) or 0.001)
pairs_of_tables = array_shapes(min_dims=2, max_dims=2, max_side=8).flatmap(
    lambda shape: st.tuples(arrays(np.float64, shape, elements=entries), arrays(np.float64, shape, elements=entries))
)


def test_drift_by_hand():
    e = np.array([[1, 0]] * 6)
    half, third = math.sqrt(0.5), math.sqrt(0.75)
    pruned = np.array([[1, 0], [-1, 0], [0, 1], [0.5, third], [half, -half], [0, 0]])
    d = prefiqs.drift(e, pruned)
    # The same, opposite, at 90, 60 and -45 degrees; and a silenced network, at distance 1 from everything.
    np.testing.assert_allclose(d, [0, 2, math.sqrt(2), 1, 2 * math.sin(math.pi / 8), 1], atol=1e-6)
    assert d.dtype == np.float32


@given(pairs_of_tables)
def test_drift_squared_is_two_minus_twice_the_cosine(tables):
    e, pruned = (unit_rows(table) for table in tables)
    d = prefiqs.drift(e, pruned)
    cosine = np.array([sum(x * y for x, y in zip(a, b, strict=True)) for a, b in zip(e, pruned, strict=True)])
    assert ((d >= 0) & (d <= 2)).all()
    np.testing.assert_allclose(d.astype(float) ** 2, 2 - 2 * cosine, atol=1e-6)
    np.testing.assert_array_equal(prefiqs.drift(pruned, e), d)
    assert not prefiqs.drift(e, e).any()


def test_drift_of_opposite_float32_rows_stays_at_two():
    rows = unit_rows(np.random.default_rng(0).normal(size=(500, 128))).astype(np.float32)
    d = prefiqs.drift(rows, -rows)
    assert d.max() <= 2
    assert d.min() > 1.999999


def test_small_drift_keeps_its_digits():
    """At ratio 0.1 drift is about 0.01: from the cosine in float32 it would have two digits, not five."""
    angles = np.array([1e-2, 1e-3, 1e-4])
    e, pruned = np.tile([1.0, 0.0], (3, 1)), np.column_stack([np.cos(angles), np.sin(angles)])
    np.testing.assert_allclose(prefiqs.drift(e, pruned), 2 * np.sin(angles / 2), rtol=1e-6)


def test_quality_by_hand():
    assert prefiqs.quality_from_drift([0, 0.5, 1, 2]).tolist() == [1, 0.75, 0.5, 0]


@given(st.lists(st.floats(0, 2), min_size=2, max_size=20))
def test_more_drift_never_means_more_quality(drifts):
    quality = prefiqs.quality_from_drift(np.sort(drifts))
    assert (np.diff(quality) <= 0).all()
    assert ((quality >= 0) & (quality <= 1)).all()


def test_tables_of_different_shape():
    for other in (np.eye(3)[:2], np.eye(4)[:3], np.array([1.0, 0, 0])):
        with pytest.raises(InputError, match=r"arrays of embeddings must have the same shape n×d, not \(3, 3\) and"):
            prefiqs.drift(np.eye(3), other)
    with pytest.raises(InputError, match="must have the same shape n×d"):
        prefiqs.drift(np.ones(3), np.ones(3))


@pytest.mark.parametrize("row", [[2.0, 0], [0.5, 0.5], [math.nan, 1], [math.inf, 0]])
def test_rows_that_are_not_normalised(row):
    good, bad = np.array([[1.0, 0], [0, 1]]), np.array([[1.0, 0], row])
    for tables in ((good, bad), (bad, good)):
        with pytest.raises(InputError, match="The embeddings must be L2-normalised, as those of prefiqs"):
            prefiqs.drift(*tables)
