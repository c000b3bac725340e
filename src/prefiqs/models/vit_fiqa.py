"""ViT-FIQA: a vision transformer that gives a quality beside the embedding.

Source: Atzori, Boutros, Damer, "ViT-FIQA: Assessing Face Image Quality using Vision Transformers", ICCV workshops 2025.
Variant (T) puts a learnable quality token in front of the patches and reads the quality from it; the embedding is made
of the patches alone. Variant (C) has no token and reads the quality from the embedding. The quality head is batch norm
and a linear layer without bias. Layer names are those of the published checkpoints.
"""

import torch
from torch import Tensor, nn

from prefiqs.models.vit import HEAD_BN_EPS, ViT


class ViTFiqa(ViT):
    """A `ViT` with a quality head; takes what `ViT` takes.

    Args:
        quality_token: variant (T), where the first of the tokens is the quality token; else variant (C).
    """

    embedding_layer_name = "feature.2"  # the last layer with weights is the quality's

    def __init__(self, *, quality_token: bool, **shape):
        super().__init__(**shape)
        width = self.pos_embed.shape[-1]
        if quality_token:
            self.qs_token = nn.Parameter(torch.zeros(1, 1, width))
            self.pos_embed = nn.Parameter(torch.zeros(1, self.pos_embed.shape[1] + 1, width))
            self.leading_tokens = 1
        read = width if quality_token else self.embedding_size
        self.head_qs = nn.Sequential(nn.BatchNorm1d(read, HEAD_BN_EPS), nn.Linear(read, 1, bias=False))
        self.eval()

    def tokens(self, prepared: Tensor) -> Tensor:
        """Prepared faces to what the first block takes, n×t×width; in variant (T) token 0 is the quality token."""
        patches = self.patch_embed(prepared)
        if self.leading_tokens:
            # `shape[0]`, not `len`: the CPU engine must see the number of faces as one that may change
            patches = torch.cat([self.qs_token.expand(patches.shape[0], -1, -1), patches], dim=1)
        return patches + self.pos_embed

    def quality(self, tokens: Tensor) -> Tensor:
        """Tokens n×t×width behind any block to quality scores n: final LayerNorm, then the quality head."""
        read = self.norm(tokens[:, 0]) if self.leading_tokens else self.head(tokens)
        return self.head_qs(read).squeeze(1)
