"""ViT-FIQA: the quality that a vision transformer with a quality head gives beside the embedding.

Source: Atzori, Boutros, Damer, "ViT-FIQA: Assessing Face Image Quality using Vision Transformers", ICCV workshops 2025.
Final LayerNorm, then batch norm and a linear layer on the quality token (variant T) or on the embedding (variant C).
Cost: one forward pass. Unlike the other methods here, the network was trained for it.
"""

from prefiqs.methods._scorer import Scored, Scorer
from prefiqs.methods._vit import exit_embedder, quality_network
from prefiqs.models.face_model import FaceModel


def scorer(model: FaceModel, batch_size: int | None = None, device: str = "auto") -> Scorer:
    """Quality of n aligned faces, float32 n, unbounded, higher = better.

    Raises:
        InputError: a network without quality head.
    """
    network = quality_network(model)
    behind_last = exit_embedder(network, [len(network.blocks)], batch_size, device)
    return lambda images: Scored(behind_last(images)[0][:, 0])
