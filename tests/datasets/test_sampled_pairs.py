"""Sampled impostor pairs without forming all pairs; people known by pairs only."""

from math import comb

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from prefiqs.datasets.pairs import cross_source_pairs, people_of

subjects_of_images = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=14).map(np.array)


def as_set(pairs):
    return {(int(a), int(b)) for a, b in pairs}


@given(subjects_of_images, st.integers(0, 40), st.integers(0, 5))
def test_all_genuine_and_as_many_impostor_pairs_as_wanted(subjects, impostors, seed):
    pairs, genuine = cross_source_pairs(subjects, np.arange(len(subjects)), impostors, seed)
    n = len(subjects)
    everything = {(a, b) for a in range(n) for b in range(a + 1, n)}
    same = {(a, b) for a, b in everything if subjects[a] == subjects[b]}
    assert as_set(pairs[genuine]) == same
    assert as_set(pairs[~genuine]) <= everything - same
    assert len(as_set(pairs)) == len(pairs) == len(same) + min(impostors, len(everything - same))
    assert (pairs.dtype, genuine.dtype) == (np.int32, bool)


def test_every_impostor_pair_is_drawn_equally_often_and_in_mixed_order():
    subjects = np.array(list("abacabd"))
    total = comb(7, 2) - comb(3, 2) - comb(2, 2)
    drawn: dict[tuple[int, int], int] = {}
    first_is_genuine = 0
    for seed in range(2000):
        pairs, genuine = cross_source_pairs(subjects, np.arange(7), 5, seed)
        first_is_genuine += int(genuine[0])
        for pair in as_set(pairs[~genuine]):
            drawn[pair] = drawn.get(pair, 0) + 1
    assert len(drawn) == total
    expected = 2000 * 5 / total
    assert max(abs(count - expected) for count in drawn.values()) < 5 * expected**0.5
    assert abs(first_is_genuine / 2000 - 4 / 9) < 0.06


def test_a_data_set_of_adiences_size_needs_little():
    """19,370 faces have 187 million pairs, which would take 1.5 GB."""
    subjects = np.random.default_rng(0).integers(0, 2284, 19_370)
    pairs, genuine = cross_source_pairs(subjects, np.arange(len(subjects)), 100_000, seed=0)
    assert genuine.sum() == sum(comb(int(c), 2) for c in np.bincount(subjects))
    assert (~genuine).sum() == 100_000
    assert ((subjects[pairs[:, 0]] == subjects[pairs[:, 1]]) == genuine).all()
    assert len(np.unique(pairs @ np.array([20_000, 1]))) == len(pairs)


def test_people_are_chains_of_genuine_pairs():
    names = list("uvwxyz")
    assert people_of(names, np.array([[0, 3], [5, 3], [1, 2]])) == ["u", "v", "v", "u", "y", "u"]
    assert people_of(names[:2], np.empty((0, 2), np.int32)) == ["u", "v"]
