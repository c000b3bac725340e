"""Pairs sorted once for many curves: by similarity for each verifier, by quality for each quality measure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefiqs.errors import InputError
from prefiqs.evaluation.inputs import as_genuine, as_scores


@dataclass(frozen=True, eq=False)
class SimilarityRanks:
    """The similarities of P pairs in ascending order, and which pair each belongs to; 12 bytes a pair.

    genuine, impostor: (G,) and (I,) float64, ascending, G + I = P. genuine_pairs, impostor_pairs: places in the list.
    """

    genuine: NDArray[np.float64]
    impostor: NDArray[np.float64]
    genuine_pairs: NDArray[np.integer]
    impostor_pairs: NDArray[np.integer]

    def is_genuine(self) -> NDArray[np.bool_]:
        """Return whether each pair is genuine, (P,), in the order of the list."""
        genuine = np.zeros(len(self.genuine) + len(self.impostor), bool)
        genuine[self.genuine_pairs] = True
        return genuine


@dataclass(frozen=True, eq=False)
class QualityRanks:
    """The order in which P pairs are discarded, the worst first; 4 bytes a pair.

    rank: (P,) place of each pair in that order; a pair is left after dropping k pairs if its rank is k or higher, and
        one that may not be dropped has a rank past the end. n_droppable: how many may be dropped.
    """

    rank: NDArray[np.unsignedinteger]
    n_droppable: int


def sort_by_similarity(similarity: ArrayLike, genuine: ArrayLike) -> SimilarityRanks:
    """Sort pairs by similarity.

    similarity: (P,) float, larger = more alike. genuine: (P,) bool, True = same person.
    Raises InputError for unequal lengths, NaN, or no genuine or no impostor pair at all.
    """
    similarity = as_scores(similarity, "similarity")
    genuine = as_genuine(genuine, len(similarity))
    if genuine.all() or not genuine.any():
        raise InputError(
            f"There are {genuine.sum()} genuine and {(~genuine).sum()} impostor pairs, but an error rate at a target "
            "FMR needs both kinds."
        )
    order = np.argsort(similarity)
    kind = genuine[order]
    order = order.astype(np.min_scalar_type(len(order)))
    genuine_pairs, impostor_pairs = order[kind], order[~kind]
    return SimilarityRanks(similarity[genuine_pairs], similarity[impostor_pairs], genuine_pairs, impostor_pairs)


def sort_by_quality(pair_quality: NDArray, droppable: NDArray[np.bool_] | None = None) -> QualityRanks:
    """Sort pairs by quality; equal ones stay in the order given.

    pair_quality: (P,) numbers without NaN, larger = better. droppable: (P,) bool, None = every pair.
    """
    order = np.argsort(pair_quality, kind="stable")
    if droppable is not None:
        order = order[droppable[order]]
    past_the_end = len(pair_quality)
    rank = np.full(past_the_end, past_the_end, np.min_scalar_type(past_the_end))
    rank[order] = np.arange(len(order), dtype=rank.dtype)
    return QualityRanks(rank, len(order))
