"""Batch norm folded into the layer before it, which changes the weights but not what the network computes.

The magnitudes that PreFIQs ranks are those of the weights as published. After folding, each filter is scaled by its
batch norm, γ/√(σ² + ε), and other weights are the smallest: an ablation shows what that matters.
"""

import copy
from collections import Counter
from collections.abc import Callable

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from prefiqs.errors import InputError
from prefiqs.models.face_model import FaceModel, require_eval_mode


class FusedBatchNorm(nn.Identity):
    """Stands for a batch norm that was folded, so that the network is not mistaken for one without batch norms."""


def fuse_batch_norm(model: FaceModel) -> FaceModel:
    """A copy of a network in which every batch norm directly behind a convolution or linear layer is folded into it.

    Embeddings are equal to about 1e-6. Each folded batch norm becomes a `FusedBatchNorm`; one behind anything else (as
    before the embedding layer of SFace) stays. Raises `InputError` for a network in training mode, or one whose order
    of layers torch.fx cannot follow.
    """
    require_eval_mode(model)
    try:
        nodes = fx.Tracer().trace(model).nodes
    except (fx.proxy.TraceError, TypeError) as error:
        raise InputError(f"torch.fx cannot trace {type(model).__name__} ({error}): its forward must not depend on "
                         "values or on the number of faces.") from error  # fmt: skip
    folded = copy.deepcopy(model)
    modules = {node: folded.get_submodule(node.target) for node in nodes if node.op == "call_module"}
    uses = Counter(node.target for node in modules)
    for node, norm in modules.items():
        if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            continue
        before = node.all_input_nodes[0]
        layer, alone = modules.get(before), len(before.users) == 1 and uses[before.target] == uses[node.target] == 1
        if not alone or not isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            continue
        # torch folds γ and β into a linear layer only where there are some
        if not norm.affine and norm.running_mean is not None:
            norm.weight = nn.Parameter(torch.ones_like(norm.running_mean))
            norm.bias = nn.Parameter(torch.zeros_like(norm.running_mean))
        fuse: Callable = fuse_linear_bn_eval if isinstance(layer, nn.Linear) else fuse_conv_bn_eval
        folded.set_submodule(before.target, fuse(layer, norm))
        folded.set_submodule(node.target, FusedBatchNorm())
    return folded
