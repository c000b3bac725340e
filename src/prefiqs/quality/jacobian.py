"""Jacobian drift: the first-order, exact-derivative reading of pruning drift.

Source: PreFIQs, sec. 3.2.1, eq. 8-9: ‖J_θ(x)·Δθ‖₂, where J is the Jacobian of the L2-normalised embedding with respect
to the weights and Δθ = θ_ρ − θ (−θ_i on pruned weights, 0 elsewhere). Forward-mode automatic differentiation gives the
product without forming J. Cost: one pass with tangents, about three forward passes.
"""

from __future__ import annotations

import logging

import numpy as np
import torch
from openvino.frontend import OpConversionFailure
from torch import Tensor
from torch._decomp import get_decompositions
from torch.func import functional_call, jvp
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel

from prefiqs import pruning
from prefiqs.core.errors import InputError
from prefiqs.core.recipe import Recipe
from prefiqs.embedding import batches, compile_graph, openvino_graph, run_padded, torch_engine
from prefiqs.models import FACE_SIZE, FaceModel, resolve_device

# Tracing the derivative for the CPU engine takes as long as this many faces in eager PyTorch.
_WORTH_COMPILING = 128
# Tangents double what a face takes in memory: small batches stay in the cache.
BATCH_SIZE = 4

_aten = torch.ops.aten


def score(
    images: np.ndarray, model: FaceModel, ratio: float = 0.1, criterion: str = "l1", seed: int = 0, device: str = "auto"
) -> np.ndarray:
    """Minus the Jacobian drift of n aligned faces, float32 n, at most 0, higher = better."""
    pruned = pruning.apply(model, pruning.choose(model, Recipe(ratio, "unstructured", criterion, seed)))
    return -jacobian_drift(model, pruned, images, device=device)


def jacobian_drift(
    model: FaceModel, pruned: FaceModel, images: np.ndarray, batch_size: int = BATCH_SIZE, device: str = "auto"
) -> np.ndarray:
    """‖J_θ(x)·Δθ‖₂ for Δθ = weights of `pruned` − weights of `model` (PreFIQs, eq. 9): float32 n, larger = worse.

    Raises:
        InputError: `pruned` is not an unstructured pruning of `model` (its weights have other shapes).
    """
    target = resolve_device(device)
    function = normalised_jvp(model.to(target), pruned.to(target))
    if target.type == "cpu" and len(images) >= _WORTH_COMPILING:
        engine = _compile(function, batch_size)
    else:
        engine = torch_engine(function)
    parts = [run_padded(engine, model.prepare(faces), batch_size)[1] for faces in batches(images, batch_size)]
    tangents = np.concatenate(parts) if parts else np.empty((0, model.embedding_size))
    return np.linalg.norm(tangents.astype(np.float64), axis=1).astype(np.float32)


def normalised_jvp(model: FaceModel, pruned: FaceModel):
    """The function from prepared faces to (ê(x), J_θ(x)·Δθ), both n×d."""
    weights, other = pruning.prunable_weights(model), pruning.prunable_weights(pruned)
    for name, weight in weights.items():
        if name not in other or other[name].shape != weight.shape:
            raise InputError(f"Expected an unstructured pruning of {model.name}, got another shape for {name}; "
                             "the Jacobian needs both networks to have the same weights.")  # fmt: skip
    primals = {name: weight.detach() for name, weight in weights.items()}
    tangents = {name: other[name].detach() - weight for name, weight in primals.items()}

    def function(prepared: Tensor) -> tuple[Tensor, Tensor]:
        def normalised_embedding(parameters: dict[str, Tensor]) -> Tensor:
            return torch.nn.functional.normalize(functional_call(model, parameters, (prepared,)))

        with sdpa_kernel(SDPBackend.MATH):  # fused attention has no forward-mode derivative
            return jvp(normalised_embedding, (primals,), (tangents,))

    return function


def _compile(function, batch_size: int):
    """Trace the derivative into a plain graph and hand it to OpenVINO: five times faster on a CPU, and a little closer
    to float64 than eager PyTorch. A network with an operation that OpenVINO lacks stays with PyTorch."""
    faces = torch.zeros(batch_size, 3, FACE_SIZE, FACE_SIZE)
    try:
        with torch.no_grad():
            traced = make_fx(function, decomposition_table=_DECOMPOSITIONS)(faces)
            _fold_constants(traced)
        graph = openvino_graph(traced, faces)
    except OpConversionFailure as error:
        logging.getLogger(__name__).warning("Jacobian drift stays with PyTorch, which is slower: %s", error)
        return torch_engine(function)
    return compile_graph(graph, batch_size)


def _fold_constants(traced: torch.fx.GraphModule) -> None:
    """Compute once what does not depend on the faces, and put the results in the graph's place.

    This is no luxury: the derivative of batch norm fills constants in place, and OpenVINO would fill them anew,
    wrongly, at every call.
    """
    known: dict[torch.fx.Node, object] = {}
    for node in list(traced.graph.nodes):
        if node.op == "get_attr":
            known[node] = getattr(traced, node.target)
        elif node.op == "call_function" and all(parent in known for parent in node.all_input_nodes):
            args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), known.__getitem__)
            known[node] = node.target(*args, **kwargs)
    for i, (node, value) in enumerate(known.items()):
        if node.op == "call_function" and any(user not in known for user in node.users):
            traced.register_buffer(f"folded_{i}", value)
            with traced.graph.inserting_before(node):
                node.replace_all_uses_with(traced.graph.get_attr(f"folded_{i}"), lambda user: user not in known)
    for node in reversed([n for n in known if n.op == "call_function"]):
        traced.graph.erase_node(node)
    traced.graph.eliminate_dead_code()
    traced.recompile()


def _inference_batch_norm(x, weight, bias, mean, variance, training, momentum, eps):
    """Batch norm with fixed statistics, written out: the traced operator has no counterpart in OpenVINO."""
    shape = (1, -1) + (1,) * (x.dim() - 2)
    scale = (1 if weight is None else weight) * torch.rsqrt(variance + eps)
    offset = (0 if bias is None else bias) - mean * scale
    return x * scale.reshape(shape) + offset.reshape(shape), x.new_empty(0), x.new_empty(0)


# Operators of the derivative that OpenVINO lacks, in terms of those it has; the first five are those of attention.
_DECOMPOSITIONS = {
    **get_decompositions(
        [_aten._softmax, _aten._safe_softmax, _aten._unsafe_view, _aten.native_layer_norm, _aten.hardtanh_backward]
    ),
    _aten._new_zeros_with_same_feature_meta.default: lambda _, like, **__: torch.zeros_like(like),
    _aten._prelu_kernel.default: lambda x, weight: torch.where(x > 0, x, x * weight),
    _aten.native_batch_norm.default: _inference_batch_norm,
    _aten._to_copy.default: lambda x, **_: x.clone(),
}
