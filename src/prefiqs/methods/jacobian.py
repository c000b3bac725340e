"""Jacobian drift: the first-order approximation of drift, from an exact derivative.

Source: PreFIQs, sec. 3.2.1, eq. 8-9: ‖J_θ(x)·Δθ‖₂, where J is the Jacobian of the L2-normalised embedding with respect
to the weights and Δθ = θ_ρ − θ (−θ_i on pruned weights, 0 elsewhere). Forward-mode automatic differentiation gives the
product without forming J. Cost: one pass with tangents, about three forward passes.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from prefiqs.methods._probes import derivatives
from prefiqs.methods._scorer import Scored, Scorer
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import on_device, resolve_device
from prefiqs.pruning.mask import prunable_weights, weights_like
from prefiqs.pruning.prune import prune

BATCH_SIZE = 4  # tangents double what a face takes in memory: small batches stay in the cache


def scorer(
    model: FaceModel,
    ratio: float = 0.1,
    criterion: str = "l1",
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
    device: str = "auto",
) -> Scorer:
    """Minus the Jacobian drift of n aligned faces, float32 n, at most 0, higher = better."""
    pruned = prune(model, ratio, "unstructured", criterion, seed)
    drifts = _drifts(model, [pruned], batch_size, device)
    return lambda images: Scored(-drifts(images)[0])


def jacobian_drift(
    model: FaceModel,
    pruned: FaceModel | Sequence[FaceModel],
    images: np.ndarray,
    batch_size: int = BATCH_SIZE,
    device: str = "auto",
) -> np.ndarray | list[np.ndarray]:
    """‖J_θ(x)·Δθ‖₂ for Δθ = weights of `pruned` − weights of `model` (PreFIQs, eq. 9): float32 n, larger = worse.

    For a list of pruned networks, such as one per ρ, returns a list; on a CPU they share the forward pass of `model`.
    Raises `InputError` if `pruned` is not an unstructured pruning of `model`.
    """
    if isinstance(pruned, FaceModel):
        return _drifts(model, [pruned], batch_size, device, len(images))(images)[0]
    return _drifts(model, pruned, batch_size, device, len(images))(images)


def _drifts(
    model: FaceModel, pruned: Sequence[FaceModel], batch_size: int, device: str, faces: float = np.inf
) -> Callable[[np.ndarray], list[np.ndarray]]:
    own, *others = (on_device(network, resolve_device(device), private=True) for network in (model, *pruned))
    jvps = derivatives(normalised_jvp(own, *others), own, batch_size, "Jacobian drift", faces)

    def drifts(images: np.ndarray) -> list[np.ndarray]:
        tangents = jvps(images)[1:] or [np.empty((0, model.embedding_size))] * len(pruned)
        return [np.linalg.norm(tangent.astype(np.float64), axis=1).astype(np.float32) for tangent in tangents]

    return drifts


def normalised_jvp(model: FaceModel, *pruned: FaceModel) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """A function that maps prepared faces to ê(x) and J_θ(x)·Δθ of each pruned network, n×d; a CPU needs one pass."""
    primals = {name: weight.detach() for name, weight in prunable_weights(model).items()}
    steps = [
        {name: other.detach() - primals[name] for name, other in weights_like(model, network).items()}
        for network in pruned
    ]

    def function(prepared: Tensor) -> tuple[Tensor, ...]:
        def normalised_embedding(parameters: dict[str, Tensor]) -> Tensor:
            return torch.nn.functional.normalize(functional_call(model, parameters, (prepared,)))

        with sdpa_kernel(SDPBackend.MATH):  # fused attention has no forward-mode derivative
            both: list[tuple] = [jvp(normalised_embedding, (primals,), (step,)) for step in steps]
        return both[0][0], *(tangent for _, tangent in both)

    return function
