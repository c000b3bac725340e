"""ViT-FIQA: the output of the trained quality head of a vision transformer.

Source: Atzori, Boutros, Damer, "ViT-FIQA: Assessing Face Image Quality using Vision Transformers", ICCV workshops 2025.
Final LayerNorm, then batch norm and a linear layer on the quality token (variant T) or on the embedding (variant C).
Cost: one forward pass. Unlike the other methods here, the network was trained for it.
"""

from prefiqs.methods import ex_fiqa
from prefiqs.methods._scorer import Scorer
from prefiqs.models.face_model import FaceModel


def scorer(model: FaceModel, batch_size: int | None = None, device: str = "auto") -> Scorer:
    """Quality of n aligned faces by a network with a quality head, float32 n, unbounded, higher = better."""
    last = len(ex_fiqa.quality_network(model).blocks)
    return ex_fiqa.scorer(model, exit=last, batch_size=batch_size, device=device)
