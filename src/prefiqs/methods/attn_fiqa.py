"""ATTN-FIQA: in a good face, the patches of a vision transformer attend to one another strongly.

Source: Ozgur et al., "ATTN-FIQA", FG 2026 (arXiv 2604.22841). Quality = mean over heads, queries and keys of q·k/√d,
the attention before its softmax, in one block, by default the last. The mean over all pairs of tokens is the product of
the mean query and the mean key of a head, so that no matrix of tokens × tokens is needed. No training.
Cost: one forward pass up to that block.
"""

from collections.abc import Sequence

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


def scorer(
    model: FaceModel, block: int | None = None, batch_size: int | None = None, device: str = "auto"
) -> Scorer:
    """Quality of n aligned faces by a vision transformer of this package, float32 n, unbounded, higher = better.

    block: whose attention is read, 1 the first; None for the last. Later blocks are not run.
    """
    transformer = require_transformer(model)
    depth = len(transformer.blocks)
    if block is not None and not 1 <= block <= depth:
        raise InputError(f"The block must be one of 1 to {depth} of {model.name}, not {block}.")
    one = Embedder([_MeanAttention(transformer, [int(block or depth)])], batch_size, device)
    return lambda images: Scored(one(images)[0][:, 0])


def attention_by_block(
    model: FaceModel | str, images: np.ndarray, batch_size: int | None = None, device: str = "auto"
) -> np.ndarray:
    """The quality that `scorer` reads from each of the L blocks, from one pass: float32 n×L, higher = better."""
    transformer = require_transformer(as_model(model, device))
    network = _MeanAttention(transformer, range(1, len(transformer.blocks) + 1))
    return Embedder([network], batch_size, device)(images)[0]


class _MeanAttention(Probe):
    """The mean attention before the softmax in each of some blocks, n×blocks; a quality token counts as a token."""

    model: ViT

    def __init__(self, model: ViT, numbers: Sequence[int]):
        super().__init__(model, len(numbers))
        self.numbers = numbers

    def forward(self, prepared: Tensor) -> Tensor:
        """Prepared faces to qualities."""
        tokens, found = self.model.tokens(prepared), []
        for number, block in enumerate(self.model.blocks[: max(self.numbers)], start=1):
            if number in self.numbers:
                query, key, _ = block.attn.query_key_value(block.norm1(tokens))  # type: ignore[operator,union-attr]
                per_head = (query.mean(2) * key.mean(2)).sum(-1) * query.shape[-1] ** -0.5
                found.append(per_head.mean(1))
            if number < max(self.numbers):
                tokens = block(tokens)
        return torch.stack(found, dim=1)
