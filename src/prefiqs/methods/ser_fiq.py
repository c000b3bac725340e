"""SER-FIQ: how little the embedding of a face moves when dropout thins out the features that it is made of.

Source: Terhörst et al., "SER-FIQ: Unsupervised Estimation of Face Image Quality Based on Stochastic Embedding
Robustness", CVPR 2020, eq. 1-2: d̄ = mean Euclidean distance between the T normalised embeddings of T stochastic
passes, score = 2/(1 + exp(d̄)). Cost: one forward pass, and T through the embedding layer and what follows it.

As in the published implementation (T = 100): dropout 0.5 on the features that enter the embedding layer, the one place
that is random, so that the backbone runs once; all pairs. Its later version maps scores by 1/(1 + exp(−α(s − r))) with
α = 130, r = 0.88, which changes no ranking, but brings all above 0.99 to 1 in float32: here the map is an option.
The T masks belong to the seed and are the same for every face, so that a score depends on nothing but its face.
"""

from threading import Lock

import numpy as np
import torch
from torch import Tensor, nn

from prefiqs.embedding.embedder import Embedder
from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE
from prefiqs.methods._probes import DropoutMaskGroups, draw_masks, require_layers
from prefiqs.methods._scorer import Scored, Scorer
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import on_device, resolve_device
from prefiqs.pruning.mask import embedding_layer


def scorer(
    model: FaceModel,
    passes: int = 100,
    dropout: float = 0.5,
    seed: int = 0,
    alpha: float | None = None,
    r: float = 0.88,
    batch_size: int | None = None,
    device: str = "auto",
) -> Scorer:
    """Quality of n aligned faces, float32 n in (0, 1], higher = better.

    Args:
        model: a network whose embedding layer is linear.
        passes: T, at least 2; the first of many passes are those of few.
        dropout: share of the features that each pass drops, in (0, 1).
        seed: of the masks.
        alpha: slope of the published map, 130 there; None for scores without it, in [0.24, 1].
        r: middle of the published map.
        batch_size: faces at a time through the backbone; does not change the result beyond 1e-6.
        device: "auto" (CUDA where there is one), "cpu" or "cuda".

    Raises:
        InputError: an option out of its range, or a network whose last layer with weights does not make the embedding.
    """
    target = resolve_device(device)
    require_layers(model, "ser-fiq")
    if passes < 2 or not 0 < dropout < 1:
        raise InputError("SER-FIQ needs at least 2 passes and a dropout between 0 and 1 (exclusive), not "
                         f"passes={passes} and dropout={dropout}.")  # fmt: skip
    backbone = _Backbone(on_device(model, target, private=True))
    features_of = Embedder([backbone], batch_size, device)
    masks, alone = draw_masks(backbone.embedding_size, passes, dropout, seed, target), Lock()

    def score(images: np.ndarray) -> Scored:
        (features,) = features_of(images)
        with alone:  # a hook takes part
            embeddings = _stochastic_embeddings(backbone, torch.from_numpy(features).to(target), masks, dropout)
        robustness = 2 / (1 + np.exp(mean_pairwise_distance(embeddings).cpu().numpy()))
        if alpha is not None:
            robustness = 1 / (1 + np.exp(-alpha * (robustness - r)))
        return Scored(robustness)

    return score


def mean_pairwise_distance(embeddings: Tensor) -> Tensor:
    """Mean Euclidean distance over all pairs of the T normalised embeddings of each face: T×n×d to float64 n."""
    rows = nn.functional.normalize(embeddings.double().transpose(0, 1), dim=2)
    products = rows @ rows.transpose(1, 2)  # in float64: small distances keep their digits
    squares = products.diagonal(dim1=1, dim2=2)
    squared = (squares[:, :, None] + squares[:, None, :] - 2 * products).clamp(min=0)
    passes = len(embeddings)
    return squared.sqrt().triu(1).sum((1, 2)) / (passes * (passes - 1) / 2)


class _Backbone(FaceModel):
    """A network up to its embedding layer: prepared faces to the features that enter it, n×D."""

    def __init__(self, model: FaceModel):
        name = embedding_layer(model)
        layer = model.get_submodule(name)
        if not isinstance(layer, nn.Linear):
            raise InputError(f"SER-FIQ needs a network with a linear embedding layer, but the last layer with weights "
                             f"of {model.name}, {name}, is a {type(layer).__name__}.")  # fmt: skip
        super().__init__(model.name, model.input_spec, layer.in_features)
        self.model, self.layer, self.layer_name = model, layer, name
        self.training = False

    def forward(self, prepared: Tensor) -> Tensor:
        seen: list[Tensor] = []
        with self.layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])):
            self.model(prepared)
        if len(seen) != 1 or seen[0].dim() != 2:
            raise InputError(f"SER-FIQ needs a network whose last layer with weights makes the embedding, but "
                             f"{self.layer_name} of {self.name} does not.")  # fmt: skip
        return seen[0]

    def rest(self, outputs: Tensor) -> Tensor:
        """From outputs of the embedding layer, m×d, to embeddings, m×d.

        The network runs on one blank face, and the given outputs take the place of that face's.
        """
        blank = torch.zeros(1, 3, FACE_SIZE, FACE_SIZE, device=outputs.device)
        with self.layer.register_forward_hook(lambda *_: outputs):
            return self.model(blank)


@torch.no_grad()
def _stochastic_embeddings(
    backbone: _Backbone, features: Tensor, masks: list[DropoutMaskGroups], dropout: float
) -> Tensor:
    """The embeddings of all passes, T×n×d."""
    columns, weights = features.T.contiguous(), backbone.layer.weight.T.contiguous()
    outputs = torch.cat([group.products(columns, weights) for group in masks]) / (1 - dropout)
    if backbone.layer.bias is not None:
        outputs += backbone.layer.bias
    return backbone.rest(outputs.flatten(0, 1)).unflatten(0, outputs.shape[:2])
