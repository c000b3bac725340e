"""Batch norm folded into the layer before it, which changes the weights but not what the network computes.

The magnitudes that PreFIQs ranks are those of the weights as published. After folding, each filter is scaled by its
batch norm, γ/√(σ² + ε), and other weights are the smallest: an ablation shows what that matters.
"""

import copy
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from prefiqs.errors import InputError
from prefiqs.models.face_model import require_eval_mode

Network = TypeVar("Network", bound=nn.Module)

_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class FusedBatchNorm(nn.Identity):
    """Stands for a batch norm that was folded, so that the network is not mistaken for one without batch norms."""


def fuse_batch_norm(model: Network) -> Network:
    """A copy of a network in which every batch norm directly behind a convolution or linear layer is folded into it.

    The copy is of the same class and has a `FusedBatchNorm` for each batch norm that was folded; its embeddings
    are equal to about 1e-6. A batch norm behind anything else (as before the embedding layer of SFace) stays.

    Raises `InputError` for a network in training mode, or one whose order of layers torch.fx cannot follow.
    """
    require_eval_mode(model)
    folded = copy.deepcopy(model)
    for layer, norm in _pairs(model):
        before, behind = folded.get_submodule(layer), folded.get_submodule(norm)
        assert isinstance(behind, _NORMS)  # as those of `_pairs` are
        # torch folds γ and β into a linear layer only where there are some
        if not behind.affine and behind.running_mean is not None:
            behind.weight = nn.Parameter(torch.ones_like(behind.running_mean))
            behind.bias = nn.Parameter(torch.zeros_like(behind.running_mean))
        fuse: Callable = fuse_linear_bn_eval if isinstance(before, nn.Linear) else fuse_conv_bn_eval
        _replace(folded, layer, fuse(before, behind))
        _replace(folded, norm, FusedBatchNorm())
    return folded


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


def _pairs(model: nn.Module) -> list[tuple[str, str]]:
    """Names of the layers with weights whose result goes into a batch norm and nowhere else, and of the batch norm."""
    try:
        nodes = fx.Tracer().trace(model).nodes
    except (fx.proxy.TraceError, TypeError) as error:
        raise InputError(
            f"torch.fx cannot trace {type(model).__name__} ({error}): its forward must not depend on values or on the "
            "number of faces."
        ) from error
    calls = [node for node in nodes if node.op == "call_module"]
    modules = {node: model.get_submodule(node.target) for node in calls}
    times = Counter(node.target for node in calls)
    pairs = []
    for norm in (node for node in calls if isinstance(modules[node], _NORMS)):
        layer = norm.all_input_nodes[0]
        alone = len(layer.users) == 1 and times[layer.target] == times[norm.target] == 1
        if alone and isinstance(modules.get(layer), _LAYERS):
            pairs.append((layer.target, norm.target))
    return pairs
