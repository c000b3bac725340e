"""Where the quality token of ViT-FIQA (T) looks, block by block: the attention maps of the EX-FIQA paper."""

from __future__ import annotations

from math import isqrt

import numpy as np
import torch
from torch import Tensor

from prefiqs.core.errors import InputError
from prefiqs.embedding import raw_embeddings
from prefiqs.models import FaceModel, ViTFiqa
from prefiqs.quality.exits import quality_network


class _TokenAttention(FaceModel):
    """A network that gives its quality token's attention to each patch in each block, n×(blocks·patches)."""

    def __init__(self, model: ViTFiqa):
        patches = model.pos_embed.shape[1] - model.leading_tokens
        super().__init__(f"{model.name} and its attention", model.input_spec, len(model.blocks) * patches)
        self.model = model
        self.training = model.training  # of the wrapper alone

    def forward(self, prepared: Tensor) -> Tensor:
        tokens = self.model.tokens(prepared)
        maps = []
        for block in self.model.blocks:
            tokens, attention = block.with_attention(tokens)
            maps.append(attention[:, :, 0, 1:].mean(1))
        return torch.cat(maps, dim=1)


def token_attention(
    model: FaceModel | str, images: np.ndarray, batch_size: int | None = None, device: str = "auto"
) -> np.ndarray:
    """Attention of the quality token to the patches in each of the L blocks, from one pass: float32 n×L×g×g.

    Row l − 1 holds what enters exit l: the softmax attention of the token's query in block l, averaged over the heads.
    A map sums to 1 less what the token takes from itself. g×g is the grid of patches, top left first; patch (r, c)
    begins at the pixel (r·p, c·p), p the side of a patch.

    Args:
        model: a network with a quality token, vit-fiqa-t among those of the registry, or the name of one.
        images, batch_size, device: as for `prefiqs.embed`.

    Raises:
        InputError: a network without quality token, or images that are not aligned faces.
    """
    network = quality_network(model, device)
    if not network.leading_tokens:
        raise InputError(f"Expected a network with a quality token, got {network.name}, whose quality is read from the "
                         "embedding; use variant (T), such as vit-fiqa-t.")  # fmt: skip
    maps = raw_embeddings([_TokenAttention(network)], images, batch_size, device)[0]
    side = isqrt(network.pos_embed.shape[1] - network.leading_tokens)
    return maps.reshape(-1, len(network.blocks), side, side)
