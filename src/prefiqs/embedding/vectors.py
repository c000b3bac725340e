"""Embeddings as vectors, and how far they drift when a network is pruned (PreFIQs, eq. 4 and 7)."""

import numpy as np

from prefiqs.errors import InputError

ALIKE = 0.01
"""Distance of normalised embeddings that counts as none; those of an unpruned network are about 1 from their middle."""


def normalise(raw: np.ndarray) -> np.ndarray:
    """L2-normalise rows; a row of zeros (a network silenced by pruning) stays zero. float32 n×d to float32 n×d."""
    norm = np.linalg.norm(raw.astype(np.float64), axis=1, keepdims=True)
    return np.divide(raw, norm, out=np.zeros(raw.shape, np.float64), where=norm > 0).astype(np.float32)


def all_alike(raw: np.ndarray) -> bool:
    """Whether a network embeds at least 95 % of n faces alike, or one not at all: raw embeddings, float32 n×d."""
    unit = normalise(raw)
    distance = np.linalg.norm(unit - np.median(unit, axis=0), axis=1)
    return bool(np.quantile(distance, 0.95) < ALIKE or not np.linalg.norm(unit, axis=1).all())


def rowwise_cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of the angle between rows of two tables (one row of either stands for many): float64 n in [−1, 1]."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products = (a * b).sum(1)
    return np.clip(np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0), -1, 1)


def drift(e: np.ndarray, e_pruned: np.ndarray) -> np.ndarray:
    """Embedding drift D = ‖ê − ê_ρ‖₂ (PreFIQs, eq. 4): float32 n, in [0, 2], larger = worse.

    Takes the L2-normalised embeddings of the same faces, n×d, from the network and its pruned copy; `InputError` for
    others. A row of zeros (pruning left no output) has distance 1 to every embedding.
    """
    e, e_pruned = np.asarray(e, np.float64), np.asarray(e_pruned, np.float64)
    if e.ndim != 2 or e.shape != e_pruned.shape:
        raise InputError(f"Both arrays of embeddings must have the same shape n×d, not {e.shape} and {e_pruned.shape}.")
    for table in (e, e_pruned):
        norms = np.linalg.norm(table, axis=1)
        if not np.all((np.abs(norms - 1) < 1e-3) | (norms == 0)):
            raise InputError("The embeddings must be L2-normalised, as those of prefiqs.embed are.")
    return np.clip(np.linalg.norm(e - e_pruned, axis=1), 0, 2).astype(np.float32)


def quality_from_drift(d: np.ndarray) -> np.ndarray:
    """Quality Q = 1 − D/2 (PreFIQs, eq. 7): from drift in [0, 2] to n scores in [0, 1], higher = better."""
    return 1 - np.asarray(d) / 2
