"""Which images are compared: counts by combinatorics, and what must never be in a pair or in two folds."""

import tracemalloc
from dataclasses import replace
from math import comb

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from prefiqs.datasets.benchmark import Benchmark, Templates, load_benchmark, save_benchmark
from prefiqs.datasets.cross_quality import build_cross_quality
from prefiqs.datasets.pairs import all_pairs, cross_source_pairs, with_all_genuine_pairs, with_folds
from prefiqs.datasets.source import face_index
from prefiqs.errors import InputError


def people(counts: list[int]) -> np.ndarray:
    return np.repeat([f"s{i}" for i in range(len(counts))], counts)


def as_set(pairs: np.ndarray) -> set[tuple[int, int]]:
    return {(int(a), int(b)) for a, b in pairs}


counts_of_people = st.lists(st.integers(1, 5), min_size=1, max_size=6)


@given(counts_of_people)
def test_all_pairs_are_all_pairs(counts):
    subjects = people(counts)
    pairs, genuine = all_pairs(subjects)
    n = len(subjects)
    assert as_set(pairs) == {(a, b) for a in range(n) for b in range(a + 1, n)}
    assert pairs.tolist() == sorted(pairs.tolist())
    assert len(pairs) == comb(n, 2)
    assert genuine.sum() == sum(comb(count, 2) for count in counts)
    assert genuine.tolist() == [bool(subjects[a] == subjects[b]) for a, b in pairs]
    assert (pairs.dtype, genuine.dtype) == (np.int32, bool)


@given(counts_of_people, st.integers(1, 4), st.integers(0, 200), st.integers(0, 5))
def test_cross_source_pairs(counts, copies, impostors, seed):
    """Every photo has some copies: copies of one photo are never compared, all other genuine pairs are."""
    subjects = np.repeat(people(counts), copies)
    sources = np.repeat([f"photo {i}" for i in range(sum(counts))], copies)
    pairs, genuine = cross_source_pairs(subjects, sources, impostors, seed)
    assert len(as_set(pairs)) == len(pairs)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert (sources[pairs[:, 0]] != sources[pairs[:, 1]]).all()
    np.testing.assert_array_equal(genuine, subjects[pairs[:, 0]] == subjects[pairs[:, 1]])
    assert genuine.sum() == sum(comb(count, 2) for count in counts) * copies**2
    there_are = (comb(sum(counts), 2) - sum(comb(count, 2) for count in counts)) * copies**2
    assert (~genuine).sum() == min(impostors, there_are)
    np.testing.assert_array_equal(pairs, cross_source_pairs(subjects, sources, impostors, seed)[0])


@given(counts_of_people, st.integers(1, 3), st.integers(0, 5))
def test_cross_source_pairs_are_drawn_from_all_pairs_in_ascending_order(counts, copies, seed):
    """As if all pairs had been formed: committed results rest on these draws."""
    subjects = np.random.default_rng(seed).permutation(np.repeat(people(counts), copies))
    sources = np.random.default_rng(seed + 1).choice(["frontal", "profile", "other"], len(subjects)).astype(object)
    pairs, same = all_pairs(subjects)
    differ = sources[pairs[:, 0]] != sources[pairs[:, 1]]
    genuine, candidates = pairs[same & differ], np.flatnonzero(~same & differ)
    assume(len(candidates))
    rng = np.random.default_rng(seed)
    expected = np.concatenate([genuine, pairs[rng.choice(candidates, len(candidates) // 2, replace=False)]])
    order = rng.permutation(len(expected))
    found, is_genuine = cross_source_pairs(subjects, sources, len(candidates) // 2, seed)
    np.testing.assert_array_equal(found, expected[order])
    np.testing.assert_array_equal(is_genuine, order < len(genuine))


@pytest.mark.long
def test_pairs_of_a_large_set_fit_into_memory():
    """13,233 photos in 5 copies, as of LFW, have 2.2 billion pairs: 35 GB of indices if they were formed."""
    people_of_lfw = np.random.default_rng(0).integers(0, 5749, 13_233)
    subjects, sources = np.repeat(people_of_lfw, 5), np.repeat(np.arange(13_233), 5)
    tracemalloc.start()
    pairs, genuine = cross_source_pairs(subjects, sources, 100_000, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6
    assert (~genuine).sum() == 100_000
    assert genuine.sum() == 25 * sum(comb(int(count), 2) for count in np.bincount(people_of_lfw))
    assert ((subjects[pairs[:, 0]] == subjects[pairs[:, 1]]) == genuine).all()
    assert (sources[pairs[:, 0]] != sources[pairs[:, 1]]).all()


def test_impostors_are_drawn_by_seed_and_spread_over_all_people_and_places():
    subjects, sources = people([10] * 40), np.arange(400)
    (pairs, genuine), (other_pairs, other_genuine) = (cross_source_pairs(subjects, sources, 5000, s) for s in (1, 2))
    first, second = pairs[~genuine], other_pairs[~other_genuine]
    # Two draws of 5,000 from 78,000 share about 320.
    assert 200 < len(as_set(first) & as_set(second)) < 450
    met = np.bincount(first.ravel() // 10, minlength=40)
    assert met.min() > 250 - 5 * 250**0.5  # each of the people is in 250 of them on average
    # Genuine and impostor pairs are mixed, so that a tie in quality favours neither: 1800/6800 in every stretch.
    for stretch in np.array_split(genuine, 10):
        assert abs(stretch.mean() - 1800 / 6800) < 5 * (0.26 * 0.74 / len(stretch)) ** 0.5


def all_compared(subjects):
    names = [str(i) for i in range(len(subjects))]
    return Benchmark("x", np.empty(0), face_index(names, subjects), *all_pairs(subjects))


@pytest.mark.parametrize(("folds", "per_fold"), [(10, 1000), (10, 7), (4, 50), (20, 1000)])
def test_folds_are_balanced_and_share_no_person(folds, per_fold):
    subjects = people([10] * 40)
    pairs, genuine = all_pairs(subjects)
    assigned = with_folds(all_compared(subjects), folds, per_fold, seed=0).folds
    assert assigned.dtype == np.int8
    assert set(assigned) == {-1, *range(folds)}
    groups = []
    for fold in range(folds):
        inside = assigned == fold
        # 40/folds people a fold: 45 genuine pairs each, fewer than the impostor pairs among them unless there are two.
        available = min(45 * 40 // folds, comb(40 // folds, 2) * 100)
        assert (inside & genuine).sum() == (inside & ~genuine).sum() == min(per_fold, available)
        groups.append(set(subjects[pairs[inside].ravel()]))
    assert all(not a & b for i, a in enumerate(groups) for b in groups[:i])


def test_folds_are_drawn_by_seed():
    first, again, other = (with_folds(all_compared(people([5] * 20)), 5, 10, seed).folds for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_all_genuine_pairs_of_the_faces_of_a_benchmark():
    """Listed by hand: Ann has two frontal faces and two profiles, Bob three and one, Cy one frontal face."""
    subjects = np.array(["ann", "bob", "ann", "ann", "bob", "cy", "ann", "bob", "bob"])
    pose = list("ffppfffpf")
    benchmark = all_compared(subjects)
    benchmark = replace(benchmark, index=benchmark.index.assign(pose=pose), folds=np.zeros(36, np.int8))
    whole = with_all_genuine_pairs(benchmark, "source", 1000, seed=0)
    assert as_set(whole.pairs) == as_set(benchmark.pairs) and whole.folds is None
    assert whole.genuine.sum() == 2 * comb(4, 2)
    crossed = with_all_genuine_pairs(benchmark, "pose", 1000, seed=0)
    assert as_set(crossed.pairs[crossed.genuine]) == {(0, 2), (0, 3), (2, 6), (3, 6), (1, 7), (4, 7), (7, 8)}
    impostors = {(0, 7), (6, 7), (1, 2), (1, 3), (2, 4), (3, 4), (2, 8), (3, 8), (2, 5), (3, 5), (5, 7)}
    assert as_set(crossed.pairs[~crossed.genuine]) == impostors
    assert (crossed.pairs[:, 0] < crossed.pairs[:, 1]).all() and crossed.pairs.dtype == np.int32
    few = [with_all_genuine_pairs(benchmark, "pose", 5, seed) for seed in (0, 0, 1)]
    assert (~few[0].genuine).sum() == 5 and as_set(few[0].pairs) < as_set(crossed.pairs)
    assert np.array_equal(few[0].pairs, few[1].pairs) and not np.array_equal(few[0].pairs, few[2].pairs)


def test_a_pair_set_needs_its_column_and_single_images():
    benchmark = all_compared(people([2, 2]))
    with pytest.raises(InputError, match="x has no column 'pose', so it cannot have the pair set"):
        with_all_genuine_pairs(benchmark, "pose", 10, 0)
    templates = replace(benchmark, templates=Templates.of(np.array([1, 1, 2, 2]), np.zeros(4)))
    with pytest.raises(InputError, match="x compares templates, not faces, so"):
        with_all_genuine_pairs(templates, "source", 10, 0)


def test_whether_people_are_inferred_is_data_and_no_name(tmp_path):
    """A person may be called anything; the mark is kept on the disk and by degraded copies."""
    benchmark = all_compared(people([3, 3]))
    named = replace(benchmark, index=benchmark.index.assign(subject="?" + benchmark.index["subject"].astype(str)))
    assert not named.people_inferred and len(with_all_genuine_pairs(named, "source", 10, 0).pairs) == 15
    images = np.zeros((6, 112, 112, 3), np.uint8)
    inferred = replace(benchmark, images=images, index=benchmark.index.assign(inferred=True))
    save_benchmark(inferred, tmp_path)
    degraded = build_cross_quality("x-xq", load_benchmark("x", tmp_path), 2, {"jpeg": 98.0}, 20, 0)
    for one in (inferred, load_benchmark("x", tmp_path), degraded):
        with pytest.raises(InputError, match="was read from files without people's names"):
            with_all_genuine_pairs(one, "source", 10, 0)


def test_too_few_people_for_the_folds():
    with pytest.raises(InputError, match="10 folds need at least 20 people, two per fold; there are 19"):
        with_folds(all_compared(people([5] * 19)), 10, 5, seed=0)
