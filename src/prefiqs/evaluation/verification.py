"""Verification accuracy by the k-fold protocol of LFW (Huang et al. 2007), as insightface's `verification.py` does it.

For each fold the threshold is the one most accurate on the other folds, and the accuracy is counted on the fold itself.
Distances are squared Euclidean between L2-normalised embeddings; a pair matches if and only if distance < threshold.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefiqs.errors import InputError
from prefiqs.evaluation.inputs import as_genuine, check_choice
from prefiqs.evaluation.pairs import squared_distance

GRID = np.arange(0, 4, 0.01)  # squared distances 0, 0.01, ..., 3.99, as published


@dataclass(frozen=True, eq=False)
class Accuracy:
    """Fraction of pairs decided correctly, in [0, 1], larger = better.

    mean, std: over the folds; std is that of the population, as published. per_fold: (folds,), by fold number.
    """

    mean: float
    std: float
    per_fold: NDArray[np.float64]


def verification_accuracy(
    embeddings: ArrayLike,
    pairs: ArrayLike,
    genuine: ArrayLike,
    folds: int | ArrayLike = 10,
    thresholds: str = "grid",
) -> Accuracy:
    """Return mean, standard deviation and per-fold accuracy.

    embeddings: (n, d) float, normalised or raw. pairs: (P, 2) int, image indices. genuine: (P,) bool.
    folds: the number of folds, contiguous runs of pairs as in an unshuffled KFold; or (P,) int, the fold of each pair,
        where a negative number excludes the pair.
    thresholds: "grid", 0 to 3.99 in steps of 0.01, or "exact", every distinct distance of the other folds and infinity.
        Of equally good thresholds, the smallest is used.
    Raises InputError for wrong shapes, an unknown option, or fewer than two folds.
    """
    check_choice(thresholds, "thresholds", ("grid", "exact"))
    distance = squared_distance(embeddings, pairs)
    genuine = as_genuine(genuine, len(distance))
    fold_of_pair = _fold_of_pair(folds, len(distance))
    per_fold = []
    for fold in np.unique(fold_of_pair[fold_of_pair >= 0]):
        train, test = (fold_of_pair >= 0) & (fold_of_pair != fold), fold_of_pair == fold
        candidates = GRID if thresholds == "grid" else np.append(np.unique(distance[train]), np.inf)
        # correct = matches + impostors - false matches, and the impostors are as many for every candidate
        matched, falsely = (
            np.searchsorted(np.sort(distance[train & kind]), candidates, side="left") for kind in (genuine, ~genuine)
        )
        best = candidates[np.argmax(matched - falsely)]
        per_fold.append(np.mean((distance[test] < best) == genuine[test]))
    return Accuracy(mean=float(np.mean(per_fold)), std=float(np.std(per_fold)), per_fold=np.array(per_fold))


def _fold_of_pair(folds: int | ArrayLike, n_pairs: int) -> NDArray[np.int64]:
    given = np.asarray(folds)
    if given.dtype.kind not in "iu" or given.shape not in ((), (n_pairs,)):
        raise InputError(
            f"folds must be a whole number, such as 10, or the fold of each of {n_pairs} pairs, not {given.dtype} of "
            f"shape {given.shape}."
        )
    if given.ndim == 0:
        if not 2 <= given <= n_pairs:
            raise InputError(f"{n_pairs} pairs can be split into 2 to {n_pairs} folds, not {given}; 10 is usual.")
        runs = np.array_split(np.arange(n_pairs), int(given))
        return np.repeat(np.arange(len(runs)), [len(run) for run in runs])
    if len(np.unique(given[given >= 0])) < 2:
        raise InputError("At least two folds are needed: the threshold of each is found on the others.")
    return given
