"""Embeddings as vectors."""

import numpy as np

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
