"""Which images are compared: all pairs, sampled impostors, and balanced folds for the verification protocol."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.errors import InputError

INFERRED = "?"
"""First character of the names of people who are known by pairs only."""


def all_pairs(subjects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return every pair of n images, int32 (P, 2) in ascending order, and bool (P,), whether the pair is genuine."""
    left, right = np.triu_indices(len(subjects), 1)
    return np.column_stack([left, right]).astype(np.int32), subjects[left] == subjects[right]


def cross_source_pairs(
    subjects: np.ndarray, sources: np.ndarray, impostors: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return all genuine pairs of distinct source images, and impostor pairs drawn without replacement.

    Two copies of one photo would match for the wrong reason, so they are never compared. The other pairs are never held
    in memory.

    Args:
        subjects, sources: person and source photo of each of n images.
        impostors: how many impostor pairs to draw (all of them if there are fewer).
        seed: of the draw.

    Returns:
        int32 (P, 2), left < right, in an order drawn by `seed`, so that pairs of equal quality are discarded without
        regard to their kind; bool (P,), whether the pair is genuine.
    """
    by_person, person, end = _by_person(subjects)
    n, place = len(subjects), np.argsort(by_person)
    genuine = by_person[_numbered_pairs(None, np.arange(1, n + 1), end - np.arange(1, n + 1))]
    genuine = genuine[sources[genuine[:, 0]] != sources[genuine[:, 1]]]
    genuine = genuine[np.lexsort(genuine.T[::-1])]
    # Impostor pairs are numbered in ascending order. Image i has later impostors at i + 1 … n − 1, without those of its
    # own person, so that a partner's position grows with the images of this person that come before it.
    partners = n - 1 - np.arange(n) - (end[place] - 1 - place)
    total, rng = int(partners.sum()), np.random.default_rng(seed)
    numbers = rng.choice(total, min(impostors, total), replace=False)
    left, nth = _numbered_pairs(numbers, np.zeros(n, np.int64), partners).T
    images_of_people, right = person[by_person] * n + by_person, left + 1 + nth
    while True:
        own = np.searchsorted(images_of_people, person[left] * n + right, side="right") - 1 - place[left]
        if (right == left + 1 + nth + own).all():
            break
        right = left + 1 + nth + own
    pairs = np.concatenate([genuine, np.column_stack([left, right])]).astype(np.int32)
    order = rng.permutation(len(pairs))
    return pairs[order], order < len(genuine)


def sampled_pairs(subjects: np.ndarray, impostors: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return all genuine pairs, and impostor pairs drawn without replacement; as `cross_source_pairs` otherwise."""
    by_person, _, end = _by_person(subjects)
    n, rng = len(subjects), np.random.default_rng(seed)
    following, total = np.arange(1, n + 1), int((n - end).sum())
    genuine = _numbered_pairs(None, following, end - following)
    impostor = _numbered_pairs(rng.choice(total, min(impostors, total), replace=False), end, n - end)
    pairs = np.sort(by_person[np.concatenate([genuine, impostor])], axis=1).astype(np.int32)
    order = rng.permutation(len(pairs))
    return pairs[order], order < len(genuine)


def _by_person(subjects: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the images, those of a person side by side; the person of each image; where each one's run ends."""
    by_person = np.argsort(subjects, kind="stable")
    _, person, sizes = np.unique(subjects, return_inverse=True, return_counts=True)
    return by_person, person, np.cumsum(sizes)[person[by_person]]


def _numbered_pairs(numbers: np.ndarray | None, start: np.ndarray, partners: np.ndarray) -> np.ndarray:
    """Return the pairs with these numbers (None = all), (k, 2), where i has partners[i] partners from start[i] on.

    Pairs are numbered by their left side, then by their right side: pairs need not be held in memory to draw some.
    """
    ends = np.cumsum(partners)
    numbers = np.arange(ends[-1]) if numbers is None else numbers
    left = np.searchsorted(ends, numbers, side="right")
    return np.column_stack([left, start[left] + numbers - (ends - partners)[left]])


def people_of(names: Sequence[str], genuine_pairs: np.ndarray) -> list[str]:
    """Return who is shown in n images of a data set that lists pairs only: the images that genuine pairs connect.

    Such a person is called `INFERRED` and the name of the first image. Images of one person that no chain of pairs
    connects count as different people, so these are too many people, never too few.
    """
    links = coo_array((np.ones(len(genuine_pairs), bool), genuine_pairs.T), shape=(len(names), len(names)))
    _, person = connected_components(links, directed=False)
    _, first = np.unique(person, return_index=True)
    return [f"{INFERRED}{names[i]}" for i in first[person]]


def consecutive_folds(pairs: int, folds: int) -> np.ndarray:
    """Return the folds, int8 (P,), as equal runs of a list of pairs; the first ones are longer by one if need be."""
    return np.repeat(np.arange(folds, dtype=np.int8), [len(run) for run in np.array_split(np.arange(pairs), folds)])


def with_folds(benchmark: Benchmark, folds: int, per_fold: int, seed: int) -> Benchmark:
    """Return a benchmark with the folds that `balanced_folds` assigns to its pairs."""
    assigned = balanced_folds(benchmark.pairs, benchmark.genuine, benchmark.subjects, folds, per_fold, seed)
    return replace(benchmark, folds=assigned)


def balanced_folds(
    pairs: np.ndarray, genuine: np.ndarray, subjects: np.ndarray, folds: int, per_fold: int, seed: int
) -> np.ndarray:
    """Assign pairs to folds as in view 2 of LFW: as many genuine as impostor pairs, nobody in two folds.

    People are dealt into `folds` groups; each fold takes equally many genuine and impostor pairs within its group, at
    most `per_fold` of each, drawn by `seed`.

    Returns:
        int8 (P,): the fold of each pair, −1 for pairs that are in none.

    Raises:
        InputError: fewer than two people a fold, so that a fold would have no impostor pairs.
    """
    people = np.unique(subjects)
    if len(people) < 2 * folds:
        raise InputError(
            f"{folds} folds need at least {2 * folds} people, two a fold, but there are {len(people)}; use fewer folds."
        )
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
