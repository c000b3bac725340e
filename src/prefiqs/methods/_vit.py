"""The quality head of a ViT-FIQA network behind any of its blocks: what ViT-FIQA and EX-FIQA share.

Behind a block, the tokens go through the network's final LayerNorm and its heads, whose layers are affine: linear
layers without bias and batch norms. Their product, one weight a number read and one offset, gives the same scores to
rounding. In variant (C), which reads all patches, this takes 0.07 million multiply-adds a face where the layers one by
one take 38 million and 151 MB of weights: all exits cost what a plain forward pass does (`benchmarks/quality.py`),
not 1.4 times that.
"""

from collections.abc import Sequence
from math import isqrt

import numpy as np
import torch
from torch import Tensor, nn

from prefiqs.embedding.embedder import Embedder
from prefiqs.embedding.flops import flops
from prefiqs.errors import InputError
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import as_model
from prefiqs.models.vit_fiqa import ViTFiqa


class _Exits(FaceModel):
    """A network that gives the quality behind each of some blocks, n×exits, instead of an embedding."""

    def __init__(self, model: ViTFiqa, exits: Sequence[int]):
        super().__init__(f"{model.name} at its exits", model.input_spec, len(exits))
        self.model, self.exits = model, exits
        weight, offset = _product_of_heads(model)
        self.register_buffer("weight", weight)
        self.register_buffer("offset", offset)
        self.training = model.training  # of the wrapper alone

    def forward(self, prepared: Tensor) -> Tensor:
        """Blocks behind the last of the exits are not run."""
        read = slice(1) if self.model.leading_tokens else slice(None)
        tokens = self.model.tokens(prepared)
        scores = []
        for number, block in enumerate(self.model.blocks[: max(self.exits)], start=1):
            tokens = block(tokens)
            if number in self.exits:
                scores.append(self.model.norm(tokens[:, read]).flatten(1) @ self.weight + self.offset)
        return torch.cat(scores, dim=1)


@torch.no_grad()
def _product_of_heads(model: ViTFiqa) -> tuple[Tensor, Tensor]:
    """Weight k×1 and offset of the map from the k numbers that the heads read to the quality."""
    layers = [*([] if model.leading_tokens else model.feature), *model.head_qs]
    last = layers[-1].weight
    weight, offset = last.new_ones(1, 1), last.new_zeros(1)
    for layer in reversed(layers):
        if isinstance(layer, nn.BatchNorm1d):
            assert layer.running_mean is not None and layer.running_var is not None  # as in eval mode
            scale = layer.weight / (layer.running_var + layer.eps).sqrt()
            offset = offset + (layer.bias - layer.running_mean * scale) @ weight[:, 0]
            weight = scale[:, None] * weight
        else:
            weight = layer.weight.T @ weight
    return weight, offset


def quality_network(model: FaceModel | str, device: str = "auto") -> ViTFiqa:
    """The network, or the one of that name, if it has a quality head; else `InputError`."""
    model = as_model(model, device)
    if not isinstance(model, ViTFiqa):
        raise InputError(
            f"{model.name} ({type(model).__name__}) has no quality head. Load a vision transformer that has one, such "
            "as vit-prefiqs, vit-fiqa-t or vit-fiqa-c."
        )
    return model


def exit_embedder(model: ViTFiqa, exits: Sequence[int], batch_size: int | None, device: str) -> Embedder:
    """Its one table is the quality behind each of these blocks, 1 the first, in one pass: float32 n×exits."""
    return Embedder([_Exits(model, exits)], batch_size, device)


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
            tokens, attention = block.with_attention(tokens)  # type: ignore[operator]
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
        raise InputError(f"{network.name} has no quality token: it reads the quality from the embedding. Use variant "
                         "(T), such as vit-fiqa-t.")  # fmt: skip
    maps = Embedder([_TokenAttention(network)], batch_size, device)(images)[0]
    side = isqrt(network.pos_embed.shape[1] - network.leading_tokens)
    return maps.reshape(-1, len(network.blocks), side, side)


class _Stopped(nn.Module):
    """A network with a quality head that stops behind a block and reads the quality there, as published."""

    def __init__(self, model: ViTFiqa, exit: int):
        super().__init__()
        self.model, self.exit = model, exit

    def forward(self, prepared: Tensor) -> Tensor:
        tokens = self.model.tokens(prepared)
        for block in self.model.blocks[: self.exit]:
            tokens = block(tokens)
        return self.model.quality(tokens)


def exit_gflops(model: FaceModel | str) -> np.ndarray:
    """GFLOPs of the quality behind each of the L blocks, float64 L; the last is that of ViT-FIQA.

    Raises:
        InputError: a network without quality head.
    """
    network = quality_network(model, "cpu")
    return np.array([flops(_Stopped(network, exit)) for exit in range(1, len(network.blocks) + 1)]) / 1e9
