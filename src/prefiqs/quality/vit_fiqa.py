"""ViT-FIQA: the quality that a vision transformer with a quality head gives beside the embedding.

Source: Atzori, Boutros, Damer, "ViT-FIQA: Assessing Face Image Quality using Vision Transformers", ICCV workshops 2025.
Final LayerNorm, then batch norm and a linear layer on the quality token (variant T) or on the embedding (variant C).
Cost: one forward pass. Unlike the other methods here, the network was trained for it.
"""

from __future__ import annotations

import numpy as np

from prefiqs.models import FaceModel
from prefiqs.quality.exits import exit_scores, quality_network


def score(images: np.ndarray, model: FaceModel, batch_size: int | None = None, device: str = "auto") -> np.ndarray:
    """Quality of n aligned faces, float32 n, unbounded, higher = better.

    Raises:
        InputError: a network without quality head.
    """
    network = quality_network(model)
    return exit_scores(network, images, [len(network.blocks)], batch_size, device)[:, 0]
