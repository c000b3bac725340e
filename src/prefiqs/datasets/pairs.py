"""Which images are compared: all pairs, sampled impostors, and balanced folds for the verification protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.errors import InputError

INFERRED = "?"
"""How the names of people begin who are known by pairs only."""


def all_pairs(subjects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of n images: int32 P×2 in ascending order, and bool P, whether the pair is genuine."""
    left, right = np.triu_indices(len(subjects), 1)
    return np.column_stack([left, right]).astype(np.int32), subjects[left] == subjects[right]


def cross_source_pairs(
    subjects: np.ndarray, sources: np.ndarray, impostors: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """All genuine pairs of distinct source images, and impostor pairs drawn without replacement.

    Two copies of one photo would match for the wrong reason, so they are never compared.

    Args:
        subjects, sources: person and source photo of each of n images.
        impostors: how many impostor pairs to draw (all of them if there are fewer).
        seed: of the draw.

    Returns:
        int32 P×2 in an order drawn by `seed`, so that pairs of equal quality are discarded without regard to their
        kind; bool P, whether the pair is genuine.
    """
    pairs, same = all_pairs(subjects)
    genuine = pairs[same & (sources[pairs[:, 0]] != sources[pairs[:, 1]])]
    candidates = np.flatnonzero(~same)
    count = min(impostors, len(candidates))
    rng = np.random.default_rng(seed)
    impostor = pairs[rng.choice(candidates, count, replace=False)]
    order = rng.permutation(len(genuine) + count)
    return np.concatenate([genuine, impostor])[order], order < len(genuine)


def sampled_pairs(subjects: np.ndarray, impostors: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """All genuine pairs, and impostor pairs drawn without replacement; the other pairs are never held in memory.

    Args:
        subjects: person shown in each of n images.
        impostors: how many impostor pairs to draw (all of them if there are fewer).
        seed: of the draw.

    Returns:
        int32 P×2 (left < right) in an order drawn by `seed`; bool P, whether the pair is genuine.
    """
    by_person = np.argsort(subjects, kind="stable")
    _, person, sizes = np.unique(subjects, return_inverse=True, return_counts=True)
    n, end = len(subjects), np.cumsum(sizes)[person[by_person]]
    # With the images of a person side by side, image i has its genuine partners at i + 1 … end − 1, its impostors from
    # end on: a pair of either kind is a number, and its left image is found by how many pairs come before it.
    place = np.arange(n)
    rng = np.random.default_rng(seed)
    sides = []
    for start, partners, wanted in ((place + 1, end - place - 1, None), (end, n - end, impostors)):
        before = np.cumsum(partners) - partners
        total = int(partners.sum())
        numbers = np.arange(total) if wanted is None else rng.choice(total, min(wanted, total), replace=False)
        left = np.searchsorted(before + partners, numbers, side="right")
        sides.append(np.column_stack([left, start[left] + numbers - before[left]]))
    pairs = np.sort(by_person[np.concatenate(sides)], axis=1).astype(np.int32)
    order = rng.permutation(len(pairs))
    return pairs[order], order < len(sides[0])


def people_of(names: Sequence[str], genuine_pairs: np.ndarray) -> list[str]:
    """Who is shown in n images of a data set that says so of pairs only: the images that genuine pairs connect.

    Such a person is called `INFERRED` and the name of the first image. Images of one person that no chain of pairs
    connects count as different people, so these are too many people, never too few.
    """
    links = coo_array((np.ones(len(genuine_pairs), bool), genuine_pairs.T), shape=(len(names), len(names)))
    _, person = connected_components(links, directed=False)
    _, first = np.unique(person, return_index=True)
    return [f"{INFERRED}{names[i]}" for i in first[person]]


def consecutive_folds(pairs: int, folds: int) -> np.ndarray:
    """int8 P: folds as equal runs of a list of pairs, the first ones longer by one where they cannot be equal."""
    return np.repeat(np.arange(folds, dtype=np.int8), [len(run) for run in np.array_split(np.arange(pairs), folds)])


def with_folds(benchmark: Benchmark, folds: int, per_fold: int, seed: int) -> Benchmark:
    """A benchmark with the folds that `balanced_folds` assigns to its pairs."""
    assigned = balanced_folds(benchmark.pairs, benchmark.genuine, benchmark.subjects, folds, per_fold, seed)
    return replace(benchmark, folds=assigned)


def balanced_folds(
    pairs: np.ndarray, genuine: np.ndarray, subjects: np.ndarray, folds: int, per_fold: int, seed: int
) -> np.ndarray:
    """Assign pairs to the folds of a verification protocol after LFW's view 2: balanced, people in one fold only.

    People are dealt into `folds` groups; each fold takes equally many genuine and impostor pairs within its group, at
    most `per_fold` of each, drawn by `seed`.

    Returns:
        int8 P: the fold of each pair, −1 for pairs that are in none.

    Raises:
        InputError: fewer than two people a fold, so that a fold would have no impostor pairs.
    """
    people = np.unique(subjects)
    if len(people) < 2 * folds:
        raise InputError(f"Expected at least {2 * folds} people for {folds} folds, got {len(people)}; use fewer folds.")
    rng = np.random.default_rng(seed)
    group = dict(zip(rng.permutation(people), np.arange(len(people)) % folds, strict=True))
    of_image = np.array([group[s] for s in subjects])
    left, right = of_image[pairs[:, 0]], of_image[pairs[:, 1]]
    assigned = np.full(len(pairs), -1, np.int8)
    for fold in range(folds):
        inside = (left == fold) & (right == fold)
        kinds = [np.flatnonzero(inside & genuine), np.flatnonzero(inside & ~genuine)]
        count = min(per_fold, *(len(k) for k in kinds))
        for kind in kinds:
            assigned[rng.choice(kind, count, replace=False)] = fold
    return assigned
