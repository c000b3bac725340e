"""What ONNX's operators without weights compute, as functions of PyTorch tensors.

The first operand is a tensor; operands named in `Function.static` (shapes, axes, bounds) come as numbers and lists.
Source: the ONNX operator specification, opsets 7 to 23.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from inspect import signature
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (its usual name)

from prefiqs.errors import InputError

# A few bytes of a made-up file must not fill the memory.
_LARGEST_CONSTANT, _WIDEST_PADDING = 2**26, 256
REDUCED_PRECISION = "Numbers of reduced precision in an ONNX file are not supported; export it in float32."


class Function(NamedTuple):
    """A function, which of its operands are static, the attributes that it reads, and what the operator fixes."""

    call: Callable[..., Any]
    static: tuple[int, ...] = ()
    options: frozenset[str] = frozenset()
    fixed: Mapping[str, Any] = MappingProxyType({})


def padding(attributes: dict, size: Sequence[int], kernel: Sequence[int], stride: Sequence[int],
            dilation: Sequence[int]) -> list[int]:  # fmt: skip
    """The padding of a window over two axes: before (rows, columns), then behind."""
    mode = attributes.get("auto_pad", "NOTSET")
    if mode in ("NOTSET", ""):
        return attributes.get("pads", [0, 0, 0, 0])
    if mode == "VALID":
        return [0, 0, 0, 0]
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(size, stride, spans, strict=True)]
    less = [total // 2 for total in totals]
    more = [total - part for total, part in zip(totals, less, strict=True)]
    return [*less, *more] if mode == "SAME_UPPER" else [*more, *less]


def transpose(x: Tensor, perm: list[int] | None = None) -> Tensor:
    """Axes in another order, by default the reverse."""
    return x.permute(perm or list(range(x.ndim))[::-1])


def repeated(row: Tensor, faces: Tensor) -> Tensor:
    """A row for each face, as a class token is."""
    return row.expand(faces.shape[0], *row.shape[1:])


def _reshape(x: Tensor, shape: list[int], allowzero: int = 0) -> Tensor:
    return x.reshape([x.shape[i] if n == 0 and not allowzero else n for i, n in enumerate(shape)])


def _expand(x: Tensor, shape: list[int]) -> Tensor:
    return x.expand(shape if -1 in shape else torch.broadcast_shapes(x.shape, shape))


def _flatten(x: Tensor, axis: int = 1) -> Tensor:
    if (axis + x.ndim if axis < 0 else axis) != 1:
        raise InputError(f"Flatten from axis {axis} on is not supported.")
    return x.flatten(1)


def _squeeze(x: Tensor, axes: list[int] | None = None) -> Tensor:
    return x.squeeze(tuple(axes) if axes is not None else tuple(range(1, x.ndim)))


def _unsqueeze(x: Tensor, axes: list[int]) -> Tensor:
    for axis in sorted(a % (x.ndim + len(axes)) for a in axes):
        x = x.unsqueeze(axis)
    return x


def _clip(x: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
    return x if low is None and high is None else x.clamp(low, high)


def _reduce(x: Tensor, axes: list[int] | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0,
            kind: str = "mean") -> Tensor:  # fmt: skip
    if not axes and noop_with_empty_axes:
        return x
    axes = axes or list(range(x.ndim))
    if kind in _ORDERS:
        return torch.linalg.vector_norm(x, _ORDERS[kind], axes, bool(keepdims))
    if kind == "sum_square":
        x, kind = x.square(), "sum"
    return getattr(torch, kind)(x, dim=axes, keepdim=bool(keepdims))


def _softmax(x: Tensor, axis: int | None = None, opset: int = 13) -> Tensor:
    if opset >= 13:
        return x.softmax(-1 if axis is None else axis)
    axis = 1 if axis is None else axis
    return x.flatten(axis).softmax(-1).view_as(x)


def _concat(*parts: Tensor, axis: int = 0) -> Tensor:
    return torch.cat(parts, axis)


def _split(x: Tensor, sizes: list[int] | None = None, axis: int = 0, num_outputs: int = 2) -> tuple[Tensor, ...]:
    return x.split(sizes, axis) if sizes else x.chunk(num_outputs, axis)


def _slice(x: Tensor, starts: list[int], ends: list[int], axes: list[int] | None = None,
           steps: list[int] | None = None) -> Tensor:  # fmt: skip
    axes, steps = axes or list(range(len(starts))), steps or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 0:
            raise InputError("A Slice that runs backwards is not supported.")
        x = x[(slice(None),) * (axis % x.ndim) + (slice(start, end, step),)]  # no size is fixed: the batch is free
    return x


def _tile(x: Tensor, repeats: list[int]) -> Tensor:
    if prod(repeats) * x.numel() > _LARGEST_CONSTANT:
        raise InputError(f"A tensor repeated {repeats} times is not supported.")
    return x.repeat(repeats)


def _gather(x: Tensor, indices: Tensor, axis: int = 0) -> Tensor:
    found = x.index_select(axis, indices.flatten() % x.shape[axis])
    return found.reshape([*x.shape[: axis % x.ndim], *indices.shape, *x.shape[axis % x.ndim + 1 :]])


def _pad(x: Tensor, pads: list[int], value: float | None = None, axes: list[int] | None = None,
         mode: str = "constant") -> Tensor:  # fmt: skip
    half, flat = len(pads) // 2, [0] * 2 * x.ndim  # for PyTorch: before and behind, the last axis first
    for axis, before, behind in zip(axes or range(x.ndim), pads[:half], pads[half:], strict=True):
        place = 2 * (x.ndim - 1 - axis % x.ndim)
        flat[place : place + 2] = before, behind
    if max(flat) > _WIDEST_PADDING:
        raise InputError(f"Padding of {max(flat)} is not supported.")
    while flat and flat[-2:] == [0, 0]:
        del flat[-2:]
    return F.pad(x, flat, mode={"edge": "replicate"}.get(mode, mode), value=value if mode == "constant" else None)


def _pool(x: Tensor, kind: str = "max", **attributes: Any) -> Tensor:
    kernel, stride = attributes["kernel_shape"], attributes.get("strides", [1, 1])
    dilation = attributes.get("dilations", [1, 1])
    top, left, bottom, right = padding(attributes, x.shape[2:], kernel, stride, dilation)
    if kind == "max":
        padded = F.pad(x, (left, right, top, bottom), value=-torch.inf)
        return F.max_pool2d(padded, kernel, stride, 0, dilation, bool(attributes.get("ceil_mode")))
    if (top, left) == (bottom, right):
        counted = bool(attributes.get("count_include_pad"))
        return F.avg_pool2d(x, kernel, stride, (top, left), bool(attributes.get("ceil_mode")), counted)
    if not attributes.get("count_include_pad"):
        raise InputError("An average over a window with uneven padding is not supported.")
    return F.avg_pool2d(F.pad(x, (left, right, top, bottom)), kernel, stride)


def _cast(x: Tensor, to: int = 1) -> Tensor:
    kinds = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 11: torch.float64}
    if to not in kinds:
        raise InputError(REDUCED_PRECISION)
    return x.to(torch.float32 if to == 11 and x.is_floating_point() else kinds[to])


def _constant(value: Tensor | None = None, **other: Any) -> Tensor:
    return value if value is not None else torch.as_tensor(next(iter(other.values())))


def _constant_of_shape(shape: list[int], value: Tensor | None = None) -> Tensor:
    if prod(shape) > _LARGEST_CONSTANT:
        raise InputError(f"A constant of shape {shape} is not supported.")
    filler = torch.zeros(1) if value is None else value
    return filler.expand(shape).clone() if shape else filler.reshape(())


def _lp_normalization(x: Tensor, axis: int = -1, p: int = 2) -> Tensor:
    return F.normalize(x, p, axis, eps=0)


def _hard_sigmoid(x: Tensor, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    return (alpha * x + beta).clamp(0, 1)


def _layer_normalization(x: Tensor, scale: Any, bias: Any = None, axis: int = -1, epsilon: float = 1e-5) -> Tensor:
    dims = list(range(axis % x.ndim, x.ndim))
    mean = x.mean(dims, keepdim=True)
    scaled = (x - mean) / ((x - mean).square().mean(dims, keepdim=True) + epsilon).sqrt() * scale
    return scaled if bias is None else scaled + bias


def _div(a: Tensor, b: Tensor) -> Tensor:
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def _prelu(x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x >= 0, x, x * slope)


def _range(start: int, limit: int, delta: int) -> Tensor:
    if abs(limit - start) > _LARGEST_CONSTANT:
        raise InputError(f"A range from {start} to {limit} is not supported.")
    return torch.arange(start, limit, delta)


def _resize(x: Tensor, *operands: Any, mode: str = "nearest", coordinate_transformation_mode: str = "half_pixel",
            nearest_mode: str = "round_prefer_floor", opset: int = 13) -> Tensor:  # fmt: skip
    """The last operand that is not empty holds the scales of all axes, or, as integers, their sizes."""
    how = (mode, coordinate_transformation_mode, *[nearest_mode] * (mode == "nearest"))
    if opset < 11:
        how = (mode, "asymmetric", "floor")
    if how not in _RESIZING:
        raise InputError(f"Resizing in the mode {' '.join(how)} is not supported.")
    height, width = [operand for operand in operands if operand][-1][-2:]
    target, each = ("size", x[..., 0, 0]) if isinstance(height, int) else ("scale_factor", x)
    if not torch.jit.is_tracing() and height * width * each.numel() > _LARGEST_CONSTANT:
        raise InputError(f"Resizing to or by {height}×{width} is not supported.")
    options: dict[str, Any] = {target: (height, width), **_RESIZING[how]}
    return F.interpolate(x, **options)


def _identity(x: Tensor, *_: Any) -> Tensor:
    return x


def _leaky_relu(x: Tensor, alpha: float = 0.01) -> Tensor:
    return F.leaky_relu(x, alpha)


def _attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *others: Tensor | None,
               scale: float | None = None, q_num_heads: int = 0, kv_num_heads: int = 0, is_causal: int = 0,
               softcap: float = 0.0) -> Tensor:  # fmt: skip
    """Over n×heads×count×width, or n×count×(heads·width). A mask is true where a key may be seen, or is added."""
    if is_causal or softcap or q_num_heads != kv_num_heads or any(operand is not None for operand in others):
        raise InputError("Attention that is causal, has a softcap or fewer heads of keys than of queries, or takes "
                         "past keys and values, is not supported.")  # fmt: skip
    joined = q.ndim == 3
    if joined:
        q, k, v = (x.unflatten(2, (q_num_heads, -1)).transpose(1, 2) for x in (q, k, v))
    attended = F.scaled_dot_product_attention(q, k, v, mask, scale=scale)
    return attended.transpose(1, 2).flatten(2) if joined else attended


def _einsum(*operands: Tensor, equation: str) -> Tensor:
    return torch.einsum(equation, *operands)


def _sum(*operands: Tensor) -> Tensor:
    return reduce(torch.add, operands)


def _mean(*operands: Tensor) -> Tensor:
    return _sum(*operands) / len(operands)


def _max(*operands: Tensor) -> Tensor:
    return reduce(torch.maximum, operands)


def _min(*operands: Tensor) -> Tensor:
    return reduce(torch.minimum, operands)


def _shape(x: Tensor, start: int = 0, end: int | None = None) -> Tensor:
    return torch.tensor(x.shape[start:end])


_POOL = frozenset({"auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides"})
_REDUCE = frozenset({"keepdims", "noop_with_empty_axes"})
_ORDERS = {"l1": 1, "l2": 2}
_RESIZING: dict[tuple[str, ...], dict[str, Any]] = {  # by mode, coordinates, and how these are rounded
    ("nearest", "asymmetric", "floor"): {"mode": "nearest"},
    ("linear", "half_pixel"): {"mode": "bilinear"},
    ("linear", "pytorch_half_pixel"): {"mode": "bilinear"},
    ("linear", "align_corners"): {"mode": "bilinear", "align_corners": True},
}


def _of(call: Callable[..., Any], *static: int, options: set[str] | frozenset[str] | None = None) -> Function:
    return Function(call, static, frozenset(signature(call).parameters if options is None else options))


_SAME_NAME = "Abs Add Ceil Cos Erf Exp Floor Log MatMul Mul Neg Pow Reciprocal Relu Sigmoid Sin Sqrt Sub Tanh Where"
_OTHER_NAME: dict[str, Callable[..., Any]] = {
    "And": torch.logical_and, "Equal": torch.eq, "Greater": torch.gt, "HardSwish": F.hardswish, "Less": torch.lt,
    "Max": _max, "Mean": _mean, "Min": _min, "Mish": F.mish, "Mod": torch.remainder, "Not": torch.logical_not,
    "Softplus": F.softplus, "Sum": _sum, "Swish": F.silu, "Xor": torch.logical_xor,
}  # fmt: skip
_REDUCTIONS = {
    "L1": "l1", "L2": "l2", "Max": "amax", "Mean": "mean", "Min": "amin", "Sum": "sum", "SumSquare": "sum_square",
}  # fmt: skip

# Operands that were attributes in early opsets, in their order.
ATTRIBUTES = {
    "Clip": ("min", "max"), "Pad": ("pads", "value"), "Slice": ("starts", "ends", "axes"), "Split": ("split",),
    "Upsample": ("scales",), **dict.fromkeys(("Squeeze", "Unsqueeze"), ("axes",)),
    **{f"Reduce{name}": ("axes",) for name in _REDUCTIONS},
}  # fmt: skip
FUNCTIONS: dict[str, Function] = {
    **{name: Function(getattr(torch, name.lower())) for name in _SAME_NAME.split()},
    **{name: Function(call) for name, call in _OTHER_NAME.items()},
    **{f"Reduce{name}": Function(_reduce, (1,), _REDUCE, {"kind": kind}) for name, kind in _REDUCTIONS.items()},
    "Attention": _of(_attention),
    "AveragePool": Function(_pool, (), _POOL, {"kind": "average"}),
    "Cast": _of(_cast),
    "Clip": _of(_clip, 1, 2),
    "Concat": _of(_concat, options={"axis"}),
    "Constant": _of(_constant, options={"value", "value_float", "value_floats", "value_int", "value_ints"}),
    "ConstantOfShape": _of(_constant_of_shape, 0),
    "CumSum": Function(torch.cumsum, (1,)),
    "Div": Function(_div),
    "Dropout": Function(_identity),
    "Einsum": _of(_einsum, options={"equation"}),
    "Elu": _of(F.elu, options={"alpha"}),
    "Expand": _of(_expand, 1),
    "Flatten": _of(_flatten),
    "Gather": _of(_gather),
    "Gelu": _of(F.gelu, options={"approximate"}),
    "GlobalAveragePool": Function(_reduce, fixed={"axes": [2, 3], "kind": "mean"}),
    "GlobalMaxPool": Function(_reduce, fixed={"axes": [2, 3], "kind": "amax"}),
    "HardSigmoid": _of(_hard_sigmoid),
    "Identity": Function(_identity),
    "LayerNormalization": _of(_layer_normalization),
    "LeakyRelu": _of(_leaky_relu),
    "LpNormalization": _of(_lp_normalization),
    "MaxPool": Function(_pool, (), _POOL, {"kind": "max"}),
    "PRelu": Function(_prelu),
    "Pad": _of(_pad, 1, 2, 3),
    "Range": _of(_range, 0, 1, 2),
    "Reshape": _of(_reshape, 1),
    "Resize": _of(_resize, 1, 2, 3),
    "Shape": _of(_shape),
    "Slice": _of(_slice, 1, 2, 3, 4),
    "Softmax": _of(_softmax),
    "Split": _of(_split, 1),
    "Squeeze": _of(_squeeze, 1),
    "Tile": _of(_tile, 1),
    "Transpose": _of(transpose),
    "Unsqueeze": _of(_unsqueeze, 1),
    "Upsample": _of(_resize, 1),
}
