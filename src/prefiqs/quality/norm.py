"""Embedding norm: the length of the raw embedding as quality.

Source: the reading of Meng et al., "MagFace", CVPR 2021: ‖M_θ(x)‖₂ before normalisation. Cost: one forward pass.
"""

from __future__ import annotations

import numpy as np

from prefiqs.embedding import raw_embeddings
from prefiqs.models import FaceModel


def score(images: np.ndarray, model: FaceModel, batch_size: int | None = None, device: str = "auto") -> np.ndarray:
    """Quality of n aligned faces, float32 n, at least 0, higher = better."""
    return np.linalg.norm(raw_embeddings([model], images, batch_size, device)[0], axis=1).astype(np.float32)
