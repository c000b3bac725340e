"""Pruned networks that differ from their original in later layers alone: what comes before is computed once.

At the first block that differs the faces are repeated along the batch, once for each network, and from there on every
network's part of the batch meets the weights of that network. The original is one of them.
"""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from prefiqs.embedding.embedder import Embedder
from prefiqs.embedding.flops import flops
from prefiqs.errors import InputError
from prefiqs.models.face_model import FaceModel
from prefiqs.pruning.mask import embedding_layer, prunable_weights, weights_like
from prefiqs.pruning.stages import block_of


class SharedPrefix(FaceModel):
    """A network and K unstructured prunings of it as one: prepared faces to all raw embeddings, n×(1 + K)·d."""

    def __init__(self, model: FaceModel, pruned: Sequence[FaceModel]):
        networks = [model, *pruned]
        super().__init__(f"{model.name} and pruned ones", model.input_spec, len(networks) * model.embedding_size)
        self.model, self.copies = copy.deepcopy(model), len(networks)
        others = [weights_like(model, network) for network in pruned]
        differing = [
            name.removesuffix(".weight")
            for name, weight in prunable_weights(model).items()
            if not all(torch.equal(other[name], weight) for other in others)
        ]
        if not differing:
            raise InputError(f"None of the networks differs from {model.name}.")
        for name in differing:
            layers = [copy.deepcopy(network.get_submodule(name)) for network in networks]
            self.model.set_submodule(name, _EachItsOwn(layers))
        # A block may have a path around the first layer that differs; there is none around the embedding layer.
        alone = differing == [embedding_layer(model)]
        start = self.model.get_submodule(differing[0] if alone else block_of(model, differing[0]))
        start.register_forward_pre_hook(lambda _, inputs: (torch.cat([inputs[0]] * self.copies),))
        self.training = False

    def forward(self, prepared: Tensor) -> Tensor:
        """Prepared faces to the networks' embeddings, side by side."""
        return torch.cat(self.model(prepared).chunk(self.copies), dim=1)


class _EachItsOwn(nn.Module):  # one layer for each equal part of the batch
    def __init__(self, layers: Sequence[nn.Module]):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, faces: Tensor) -> Tensor:
        parts = faces.chunk(len(self.layers))
        return torch.cat([layer(part) for layer, part in zip(self.layers, parts, strict=True)])


def shared_embedder(
    model: FaceModel, pruned: Sequence[FaceModel], batch_size: int | None = None, device: str = "auto"
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """From faces to 1 + K raw embeddings, float32 n×d, by a network and K prunings of it.

    The same as of an `Embedder` to rounding, and cheaper. Raises `InputError` for a pruning that is not unstructured,
    or none that differs from the network.
    """
    embedder = Embedder([SharedPrefix(model, pruned)], batch_size, device)
    return lambda images: np.split(embedder(images)[0], 1 + len(pruned), axis=1)


def shared_passes(model: FaceModel, pruned: Sequence[FaceModel]) -> float:
    """What `shared_embedder` costs in forward passes of the network, counted: from 1 to 1 + K."""
    return flops(SharedPrefix(model, pruned)) / flops(model)
