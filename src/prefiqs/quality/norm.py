"""Embedding norm: the length of the raw embedding as quality.

Source: the reading of Meng et al., "MagFace", CVPR 2021: ‖M_θ(x)‖₂ before normalisation. Cost: one forward pass.
"""

from __future__ import annotations

import numpy as np

from prefiqs.embedding import Embedder
from prefiqs.models import FaceModel
from prefiqs.quality.interface import Scorer


def scorer(model: FaceModel, batch_size: int | None = None, device: str = "auto") -> Scorer:
    """Quality of n aligned faces, float32 n, at least 0, higher = better."""
    raw = Embedder([model], batch_size, device)
    return lambda images: np.linalg.norm(raw(images)[0], axis=1).astype(np.float32)
