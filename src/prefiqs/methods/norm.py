"""Embedding norm: the length of the raw embedding as quality.

Source: Meng et al., "MagFace", CVPR 2021, who use ‖M_θ(x)‖₂ before normalisation as quality. Cost: one forward pass.
"""

import numpy as np

from prefiqs.embedding.embedder import Embedder
from prefiqs.methods._probes import require_length
from prefiqs.methods._scorer import Scored, Scorer
from prefiqs.models.face_model import FaceModel


def scorer(model: FaceModel, batch_size: int | None = None, device: str = "auto") -> Scorer:
    """Quality of n aligned faces, float32 n, at least 0, higher = better."""
    require_length(model, "norm", device)
    raw = Embedder([model], batch_size, device)
    return lambda images: Scored(np.linalg.norm(raw(images)[0], axis=1))
