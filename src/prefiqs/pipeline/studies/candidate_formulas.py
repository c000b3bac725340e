"""Formulas of training-free scores, the candidates of notebooks 20 and 21: n faces to n scores, higher = better."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from prefiqs.embedding.flops import flops
from prefiqs.embedding.vectors import drift, normalise, quality_from_drift
from prefiqs.faces.template import FACE_SIZE
from prefiqs.methods._probes import with_fixed_weights
from prefiqs.methods.pruning_margin import PruningMargin, consensus
from prefiqs.models.face_model import FaceModel
from prefiqs.pruning.mask import prunable_weights

ONE, GRADIENT, TWO = "one pass", "one pass and a gradient", "two passes"
NORM, CONSENSUS, MARGIN = "norm ‖e‖", "consensus κ", "pruning-margin ‖e‖·κ²"
MIRRORED = ("½‖e + mirror‖", "½‖e + mirror‖·κ·κ of the mirror image")  # which take two passes
PREFIQS, PROJECTION = "PreFIQs", "e_ρ·ê"  # at every ratio
AT_DEPTH = "random features at {} of the depth"
HALFWAY = AT_DEPTH.format("½")
BEST = (MARGIN, HALFWAY, MIRRORED[1])  # of each price, on the data that chose the margin
LAST_RATIO = 0.6  # of the weights of the embedding layer
BATCH = 4  # faces at a time, for gradients


def with_ratio(name: str, ratio: float) -> str:
    """The label of a score that depends on the ratio of pruning."""
    return f"{name}, ρ = {ratio:g}"


LAST_PRUNED = with_ratio(f"last layer pruned, {PROJECTION}", LAST_RATIO)


def chosen_on(ratios: Iterable[float]) -> dict[str, tuple[str, ...]]:
    """The benchmarks on which a score was chosen among others, by its label; its results there are marked."""
    former = [LAST_PRUNED, *(with_ratio(PROJECTION, ratio) for ratio in ratios)]  # was a method of this project
    return {**dict.fromkeys(former, ("orl-xq", "lfw")), **dict.fromkeys(BEST, ("lfw", "cfp-fp"))}


class LastLayer(PruningMargin):
    """A network that gives the D features that enter the embedding layer, and the d numbers of the embedding."""

    def __init__(self, model: FaceModel):
        super().__init__(model)
        self.embedding_size = sum(self.weight.shape)

    def forward(self, prepared: Tensor) -> Tensor:
        """Prepared faces to features and embeddings, n×(D+d)."""
        return torch.cat(self.enter(prepared), dim=1)

    def evidence(self, both: np.ndarray) -> "Evidence":
        """What `forward` gave, with the weights."""
        size = self.weight.shape[1]
        return Evidence(both[:, :size], both[:, size:], self.weight.cpu().numpy())

    def evidence_of(self, images: np.ndarray) -> "Evidence":
        """The evidence of a few aligned faces."""
        with torch.no_grad():
            return self.evidence(self(self.prepare(images)).cpu().numpy())


class Evidence(NamedTuple):
    """Features that enter the embedding layer, n×D, the embeddings that it makes, n×d, and its weights, d×D."""

    features: np.ndarray
    embeddings: np.ndarray
    weight: np.ndarray

    @property
    def length(self) -> np.ndarray:
        """‖e‖."""
        return np.linalg.norm(self.embeddings, axis=1)

    @property
    def contributions(self) -> np.ndarray:
        """What each feature contributes to the length of the embedding: c_j = f_j·(Wᵀê)_j, n×D."""
        return self.features * (normalise(self.embeddings) @ self.weight)

    @property
    def consensus(self) -> np.ndarray:
        """κ = |Σ c_j| / Σ |c_j|."""
        return consensus(torch.from_numpy(self.contributions)).numpy()


def of_the_last_layer(seen: Evidence, mirrored: Evidence, removed: np.ndarray) -> dict[str, np.ndarray]:
    """Scores from what enters and leaves the embedding layer, of faces and of their mirror images.

    Closed forms: let features or weights of this layer be removed at random. To first order, the embedding moves by a
    variance whose part across its own direction is, up to a factor, Σ f_j²(‖W_j‖² − (W_j·ê)²) for features (which is
    SER-FIQ) and Σ W_ij²f_j²(1 − ê_i²) for weights. Along its direction it is Σ c_j² for features.

    removed: the weights that L1 pruning of this layer removes, d×D, 0 elsewhere.
    """
    f, W, length, c, kappa = seen.features, seen.weight, seen.length, seen.contributions, seen.consensus
    direction = normalise(seen.embeddings)
    across = (f**2 * (W**2).sum(axis=0) - c**2).sum(axis=1)
    across_of_weights = ((f**2 @ (W**2).T) * (1 - direction**2)).sum(axis=1)
    without_last = seen.embeddings - f @ removed.T
    without_worst = seen.embeddings - (f * _worst(c)) @ W.T
    both = np.linalg.norm(seen.embeddings + mirrored.embeddings, axis=1) / 2
    return {
        NORM: length,
        CONSENSUS: kappa,
        MARGIN: length * kappa**2,
        "random features, closed form (SER-FIQ)": length / np.sqrt(across),
        "random weights, closed form": length / np.sqrt(across_of_weights),
        "random features, along ê": length / np.sqrt((c**2).sum(axis=1)),
        "worst features removed, ‖e‖·(1 − D/2)": length
        * quality_from_drift(drift(direction, normalise(without_worst))),
        LAST_PRUNED: (without_last * direction).sum(axis=1),
        MIRRORED[0]: both,
        MIRRORED[1]: both * kappa * mirrored.consensus,
    }


def _worst(contributions: np.ndarray) -> np.ndarray:
    """Which features make up the larger half of the support of each embedding, the largest contributions first."""
    order = np.argsort(-contributions, axis=1)
    support = np.take_along_axis(contributions.clip(0), order, axis=1).cumsum(axis=1)
    removed = np.empty(contributions.shape, bool)
    np.put_along_axis(removed, order, support <= support[:, -1:] / 2, axis=1)
    return removed


def of_gradients(sums: Sequence[np.ndarray], length: np.ndarray) -> dict[str, np.ndarray]:
    """Scores from what `contribution_sums` gives, halfway and at three quarters of the network."""
    found, agreements = {}, []
    for depth, (total, magnitude, squares) in zip(("½", "¾"), (part.T for part in sums), strict=True):
        agreements.append(np.abs(total) / magnitude)
        found[f"‖e‖·κ² at {depth} of the depth"] = length * agreements[-1] ** 2
        found[AT_DEPTH.format(depth)] = length / np.sqrt(squares)
    found["‖e‖·κ², geometric mean of both depths"] = length * np.prod(agreements, axis=0)
    return found


def contribution_sums(model: FaceModel) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """A function of n prepared faces that gives Σ c, Σ |c| and Σ c², n×3, halfway and at three quarters of the layers.

    c = a·∂‖e‖/∂a for the input a of a layer, through this layer alone where the input goes elsewhere, too.
    """
    forward, names = with_fixed_weights(model), list(prunable_weights(model))
    layers = [names[len(names) * quarters // 4].removesuffix(".weight") for quarters in (2, 3)]

    def function(prepared: Tensor) -> tuple[Tensor, ...]:
        entered: list[Tensor] = []

        def enter(_, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
            entered.append(inputs[0].clone() if inputs[0].requires_grad else inputs[0].detach().requires_grad_())
            return (entered[-1],)

        with torch.enable_grad(), ExitStack() as hooks:
            for layer in layers:
                hooks.enter_context(model.get_submodule(layer).register_forward_pre_hook(enter))
            gradients = torch.autograd.grad(forward(prepared).norm(dim=1).sum(), entered)
        contributed = [(a.detach() * g).flatten(1) for a, g in zip(entered, gradients, strict=True)]
        return tuple(torch.stack([c.sum(1), c.abs().sum(1), (c**2).sum(1)], dim=1) for c in contributed)

    return function


def of_two_passes(
    plain: np.ndarray, pruned: Mapping[float, np.ndarray], last: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """PreFIQs and its mixtures with the norm and the margin. plain, pruned: raw embeddings, the latter by ratio."""
    found, direction = {}, normalise(plain)
    for ratio, moved in pruned.items():
        quality = quality_from_drift(drift(direction, normalise(moved)))
        found[with_ratio(PREFIQS, ratio)] = quality
        found[with_ratio("‖e‖·(1 − D/2)", ratio)] = last[NORM] * quality
        found[with_ratio("‖e‖·κ²·(1 − D/2)", ratio)] = last[MARGIN] * quality
        found[with_ratio(PROJECTION, ratio)] = (moved * direction).sum(axis=1)
    return found


def counted_passes(probe: LastLayer) -> dict[str, float]:
    """What the kinds of scores cost in forward passes of the network, counted in multiply-adds."""
    whole = flops(probe.model)
    face = probe.model.prepare(np.zeros((1, FACE_SIZE, FACE_SIZE, 3), np.uint8))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        contribution_sums(probe.model)(face)
    # One pass, and a second product with the weights of the embedding layer.
    return {ONE: 1 + 2 * probe.weight.numel() / whole, GRADIENT: counter.get_total_flops() / whole, TWO: 2.0}


def relative_areas(areas: pd.DataFrame) -> pd.Series:
    """Areas of scores (columns key, verifier, pauc) over that of the norm with the same verifier."""
    norm = areas[areas["key"] == NORM].set_index("verifier")["pauc"]
    return areas["pauc"] / areas["verifier"].map(norm)
