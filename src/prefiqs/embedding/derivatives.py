"""Functions that differentiate a network, as plain graphs for the CPU engine.

A derivative is traced once into the operations that compute it, and these go to OpenVINO: several times faster on a CPU
than eager PyTorch, and a little closer to float64. Every operation that OpenVINO lacks is written out below.
"""

import logging
from collections.abc import Callable
from typing import Any

import torch
from openvino.frontend import OpConversionFailure
from torch._decomp import get_decompositions
from torch.fx.experimental.proxy_tensor import make_fx

from prefiqs.embedding.engines import Engine, compile_graph, openvino_graph, torch_engine
from prefiqs.faces.template import FACE_SIZE

_aten = torch.ops.aten


def derivative_engine(function: Callable, device: torch.device, batch_size: int, name: str) -> Engine:
    """The engine of a function of `batch_size` prepared faces that gives a tensor or a tuple of them.

    Weights must not require gradients. Tracing takes as long as about 100 faces in eager PyTorch. A network with an
    operation that OpenVINO lacks stays with PyTorch; the log says so of the derivative called `name`.
    """
    if device.type != "cpu":
        return torch_engine(function)
    faces = torch.zeros(batch_size, 3, FACE_SIZE, FACE_SIZE)
    try:
        with torch.no_grad():
            traced = make_fx(function, decomposition_table=_DECOMPOSITIONS)(faces)
            _fold_constants(traced)
        graph = openvino_graph(traced, faces)
    except OpConversionFailure as error:
        logging.getLogger(__name__).warning("%s runs in PyTorch, which is slower: %s", name, error)
        return torch_engine(function)
    return compile_graph(graph, batch_size)


def _fold_constants(traced: torch.fx.GraphModule) -> None:
    """Compute once what does not depend on the faces.

    The derivative of batch norm fills constants in place, and OpenVINO would fill them again, wrongly, at every call.
    """
    known: dict[torch.fx.Node, Any] = {}
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


def _scale_and_shape(x, weight, variance, eps):
    shape = (1, -1) + (1,) * (x.dim() - 2)
    return (1 if weight is None else weight) * torch.rsqrt(variance + eps), shape


def _inference_batch_norm(x, weight, bias, mean, variance, training, momentum, eps):
    scale, shape = _scale_and_shape(x, weight, variance, eps)
    offset = (0 if bias is None else bias) - mean * scale
    return x * scale.reshape(shape) + offset.reshape(shape), x.new_empty(0), x.new_empty(0)


# This and the next give the gradient of the input alone, because weights are fixed.
def _inference_batch_norm_backward(gradient, x, weight, mean, variance, saved_mean, saved_rstd, training, eps, wanted):
    scale, shape = _scale_and_shape(x, weight, variance, eps)
    return gradient * scale.reshape(shape), None, None


def _convolution_backward(
    gradient, x, weight, bias_sizes, stride, padding, dilation, transposed, output_padding, groups, wanted
):
    # A convolution with the mirrored filters, zeros between strided steps. Not a transposed convolution: OpenVINO
    # 2026.4 gives wrong numbers for that of a strided depthwise convolution.
    reach = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    height, width = (n + 2 * p - r for n, p, r in zip(x.shape[2:], padding, reach, strict=True))
    if max(stride) > 1:
        apart = [n * s for n, s in zip(gradient.shape[2:], stride, strict=True)]
        kept = torch.zeros(apart)
        kept[:: stride[0], :: stride[1]] = 1
        gradient = _aten.upsample_nearest2d(gradient, apart) * kept  # OpenVINO pads at a fifth of that speed
        gradient = gradient[:, :, :height, :width]
    mirrored = weight.reshape(groups, -1, *weight.shape[1:]).transpose(1, 2).flatten(0, 1).flip(2, 3)
    outer = [r - p for r, p in zip(reach, padding, strict=True)]
    return torch.conv2d(gradient, mirrored, None, 1, outer, dilation, groups), None, None


# In terms of operators that OpenVINO has; the first line contains those of attention.
_DECOMPOSITIONS: dict[Any, Callable] = {
    **get_decompositions(
        [
            _aten._softmax, _aten._safe_softmax, _aten._softmax_backward_data, _aten._unsafe_view,
            _aten.native_layer_norm, _aten.native_layer_norm_backward, _aten.hardtanh_backward,
            _aten._prelu_kernel, _aten._prelu_kernel_backward,
        ]
    ),
    _aten._new_zeros_with_same_feature_meta.default: lambda _, like, **__: torch.zeros_like(like),
    _aten.native_batch_norm.default: _inference_batch_norm,
    _aten.native_batch_norm_backward.default: _inference_batch_norm_backward,
    _aten.convolution_backward.default: _convolution_backward,
    _aten._to_copy.default: lambda x, **_: x.clone(),
}  # fmt: skip
