"""ViTNT-FIQA: the patches of a good face change little from one transformer block to the next.

Source: Ozgur et al., "ViTNT-FIQA: Training-Free Face Image Quality Assessment with Vision Transformers", WACV workshops
2026; final LayerNorm, α = 8 and the order of blocks as in the authors' published code. z_t: a patch after block t,
passed through the network's final LayerNorm and L2-normalised. d: mean of ‖z_{t+1} − z_t‖₂ over consecutive selected
blocks; quality of the patch: 2/(1 + exp(α·d)). Quality of the face: mean over the patches, or mean weighted by the
attention that each patch receives (softmax attention averaged over heads, summed over all queries, scaled to sum 1 over
the patches). Cost: one forward pass up to the last selected block.
"""

import math
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from prefiqs.embedding.embedder import Embedder
from prefiqs.errors import InputError
from prefiqs.methods._probes import Probe
from prefiqs.methods._scorer import Scored, Scorer
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import as_model
from prefiqs.models.vit import ViT

_WEIGHTINGS = (None, "last", "mean")


def scorer(
    model: FaceModel,
    blocks: int | Iterable[int] | None = None,
    alpha: float = 8.0,
    attention: Literal["last", "mean"] | None = None,
    batch_size: int | None = None,
    device: str = "auto",
) -> Scorer:
    """Quality of n aligned faces by a vision transformer of this package, float32 n in [0, 1], higher = better.

    Args:
        blocks: which blocks' outputs are compared: the first `blocks` of them, or those of these numbers, 1 the first,
            at least two; None compares all. Blocks in between run too.
        alpha: how steeply quality falls with the distance, above 0.
        attention: None for equal weights of the patches; "last" for the attention they receive in the last selected
            block, "mean" for its average over all selected blocks.
    """
    transformer = _checked(model, alpha)
    selected = _selected(blocks, len(transformer.blocks))
    of_faces = Embedder([_Stability(transformer, selected, selected[-1:], alpha, [attention])], batch_size, device)
    return lambda images: Scored(of_faces(images)[0][:, 0])


def vitnt_depths(
    model: FaceModel | str,
    images: np.ndarray,
    alpha: float = 8.0,
    batch_size: int | None = None,
    device: str = "auto",
) -> dict[str | None, np.ndarray]:
    """Quality from the first T of L blocks, T = 2 … L, for every `attention`, in one pass of the network.

    By attention, None, "last" or "mean": float32 n×(L − 1), higher = better; the column of T holds what `scorer` gives
    for `blocks=T`.
    """
    transformer = _checked(as_model(model, device), alpha)
    numbers = list(range(1, len(transformer.blocks) + 1))
    network = _Stability(transformer, numbers, numbers[1:], alpha, _WEIGHTINGS)
    (table,) = Embedder([network], batch_size, device)(images)
    return dict(zip(_WEIGHTINGS, np.split(table, len(_WEIGHTINGS), axis=1), strict=True))


class _Stability(Probe):
    """Quality from the selected blocks up to each of k `ends`, n×(weightings·k), those of a weighting side by side."""

    model: ViT

    def __init__(
        self, model: ViT, selected: list[int], ends: list[int], alpha: float, weightings: Sequence[str | None]
    ):
        super().__init__(model, len(weightings) * len(ends))
        self.selected, self.ends, self.alpha, self.weightings = selected, ends, alpha, weightings
        needed: dict[str | None, list[int]] = {None: [], "last": ends, "mean": selected}
        self.weighing = {number for weighting in weightings for number in needed[weighting]}

    def forward(self, prepared: Tensor) -> Tensor:
        """Prepared faces to qualities. A quality token takes part in the attention, but is no patch."""
        patches = slice(self.model.leading_tokens, None)
        tokens, before = self.model.tokens(prepared), None
        path: Any = 0  # a number until the first share is added to it
        received: dict[str | None, Any] = {"mean": 0}
        found: dict[str | None, list[Tensor]] = {weighting: [] for weighting in self.weightings}
        for number, block in enumerate(self.model.blocks[: self.selected[-1]], start=1):
            if number in self.weighing:
                tokens, attention = block.with_attention(tokens)  # type: ignore[operator]
                share = F.normalize(attention.mean(1).sum(1)[:, patches], p=1, dim=1)
                received = {"last": share, "mean": received["mean"] + share}
            else:
                tokens = block(tokens)
            if number in self.selected:
                directions = F.normalize(self.model.norm(tokens[:, patches]), dim=2)
                if before is not None:
                    path = path + torch.linalg.vector_norm(directions - before, dim=2)
                before = directions
            if number in self.ends:
                # 2/(1 + exp(αd)), which cannot overflow in this form
                quality = 2 * torch.sigmoid(-self.alpha / self.selected.index(number) * path)
                received[None] = torch.ones_like(quality)
                for weighting, column in found.items():
                    column.append((quality * F.normalize(received[weighting], p=1, dim=1)).sum(1, keepdim=True))
        return torch.cat([column for columns in found.values() for column in columns], dim=1)


def require_transformer(model: FaceModel, method: str) -> ViT:
    """Return the network; `InputError`, which names the method, if it is no vision transformer of this package."""
    if not isinstance(model, ViT):
        raise InputError(f"{method} needs a vision transformer of this package, which {model.name} "
                         f"({type(model).__name__}) is not. Load one such as vit-prefiqs.")  # fmt: skip
    return model


def _checked(model: FaceModel, alpha: float) -> ViT:
    if not 0 < alpha < math.inf:
        raise InputError(f"alpha must be a number above 0, not {alpha!r}; the published value is 8.")
    return require_transformer(model, "ViTNT-FIQA")


def _selected(blocks: Any, depth: int) -> list[int]:
    """Numbers of the selected blocks in the order in which they run."""
    if blocks is None:
        blocks = depth
    numbers = list(range(1, int(blocks) + 1)) if isinstance(blocks, Integral) else list(blocks)
    whole = all(isinstance(number, Integral) and 1 <= number <= depth for number in numbers)  # type: ignore[operator]
    if not whole or len(set(numbers)) != len(numbers) or len(numbers) < 2:
        raise InputError(f"blocks must be two or more different numbers from 1 to {depth}, or how many of the first "
                         f"blocks, not {blocks!r}. Leave it out for all blocks.")  # fmt: skip
    return sorted(map(int, numbers))
