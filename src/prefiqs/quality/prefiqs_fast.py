"""PreFIQs with only the embedding layer pruned: the backbone is shared, so the second pass costs next to nothing.

Source: PreFIQs, eq. 4-7, applied to the last linear layer alone (an addition of this project). Cost: one forward pass
plus one more pass through the layers from the embedding layer on.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from prefiqs import pruning
from prefiqs.core.recipe import Recipe
from prefiqs.core.vectors import normalise
from prefiqs.embedding import raw_embeddings
from prefiqs.models import FaceModel
from prefiqs.quality.drift import drift, quality_from_drift


class _TwoHeads(FaceModel):
    """A network whose embedding layer is run twice on the same features: gives [raw, raw pruned], n×2d."""

    def __init__(self, model: FaceModel, pruned: FaceModel, layer: str):
        super().__init__(f"{model.name} and its pruned head", model.input_spec, 2 * model.embedding_size)
        self.model = copy.deepcopy(model)
        parent, _, child = layer.rpartition(".")
        heads = _Doubled(model.get_submodule(layer), pruned.get_submodule(layer))
        setattr(self.model.get_submodule(parent), child, heads)
        self.eval()

    def forward(self, prepared: Tensor) -> Tensor:
        """Both heads go through the rest of the network stacked along the batch, since it treats faces one by one."""
        return torch.cat(self.model(prepared).chunk(2), dim=1)


class _Doubled(nn.Module):
    def __init__(self, first: nn.Module, second: nn.Module):
        super().__init__()
        self.first, self.second = copy.deepcopy(first), copy.deepcopy(second)

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([self.first(features), self.second(features)])


def score(
    images: np.ndarray,
    model: FaceModel,
    ratio: float = 0.4,
    criterion: str = "l1",
    seed: int = 0,
    batch_size: int | None = None,
    device: str = "auto",
) -> np.ndarray:
    """Quality of n aligned faces, float32 n in [0, 1]; `ratio` counts the weights of the embedding layer alone."""
    layer = pruning.embedding_layer(model)
    recipe = Recipe(ratio, "unstructured", criterion, seed, (layer,))
    heads = _TwoHeads(model, pruning.apply(model, pruning.choose(model, recipe)), layer)
    raw = raw_embeddings([heads], images, batch_size, device)[0]
    return quality_from_drift(drift(*(normalise(half) for half in np.split(raw, 2, axis=1))))
