"""The target of the quality token: relative classifiability, from the teacher's embeddings.

Source: Boutros, Fang, Klemt, Fu, Damer, "CR-FIQA", CVPR 2023, with class centres that are means of embeddings instead
of a classifier's weights: CR = CCS / (NNCCS + 1 + ε), where CCS is the cosine of a face to the centre of its own person
and NNCCS that to the nearest centre of another.
"""

from __future__ import annotations

import numpy as np

MIN_PHOTOS = 3  # of a person, so that a centre without the photo itself rests on at least two
EPSILON = 1e-9


def class_centres(embeddings: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums of the normalised embeddings (n×d) of each person with at least `MIN_PHOTOS` photos.

    Returns float64 C×d, the sums; int C, how many photos are in each; int n, the row of each photo's person, −1 where
    the person has too few photos.
    """
    _, person, counts = np.unique(people, return_inverse=True, return_counts=True)
    kept = np.flatnonzero(counts >= MIN_PHOTOS)
    row = np.full(len(counts), -1)
    row[kept] = np.arange(len(kept))
    rows = row[person]
    sums = np.zeros((len(kept), embeddings.shape[1]))
    np.add.at(sums, rows[rows >= 0], embeddings[rows >= 0])
    return sums, counts[kept], rows


def classifiability(embeddings: np.ndarray, clean: np.ndarray, people: np.ndarray) -> np.ndarray:
    """CR of one copy of each photo: float32 n, in about [−1, 1], higher = better; NaN for people with few photos.

    Args:
        embeddings: normalised embeddings of the copies, n×d.
        clean: normalised embeddings of the photos themselves, of which the centres are made; a photo's own centre is
            made without it.
        people: who is shown, n names.
    """
    sums, _, rows = class_centres(clean, people)
    known = np.flatnonzero(rows >= 0)
    own = _unit(sums[rows[known]] - clean[known])
    result = np.full(len(embeddings), np.nan, np.float32)
    cosine = embeddings[known] @ _unit(sums).T
    cosine[np.arange(len(known)), rows[known]] = -np.inf
    ccs = np.sum(embeddings[known] * own, axis=1)
    result[known] = ccs / (cosine.max(axis=1) + 1 + EPSILON)
    return result


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
