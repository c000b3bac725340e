"""ATTN-FIQA: in a good face, the patches of a vision transformer attend to one another strongly.

Source: Ozgur et al., "ATTN-FIQA: Interpretable Attention-based Face Image Quality Assessment with Vision Transformers",
FG 2026 (arXiv 2604.22841). Quality = mean over heads, queries and keys of q·k/√d, the attention before the softmax, in
one block, by default the last. The map shows how much of it each patch receives, as in the authors' published code. We
average over the queries first, so no tokens × tokens matrix is stored. A quality token counts as a token. Cost: one
forward pass up to that block. No training.
"""

from collections.abc import Sequence
from math import isqrt

import numpy as np
import torch
from torch import Tensor

from prefiqs.embedding.embedder import Embedder
from prefiqs.errors import InputError
from prefiqs.methods._probes import Probe
from prefiqs.methods._scorer import Scored, Scorer
from prefiqs.methods.vitnt_fiqa import require_transformer
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import as_model
from prefiqs.models.vit import ViT


def scorer(model: FaceModel, block: int | None = None, batch_size: int | None = None, device: str = "auto") -> Scorer:
    """Quality of n aligned faces by a vision transformer of this package, float32 n, unbounded, higher = better.

    block: the block whose attention is read, counted from 1; None = the last. Later blocks are not run.
    Raises `InputError` for another network or block.
    """
    transformer = require_transformer(model, "ATTN-FIQA")
    depth = len(transformer.blocks)
    if block is not None and not 1 <= block <= depth:
        raise InputError(f"The block must be a number from 1 to {depth} for {model.name}, not {block}.")
    received = Embedder([_ReceivedAttention(transformer, [int(block or depth)])], batch_size, device)
    return lambda images: Scored(received(images)[0].mean(1))


def attention_by_block(
    model: FaceModel | str, images: np.ndarray, batch_size: int | None = None, device: str = "auto"
) -> tuple[np.ndarray, np.ndarray]:
    """The quality that `scorer` reads from each of the L blocks, and its map, all from one forward pass.

    Returns:
        Scores, float32 n×L, higher = better, and maps, float32 n×L×g×g: the attention before the softmax that each
        patch receives, averaged over heads and queries. g×g is the grid of patches, top left first. Without a quality
        token, a score is the mean of its map.
    """
    transformer = require_transformer(as_model(model, device), "ATTN-FIQA")
    network = _ReceivedAttention(transformer, range(1, len(transformer.blocks) + 1))
    by_token = Embedder([network], batch_size, device)(images)[0].reshape(len(images), len(transformer.blocks), -1)
    maps = by_token[:, :, transformer.leading_tokens :]
    side = isqrt(maps.shape[2])
    return by_token.mean(2), maps.reshape(*maps.shape[:2], side, side)


class _ReceivedAttention(Probe):
    """The attention before the softmax that each token receives in each of the given blocks, n×(blocks·tokens)."""

    model: ViT

    def __init__(self, model: ViT, numbers: Sequence[int]):
        super().__init__(model, len(numbers) * model.pos_embed.shape[1])
        self.numbers = numbers

    def forward(self, prepared: Tensor) -> Tensor:
        """Prepared faces to attention, block by block."""
        tokens, found = self.model.tokens(prepared), []
        for number, block in enumerate(self.model.blocks[: max(self.numbers)], start=1):
            if number in self.numbers:
                query, key, _ = block.attn.query_key_value(block.norm1(tokens))  # type: ignore[operator,union-attr]
                by_head = (query.mean(2, keepdim=True) * key).sum(-1)
                found.append(by_head.mean(1) * query.shape[-1] ** -0.5)
            if number < max(self.numbers):
                tokens = block(tokens)
        return torch.cat(found, dim=1)
