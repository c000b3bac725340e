"""Pruning margin: the length of the embedding, weighted by how well its features agree.

Source: an extension of this project, not of the paper. Let f be the features that enter the embedding layer, W the
weights of this layer times the scale of a batch norm behind it, e the embedding and ê = e/‖e‖. Feature j contributes
c_j = f_j·(Wᵀê)_j to the length of the embedding: ‖e‖ = Σ c_j, apart from the bias. With κ = |Σ c_j| / Σ |c_j|, the
consensus, in [0, 1], score = ‖e‖·κ².

The consensus ranks as the worst-case margin against pruning. Let P be the sum of the positive contributions and N that
of the negative ones, so κ = (P − N)/(P + N). Nothing of the embedding is left in its own direction once the share
(P − N)/P = 2κ/(1 + κ) of all supporting evidence is removed, and no choice of features to prune needs less. PreFIQs
asks for one mask instead, that of the smallest weights. Cost: one forward pass, and one product with Wᵀ.
"""

import torch
from torch import Tensor, nn

from prefiqs.embedding.embedder import Embedder
from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE
from prefiqs.methods._probes import Probe, private_copy, require_length
from prefiqs.methods._scorer import Scored, Scorer
from prefiqs.models.face_model import FaceModel
from prefiqs.pruning.mask import embedding_layer


def scorer(model: FaceModel, batch_size: int | None = None, device: str = "auto") -> Scorer:
    """Quality of n aligned faces, float32 n, from 0 to the length of the embedding, higher = better.

    Raises `InputError` unless the last layer with weights makes the embedding from a vector of features, with at most a
    batch norm behind it.
    """
    own = private_copy(model, "pruning-margin", device)
    require_length(own, "pruning-margin", device)
    margin_of = Embedder([PruningMargin(own)], batch_size, device)
    return lambda images: Scored(margin_of(images)[0][:, 0])


class PruningMargin(Probe):
    """A network that gives the score of each face, n×1; `enter` and `contributions` give what it is made of."""

    layer: nn.Linear | nn.Conv2d
    weight: Tensor

    def __init__(self, model: FaceModel):
        super().__init__(model, 1)
        name = embedding_layer(model)
        self.layer = model.get_submodule(name)  # type: ignore[assignment]
        noise = torch.randn(2, 3, FACE_SIZE, FACE_SIZE, generator=torch.Generator().manual_seed(0))
        faces = (noise + torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1)).to(self.layer.weight.device)  # one dark
        with torch.no_grad():
            features, embeddings = self.enter(faces)
            # All else being linear, outputs of 0 and of 1 differ in the embedding by the scale.
            fixed = torch.arange(2.0, device=faces.device).reshape(2, *[1] * (self.layer.weight.dim() - 1))
            with self.layer.register_forward_hook(lambda _, __, outputs: fixed.expand_as(outputs)):
                offset, ones = self.model(faces)
        weight = self.layer.weight.detach().flatten(1)
        if weight.shape == (embeddings.shape[1], features.shape[1]):
            self.register_buffer("weight", (ones - offset)[:, None] * weight)  # d×D
            first, second = embeddings - features @ self.weight.T  # the bias, if all is linear
            if torch.allclose(first, second, rtol=0, atol=1e-3 * float(embeddings.abs().max())):
                return
        raise InputError(
            f"The method pruning-margin needs a network whose last layer with weights gives the embedding, followed by "
            f"at most a batch norm, but {name} of {self.name} is not such a layer."
        )

    def enter(self, prepared: Tensor) -> tuple[Tensor, Tensor]:
        """Prepared faces to the features that enter the embedding layer, n×D, and the embeddings, n×d."""
        seen: list[Tensor] = []
        with self.layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])):
            embeddings = self.model(prepared)
        return seen[0].flatten(1), embeddings

    def contributions(self, features: Tensor, embeddings: Tensor) -> Tensor:
        """What each feature contributes to the length of the embedding, n×D, from what `enter` gives."""
        return features * (nn.functional.normalize(embeddings) @ self.weight)

    def forward(self, prepared: Tensor) -> Tensor:
        """Prepared faces to ‖e‖·κ², n×1."""
        features, embeddings = self.enter(prepared)
        return (embeddings.norm(dim=1) * consensus(self.contributions(features, embeddings)) ** 2)[:, None]


def consensus(contributions: Tensor) -> Tensor:
    """κ = |Σ c_j| / Σ |c_j| of contributions, n×D: n, in [0, 1]; 0 where there are none."""
    return contributions.sum(dim=1).abs() / contributions.abs().sum(dim=1).clamp(min=torch.finfo().tiny)
