"""An FR network and its pruned copy as one module: pixels in, quality out, nothing left to do outside."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prefiqs.models.face_model import FaceModel


class QualityGraph(nn.Module):
    """Aligned faces, uint8 RGB n×112×112×3, to quality and drift, float32 n, and normalised embeddings, n×d."""

    def __init__(self, model: FaceModel, pruned: FaceModel):
        super().__init__()
        self.model, self.pruned = model, pruned
        self.spec = model.input_spec

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As the class says: score = 1 − drift/2 in [0, 1], higher = better; drift in [0, 2]; embedding."""
        pixels = images.permute(0, 3, 1, 2).float()
        if self.spec.colour == "bgr":
            pixels = pixels.flip(1)
        prepared = (pixels - self.spec.mean) / self.spec.std
        embedding = F.normalize(self.model(prepared))
        drift = torch.linalg.vector_norm(embedding - F.normalize(self.pruned(prepared)), dim=1)
        return 1 - drift / 2, drift, embedding
