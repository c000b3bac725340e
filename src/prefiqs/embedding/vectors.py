"""Embeddings as vectors."""

import numpy as np


def normalise(raw: np.ndarray) -> np.ndarray:
    """L2-normalise rows; a row of zeros (a network silenced by pruning) stays zero. float32 n×d to float32 n×d."""
    norm = np.linalg.norm(raw.astype(np.float64), axis=1, keepdims=True)
    return np.divide(raw, norm, out=np.zeros(raw.shape, np.float64), where=norm > 0).astype(np.float32)


def rowwise_cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of the angle between rows of two tables (one row of either stands for many): float64 n in [−1, 1]."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products = (a * b).sum(1)
    return np.clip(np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0), -1, 1)
