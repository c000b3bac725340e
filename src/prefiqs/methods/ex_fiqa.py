"""EX-FIQA: the quality head of a ViT-FIQA network applied after every block, and the fusion of these exits.

Source: Ozgur et al., "EX-FIQA: Leveraging Intermediate Early eXit Representations from Vision Transformers for Face
Image Quality Assessment", 2026. s_l: the tokens after block l, passed through the network's own final LayerNorm and
heads. EX-FIQA-F: Σ s_l / L. EX-FIQA-FW: Σ w_l·s_l with w_l = 2l / (L(L + 1)). No parameter is added. Cost: one forward
pass for all exits and their fusion; an early exit l needs only the first l blocks.

The heads after the final LayerNorm are affine, so they are merged into one weight vector and one offset, which gives
the same scores up to rounding. In variant (C), which uses all patches, this takes 0.07 million multiply-adds per face
instead of 38 million: all exits together cost one plain forward pass (`benchmarks/quality.py`) instead of 1.4.
"""

from collections.abc import Sequence
from math import isqrt
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from prefiqs.embedding.embedder import Embedder
from prefiqs.embedding.flops import flops
from prefiqs.errors import InputError
from prefiqs.methods._probes import Probe
from prefiqs.methods._scorer import Scored, Scorer
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import as_model
from prefiqs.models.vit import ViTFiqa


def scorer(
    model: FaceModel,
    exit: int | None = None,
    fusion: Literal["mean", "depth"] | None = None,
    batch_size: int | None = None,
    device: str = "auto",
) -> Scorer:
    """Quality of n aligned faces by a network with a quality head, float32 n, unbounded, higher = better.

    exit: the block after which quality is read, counted from 1; later blocks are not run. fusion: of all exits, "mean"
    (EX-FIQA-F) or "depth" (EX-FIQA-FW). If neither is given, fusion is "depth".
    """
    depth = len(quality_network(model).blocks)
    if exit is None:
        every = Embedder([Exits(model, range(1, depth + 1))], batch_size, device)
        return lambda images: Scored(fuse_exits(every(images)[0], fusion or "depth"))
    if fusion is not None:
        raise InputError(f"Choose an exit or a fusion of all exits, not both (exit={exit}, fusion={fusion!r}).")
    if not 1 <= exit <= depth:
        raise InputError(f"The exit must be one of the blocks 1 to {depth} of {model.name}, not {exit}.")
    one = Embedder([Exits(model, [int(exit)])], batch_size, device)
    return lambda images: Scored(one(images)[0][:, 0])


def exfiqa_scores(
    model: FaceModel | str, images: np.ndarray, batch_size: int | None = None, device: str = "auto"
) -> np.ndarray:
    """Quality after every block (EX-FIQA-1 … EX-FIQA-L), from one pass: float32 n×L, higher = better.

    Arguments are those of `prefiqs.embed`. Raises `InputError` for a network without quality head.
    """
    network = quality_network(model, device)
    return Embedder([Exits(network, range(1, len(network.blocks) + 1))], batch_size, device)(images)[0]


def fuse_exits(scores: np.ndarray, fusion: Literal["mean", "depth"] = "depth") -> np.ndarray:
    """Fuse what `exfiqa_scores` gives, n×L: EX-FIQA-F ("mean") or EX-FIQA-FW ("depth"), float32 n, higher = better."""
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 2:
        raise InputError(f"Scores must be n×exits, as exfiqa_scores gives them, not of shape {scores.shape}.")
    if fusion not in ("mean", "depth"):
        raise InputError(f"Unknown fusion {fusion!r}; choose 'mean' or 'depth'.")
    depths = np.arange(1.0, scores.shape[1] + 1)
    weights = depths if fusion == "depth" else np.ones_like(depths)
    return (scores @ (weights / weights.sum())).astype(np.float32)


def quality_network(model: FaceModel | str, device: str = "auto") -> ViTFiqa:
    """The network, or the one of that name, if it has a quality head; else `InputError`."""
    model = as_model(model, device)
    if not isinstance(model, ViTFiqa):
        raise InputError(f"{model.name} ({type(model).__name__}) has no quality head. Load a vision transformer that "
                         "has one, such as vit-prefiqs, vit-fiqa-t or vit-fiqa-c.")  # fmt: skip
    return model


class Exits(Probe):
    """The quality after each of the given blocks; blocks after the last of them are not run."""

    model: ViTFiqa
    weight: Tensor
    offset: Tensor

    def __init__(self, model: FaceModel, exits: Sequence[int]):
        super().__init__(model, len(exits))
        self.exits = exits
        weight, offset = _product_of_heads(quality_network(model))
        self.register_buffer("weight", weight)
        self.register_buffer("offset", offset)

    def forward(self, prepared: Tensor) -> Tensor:
        """Prepared faces to qualities, n×exits."""
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
    weight, offset = layers[-1].weight.new_ones(1, 1), layers[-1].weight.new_zeros(1)
    for layer in reversed(layers):
        if isinstance(layer, nn.BatchNorm1d):
            assert layer.running_mean is not None and layer.running_var is not None  # as in eval mode
            scale = layer.weight / (layer.running_var + layer.eps).sqrt()
            offset = offset + (layer.bias - layer.running_mean * scale) @ weight[:, 0]
            weight = scale[:, None] * weight
        else:
            weight = layer.weight.T @ weight
    return weight, offset


class _TokenAttention(Probe):
    model: ViTFiqa

    def __init__(self, model: ViTFiqa):
        super().__init__(model, len(model.blocks) * (model.pos_embed.shape[1] - 1))

    def forward(self, prepared: Tensor) -> Tensor:
        tokens, maps = self.model.tokens(prepared), []
        for block in self.model.blocks:
            tokens, attention = block.with_attention(tokens)  # type: ignore[operator]
            maps.append(attention[:, :, 0, 1:].mean(1))
        return torch.cat(maps, dim=1)


def token_attention(
    model: FaceModel | str, images: np.ndarray, batch_size: int | None = None, device: str = "auto"
) -> np.ndarray:
    """Softmax attention of the quality token to the g×g patches in each of the L blocks, averaged over heads.

    float32 n×L×g×g, top left first; a map sums to 1 minus the attention of the token to itself. Raises `InputError` for
    a network without a quality token.
    """
    network = quality_network(model, device)
    if not network.leading_tokens:
        raise InputError(f"{network.name} has no quality token: use a network of variant (T), such as vit-fiqa-t.")
    maps = Embedder([_TokenAttention(network)], batch_size, device)(images)[0]
    side = isqrt(network.pos_embed.shape[1] - 1)
    return maps.reshape(-1, len(network.blocks), side, side)


class _Stopped(nn.Module):  # after a block, where the separate heads read the quality, as published
    def __init__(self, model: ViTFiqa, exit: int):
        super().__init__()
        self.model, self.exit = model, exit

    def forward(self, prepared: Tensor) -> Tensor:
        tokens = self.model.tokens(prepared)
        for block in self.model.blocks[: self.exit]:
            tokens = block(tokens)
        return self.model.quality(tokens)


def exit_gflops(model: FaceModel | str) -> np.ndarray:
    """GFLOPs of the quality behind each of the L blocks, float64 L; the last is that of ViT-FIQA."""
    network = quality_network(model, "cpu")
    return np.array([flops(_Stopped(network, exit)) for exit in range(1, len(network.blocks) + 1)]) / 1e9
