"""Which images are compared: all pairs, sampled impostors, and balanced folds for the verification protocol."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.errors import InputError


def all_pairs(subjects: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return every pair of n images, int32 (P, 2) in ascending order, and bool (P,), whether the pair is genuine."""
    people = np.asarray(subjects)
    left, right = np.triu_indices(len(people), 1)
    return np.column_stack([left, right]).astype(np.int32), people[left] == people[right]


def cross_source_pairs(
    subjects: np.ndarray, sources: np.ndarray, impostors: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return all genuine pairs of distinct source images, and impostor pairs of such drawn without replacement.

    Two copies of one photo would match for the wrong reason, so they are never compared.

    subjects, sources: person and source photo of each of n images; in place of the source any label that must differ
        within a pair, such as frontal and profile.
    impostors, seed: how many impostor pairs to draw (all of them if there are fewer); others are never in memory.

    Returns int32 (P, 2), left < right, in an order drawn by `seed`, so that pairs of equal quality are discarded
    without regard to their kind; bool (P,), whether the pair is genuine.
    """
    person, source = (np.unique(labels, return_inverse=True)[1] for labels in (subjects, sources))
    of_person = np.split(np.argsort(person, kind="stable"), np.cumsum(np.bincount(person))[:-1])
    genuine = np.concatenate([rows[np.column_stack(np.triu_indices(len(rows), 1))] for rows in of_person])
    genuine = genuine[source[genuine[:, 0]] != source[genuine[:, 1]]]
    genuine = genuine[np.lexsort(genuine.T[::-1])]

    def partners(i: int) -> np.ndarray:  # which of the images from i on, bool
        return (person[i:] != person[i]) & (source[i:] != source[i])

    # Impostor pairs are numbered in ascending order: some numbers are drawn, and only their pairs are formed.
    rng = np.random.default_rng(seed)
    ends = np.cumsum([0, *(np.count_nonzero(partners(i)) for i in range(len(person)))])
    numbers = rng.choice(int(ends[-1]), min(impostors, int(ends[-1])), replace=False)
    left = np.searchsorted(ends, numbers, side="right") - 1
    right = np.empty_like(left)
    for i, drawn in pd.Series(left).groupby(left).indices.items():
        right[drawn] = i + np.flatnonzero(partners(i))[numbers[drawn] - ends[i]]
    pairs = np.concatenate([genuine, np.column_stack([left, right])]).astype(np.int32)
    order = rng.permutation(len(pairs))
    return pairs[order], order < len(genuine)


def with_all_genuine_pairs(benchmark: Benchmark, across: str, impostors: int, seed: int) -> Benchmark:
    """Return a benchmark with all genuine pairs of its faces, and sampled impostor pairs, in place of its own pairs.

    across: the column of its index in which the faces of a pair differ: `source`, or `pose` of CFP-FP. Raises
    `InputError` if there is none, the benchmark compares templates, knows people by its pairs only, or is left without
    genuine or impostor pairs.
    """
    index, name = benchmark.index, benchmark.name
    if benchmark.people_inferred:
        raise InputError(f"{name} was read from files without people's names, so the genuine pairs among all its faces "
                         "are not known. Use its official files.")  # fmt: skip
    if benchmark.templates is not None or across not in index:
        lacks = "compares templates, not faces" if benchmark.templates is not None else f"has no column {across!r}"
        raise InputError(f"{name} {lacks}, so it cannot have the pair set that `benchmarks.pair_sets` asks for.")
    pairs, genuine = cross_source_pairs(benchmark.subjects, index[across].to_numpy(), impostors, seed)
    if genuine.all() or not genuine.any():
        raise InputError(f"{name} has no {'impostor' if genuine.any() else 'genuine'} pairs across {across!r}.")
    return replace(benchmark, pairs=pairs, genuine=genuine, folds=None)


def linked(count: int, pairs: np.ndarray) -> np.ndarray:
    """Return for each of `count` things the first of those that a chain of pairs connects with it, (count,)."""
    links = coo_array((np.ones(len(pairs), bool), pairs.T), shape=(count, count))
    _, group = connected_components(links, directed=False)
    return np.unique(group, return_index=True)[1][group]


def people_of(names: Sequence[str], genuine_pairs: np.ndarray) -> list[str]:
    """Return who is shown in n images of a data set that lists pairs only: the images that genuine pairs connect.

    Such a person is called by the name of the first image. Images of one person that no chain of pairs connects count
    as different people.
    """
    return [names[first] for first in linked(len(names), genuine_pairs)]


def consecutive_folds(pairs: int, folds: int) -> np.ndarray:
    """Return the folds, int8 (P,), as equal runs of a list of pairs; the first ones are longer by one if need be."""
    return np.repeat(np.arange(folds, dtype=np.int8), np.arange(pairs + folds - 1, pairs - 1, -1) // folds)


def with_folds(benchmark: Benchmark, folds: int, per_fold: int, seed: int) -> Benchmark:
    """Assign the pairs of a benchmark to folds as in view 2 of LFW: as many genuine as impostor pairs, nobody in two.

    People are dealt into `folds` groups; each fold takes equally many genuine and impostor pairs within its group, at
    most `per_fold` of each, drawn by `seed`. The fold of all other pairs is −1. Raises `InputError` for fewer than two
    people a fold.
    """
    subjects, genuine = benchmark.subjects, benchmark.genuine
    people = np.unique(subjects)
    if len(people) < 2 * folds:
        raise InputError(f"{folds} folds need at least {2 * folds} people, two per fold; there are {len(people)}; use "
                         "fewer folds.")  # fmt: skip
    rng = np.random.default_rng(seed)
    group = dict(zip(rng.permutation(people), np.arange(len(people)) % folds, strict=True))
    left, right = np.array([group[subject] for subject in subjects])[benchmark.pairs].T
    assigned = np.full(len(genuine), -1, np.int8)
    for fold in range(folds):
        inside = (left == fold) & (right == fold)
        kinds = [np.flatnonzero(inside & genuine), np.flatnonzero(inside & ~genuine)]
        count = min(per_fold, *(len(kind) for kind in kinds))
        for kind in kinds:
            assigned[rng.choice(kind, count, replace=False)] = fold
    return replace(benchmark, folds=assigned)
