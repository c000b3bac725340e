"""The vision transformer of insightface and CVLface: patch tokens without a class token, all of them in the embedding.

Source: Dosovitskiy et al., "An Image is Worth 16×16 Words", ICLR 2021; An et al., "Killing Two Birds with One Stone",
CVPR 2022 (insightface's ViT); Kim et al., "KeyPoint Relative Position Encoding", CVPR 2024 (CVLface). Blocks are
LayerNorm - attention and LayerNorm - MLP (ReLU6), each added to its input; no bias in `qkv`. The head takes all tokens
as one vector: linear - BN - linear (the embedding) - BN. Mask token, stochastic depth and dropout belong to training.

`ViTFiqa` is that of Atzori, Boutros, Damer, "ViT-FIQA: Assessing Face Image Quality using Vision Transformers", ICCV
workshops 2025, which gives a quality beside the embedding. Layer names are those of the published checkpoints.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prefiqs.faces.template import FACE_SIZE
from prefiqs.models.face_model import ARCFACE_INPUT, FaceModel, InputSpec

_HEAD_BN_EPS = 2e-5


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens n×t×width to n×t×width; the attention weights are never held."""
        return self._joined(F.scaled_dot_product_attention(*self.query_key_value(tokens)))

    def with_weights(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and the softmax attention n×heads×t×t: how much each token (row) takes from each (column)."""
        query, key, value = self.query_key_value(tokens)
        weights = (query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5).softmax(-1)
        return self._joined(weights @ value), weights

    def query_key_value(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Each n×heads×t×width/heads."""
        return self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()

    def extra_repr(self) -> str:
        """The number of heads, which no shape of a weight shows."""
        return f"heads={self.heads}"

    def _joined(self, mixed: Tensor) -> Tensor:
        return self.proj(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """One transformer block."""

    def __init__(self, width: int, heads: int, mlp_ratio: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        hidden = mlp_ratio * width
        layers = {"fc1": nn.Linear(width, hidden), "act": nn.ReLU6(), "fc2": nn.Linear(hidden, width)}
        self.mlp = nn.Sequential(OrderedDict(layers))

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens n×t×width to n×t×width."""
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))

    def with_attention(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and the attention weights n×heads×t×t that the block applies; rows sum to 1."""
        mixed, weights = self.attn.with_weights(self.norm1(tokens))
        tokens = tokens + mixed
        return tokens + self.mlp(self.norm2(tokens)), weights


class ViT(FaceModel):
    """Vision transformer: 112×112 in, embedding out. `forward` is `head` of the last block of `blocks` on `tokens`.

    `leading_tokens` counts the tokens in front of the patches, which are no part of the embedding. patch: side of a
    patch in pixels; there are (112 // patch)², row by row, and pixels left over are unused. width: of a token.
    mlp_ratio: hidden width of the MLP over `width`.
    """

    leading_tokens = 0

    def __init__(
        self,
        *,
        patch: int,
        width: int,
        depth: int,
        heads: int,
        mlp_ratio: int = 4,
        embedding_size: int = 512,
        name: str = "vit",
        input_spec: InputSpec = ARCFACE_INPUT,
    ):
        super().__init__(name, input_spec, embedding_size)
        count = (FACE_SIZE // patch) ** 2
        self.patch_embed = nn.Sequential(OrderedDict(proj=nn.Conv2d(3, width, patch, patch), flat=nn.Flatten(2)))
        self.pos_embed = nn.Parameter(torch.zeros(1, count, width))
        self.blocks = nn.ModuleList(Block(width, heads, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.feature = nn.Sequential(
            nn.Linear(count * width, width, bias=False),
            nn.BatchNorm1d(width, _HEAD_BN_EPS),
            nn.Linear(width, embedding_size, bias=False),
            nn.BatchNorm1d(embedding_size, _HEAD_BN_EPS),
        )
        self.eval()

    def forward(self, prepared: Tensor) -> Tensor:
        """Float32 n×3×112×112, prepared by `input_spec`, to raw embeddings n×d."""
        tokens = self.tokens(prepared)
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(tokens)

    def tokens(self, prepared: Tensor) -> Tensor:
        """Prepared faces to what the first block takes: patches with their positions, n×t×width."""
        return self.patch_embed(prepared).transpose(1, 2) + self.pos_embed

    def head(self, tokens: Tensor) -> Tensor:
        """Tokens n×t×width behind any block to raw embeddings n×d: final LayerNorm, then the embedding's layers."""
        return self.feature(self.norm(tokens[:, self.leading_tokens :]).flatten(1))


class ViTFiqa(ViT):
    """A `ViT` with a quality head (batch norm and a linear layer without bias); takes what `ViT` takes.

    With `quality_token`, variant (T), it reads a learnable token in front of the patches, else (C) the embedding.
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
        self.head_qs = nn.Sequential(nn.BatchNorm1d(read, _HEAD_BN_EPS), nn.Linear(read, 1, bias=False))
        self.eval()

    def tokens(self, prepared: Tensor) -> Tensor:
        """Prepared faces to what the first block takes, n×t×width; in variant (T) token 0 is the quality token."""
        patches = self.patch_embed(prepared).transpose(1, 2)
        if self.leading_tokens:
            # `shape[0]`, not `len`: the CPU engine must see the number of faces as one that may change
            patches = torch.cat([self.qs_token.expand(patches.shape[0], -1, -1), patches], dim=1)
        return patches + self.pos_embed

    def quality(self, tokens: Tensor) -> Tensor:
        """Tokens n×t×width behind any block to quality scores n: final LayerNorm, then the quality head."""
        read = self.norm(tokens[:, 0]) if self.leading_tokens else self.head(tokens)
        return self.head_qs(read).squeeze(1)
