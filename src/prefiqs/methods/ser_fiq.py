"""SER-FIQ: how stable the embedding of a face is under dropout on the features before the embedding layer.

Source: Terhörst et al., "SER-FIQ: Unsupervised Estimation of Face Image Quality Based on Stochastic Embedding
Robustness", CVPR 2020, eq. 1-2: d̄ = mean Euclidean distance between the T normalised embeddings of T stochastic
passes, score = 2/(1 + exp(d̄)). Cost: one forward pass, plus T passes through the embedding layer and the layers after
it.

As in the published implementation (T = 100): dropout 0.5 on the input features of the embedding layer. Nothing else is
random, so the backbone runs once. All pairs are used. Its later version maps scores by 1/(1 + exp(−α(s − r))) with α =
130, r = 0.88, which keeps the ranking but rounds all scores above 0.99 to 1 in float32; here the map is optional. The T
masks depend only on the seed and are the same for every face, so a score depends only on its face.
"""

from threading import Lock

import numpy as np
import torch
from torch import Tensor, nn

from prefiqs.embedding.embedder import Embedder
from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE
from prefiqs.methods._probes import Probe, private_copy
from prefiqs.methods._scorer import Scored, Scorer
from prefiqs.models.face_model import FaceModel
from prefiqs.pruning.mask import embedding_layer

_TOGETHER = 7  # passes that share their products: 2⁷ classes, each with enough features for a fast matrix product


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

    Raises `InputError` unless the last layer with weights makes the embedding from a vector of features.

    Args:
        passes: T, at least 2; the first of many passes are those of few.
        dropout: share of the features that each pass drops, in (0, 1).
        seed: of the masks.
        alpha, r: slope and middle of the published map; without `alpha` there is no map, and scores are in [0.24, 1].
    """
    own = private_copy(model, "ser-fiq", device)
    if passes < 2 or not 0 < dropout < 1:
        raise InputError("SER-FIQ needs at least 2 passes and a dropout between 0 and 1 (exclusive), not "
                         f"passes={passes} and dropout={dropout}.")  # fmt: skip
    backbone = _Backbone(own)
    features_of = Embedder([backbone], batch_size, device)
    random = np.random.default_rng(seed)
    kept = np.stack([random.random(backbone.embedding_size) >= dropout for _ in range(passes)])
    masks = [_Masks(kept[start : start + _TOGETHER], own.device) for start in range(0, passes, _TOGETHER)]
    alone = Lock()

    def score(images: np.ndarray) -> Scored:
        (features,) = features_of(images)
        with alone, torch.no_grad():  # a hook takes part
            embeddings = backbone.embeddings(torch.from_numpy(features).to(own.device), masks, dropout)
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


class _Masks:
    """The dropout masks of a few passes, `kept` (passes×D)."""

    # Features that are kept by the same passes form a class. Their products with the layer's weights are summed once,
    # and each pass adds up the classes that it keeps. Seven passes then cost as much as two that run one by one.
    def __init__(self, kept: np.ndarray, device: torch.device):
        passes = len(kept)
        classes = 2 ** np.arange(passes) @ kept
        self.order = torch.from_numpy(np.argsort(classes, kind="stable")).to(device)
        self.sizes = np.bincount(classes, minlength=2**passes).tolist()
        bits = np.arange(2**passes) >> np.arange(passes)[:, None] & 1
        self.keeps = torch.from_numpy(bits.astype(np.float32)).to(device)  # passes × classes

    def products(self, columns: Tensor, weights: Tensor) -> Tensor:
        """Features D×n and weights D×d to the products of what each pass keeps, passes×n×d."""
        parts = (table.index_select(0, self.order).split(self.sizes) for table in (columns, weights))
        sums = torch.stack([c.T @ w for c, w in zip(*parts, strict=True)])
        return (self.keeps @ sums.flatten(1)).unflatten(1, sums.shape[1:])


class _Backbone(Probe):
    """A network up to its embedding layer."""

    layer: nn.Linear | nn.Conv2d

    def __init__(self, model: FaceModel):
        name = embedding_layer(model)
        layer: nn.Linear | nn.Conv2d = model.get_submodule(name)  # type: ignore[assignment]
        weight = layer.weight.detach().flatten(1)  # a convolution over the whole map is a linear layer, too
        super().__init__(model, weight.shape[1])
        self.layer, self.weight = layer, weight
        self.blank = torch.zeros(1, 3, FACE_SIZE, FACE_SIZE, device=weight.device)
        with torch.no_grad():
            seen = [(inputs.shape[1], outputs.shape[1]) for inputs, outputs in self._enter(self.blank)]
        if seen != [weight.T.shape]:
            raise InputError(f"SER-FIQ needs a network whose last layer with weights makes the embedding from a vector "
                             f"of features, but {name} of {model.name} does not.")  # fmt: skip

    def _enter(self, prepared: Tensor) -> list[tuple[Tensor, Tensor]]:
        """What enters and leaves the embedding layer, n×D and n×d, each time that it is used."""
        seen: list[tuple[Tensor, Tensor]] = []
        with self.layer.register_forward_hook(lambda _, i, o: seen.append((i[0].flatten(1), o.flatten(1)))):
            self.model(prepared)
        return seen

    def forward(self, prepared: Tensor) -> Tensor:
        """Prepared faces to the features that enter the embedding layer, n×D."""
        [(features, _)] = self._enter(prepared)
        return features

    def embeddings(self, features: Tensor, masks: list[_Masks], dropout: float) -> Tensor:
        """From features, n×D, to the embeddings of all passes, T×n×d."""
        columns, weights = features.T.contiguous(), self.weight.T.contiguous()
        outputs = torch.cat([group.products(columns, weights) for group in masks]) / (1 - dropout)
        if self.layer.bias is not None:
            outputs += self.layer.bias
        # The network runs on one blank face, and these outputs take the place of that face's.
        shape = [-1, outputs.shape[2], *[1] * (self.layer.weight.dim() - 2)]
        with self.layer.register_forward_hook(lambda *_: outputs.reshape(shape)):
            return self.model(self.blank).unflatten(0, outputs.shape[:2])
