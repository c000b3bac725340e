"""FR networks in MXNet's format, such as those that insightface published with ArcFace, converted to ONNX.

Source: MXNet's NDArray file format and symbol JSON (`NAME-0000.params`, `NAME-symbol.json`). Nothing in these files can
run code, and every size is checked against the length of the file.
"""

import ast
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE

_LIST, _DENSE, _SHAPED = 0x112, (0xF993FAC9, 0xF993FACA), 0xF993FAC8
# What a file that is damaged or made up can raise.
_DAMAGES = (AttributeError, LookupError, MemoryError, RecursionError, SyntaxError, TypeError, ValueError, struct.error)
_TYPES = {0: np.float32, 1: np.float64, 2: np.float16}


def read_mxnet(params: Path) -> onnx.ModelProto:
    """Read `NAME-0000.params` and `NAME-symbol.json` beside it as an ONNX network from n×3×112×112 to embeddings.

    Raises InputError for a file that is missing, damaged, or has an operator that is not supported (it is named).
    """
    symbol = symbol_file(params)
    try:
        nodes = json.loads(symbol.read_text(encoding="utf-8"))
        return _onnx(nodes, _parameters(params.read_bytes()))
    except OSError as error:
        raise InputError(f"File not found: {error.filename}.") from error
    except InputError as error:
        raise InputError(f"{params}: {error}") from error
    except _DAMAGES as error:
        raise InputError(f"{params} or {symbol.name} is not an MXNet network, or is damaged ({error}).") from error


def symbol_file(params: Path) -> Path:
    """The file of the network's structure that belongs to a file of its parameters."""
    return params.with_name(params.name.rpartition("-")[0] + "-symbol.json")


def _parameters(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a .params file by name, in float32."""
    position = 0

    def take(form: str) -> tuple:
        nonlocal position
        size = struct.calcsize(f"<{form}")
        if position + size > len(content):
            raise ValueError("it ends too early")
        position += size
        return struct.unpack_from(f"<{form}", content, position - size)

    def array() -> np.ndarray:
        nonlocal position
        (magic,) = take("I")
        if magic in _DENSE:
            if take("i")[0] != 0:
                raise ValueError("it holds sparse arrays")
            shape = take(f"{_axes(take('I')[0])}q")
        elif magic == _SHAPED:
            shape = take(f"{_axes(take('I')[0])}q")
        else:
            shape = take(f"{_axes(magic)}I")
        _, _, kind = take("iii")
        dtype = np.dtype(_TYPES[kind])
        count = int(np.prod(shape, dtype=object))
        if not 0 <= count * dtype.itemsize <= len(content) - position:
            raise ValueError("an array is longer than the file")
        found = np.frombuffer(content, dtype, count, position).reshape(shape)
        position += count * dtype.itemsize
        return found.astype(np.float32)

    if take("QQ") != (_LIST, 0):
        raise ValueError("it does not begin as a .params file does")
    arrays = [array() for _ in range(_count(take("Q")[0], content))]
    names = []
    for _ in range(_count(take("Q")[0], content)):
        (length,) = take("Q")
        names.append(take(f"{_count(length, content)}s")[0].decode())
    return {name.partition(":")[2]: values for name, values in zip(names, arrays, strict=True)}


def _axes(count: int) -> int:
    if count > 8:
        raise ValueError(f"an array with {count} axes")
    return count


def _count(count: int, content: bytes) -> int:
    if count > len(content):
        raise ValueError("it counts more than it holds")
    return count


def _onnx(symbol: dict[str, Any], parameters: dict[str, np.ndarray]) -> onnx.ModelProto:
    nodes, constants = [], dict(parameters)
    outputs: list[str] = []
    for entry in symbol["nodes"]:
        name, attributes = entry["name"], entry.get("attrs") or entry.get("param") or {}
        if any(output for _, output, *_ in entry["inputs"]):
            raise InputError(f"{name} takes the second output of a node, which is not supported.")
        inputs = [outputs[source] for source, *_ in entry["inputs"]]
        outputs.append(name)
        if entry["op"] == "null":
            continue
        if entry["op"] not in _OPERATORS:
            raise InputError(f"The MXNet operator {entry['op']} is not supported.")
        values = {key: _value(text) for key, text in attributes.items()}
        for key, only in _ONLY.items():
            if values.get(key, only[0]) not in only:
                raise InputError(f"{name} has {key}={values[key]}, which is not supported.")
        nodes += _OPERATORS[entry["op"]](name, inputs, values, constants)
    head = outputs[symbol["heads"][0][0]]
    given = {name for node in nodes for name in node.input} - {name for node in nodes for name in node.output}
    (data,) = given - constants.keys()
    used = [numpy_helper.from_array(constants[name], name) for name in sorted(given & constants.keys())]
    faces = helper.make_tensor_value_info(data, onnx.TensorProto.FLOAT, ["n", 3, FACE_SIZE, FACE_SIZE])
    result = helper.make_tensor_value_info(head, onnx.TensorProto.FLOAT, ["n", None])
    graph = helper.make_graph(nodes, "mxnet", [faces], [result], used)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


# Options of which only some values are read.
_ONLY = {"axis": (1,), "flatten": (True,), "pooling_convention": ("valid", "full")}


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text.capitalize() if text in ("true", "false") else text)
    except (ValueError, SyntaxError):
        return text


Operator = Callable[[str, list[str], dict[str, Any], dict[str, np.ndarray]], list[onnx.NodeProto]]


def _convolution(name: str, inputs: list[str], values: dict, constants: dict) -> list[onnx.NodeProto]:
    pad = list(values.get("pad", (0, 0)))
    return [helper.make_node("Conv", inputs, [name], kernel_shape=list(values["kernel"]), pads=pad * 2,
                             strides=list(values.get("stride", (1, 1))), dilations=list(values.get("dilate", (1, 1))),
                             group=int(values.get("num_group", 1)))]  # fmt: skip


def _batch_norm(name: str, inputs: list[str], values: dict, constants: dict) -> list[onnx.NodeProto]:
    gamma = inputs[1]
    if values.get("fix_gamma", True):
        gamma = f"{gamma}.fixed"
        constants[gamma] = np.ones_like(constants[inputs[1]])
    return [helper.make_node("BatchNormalization", [inputs[0], gamma, *inputs[2:]], [name],
                             epsilon=float(values.get("eps", 1e-3)))]  # fmt: skip


def _leaky_relu(name: str, inputs: list[str], values: dict, constants: dict) -> list[onnx.NodeProto]:
    if values.get("act_type", "leaky") == "leaky":
        return [helper.make_node("LeakyRelu", inputs, [name], alpha=float(values.get("slope", 0.25)))]
    if values["act_type"] != "prelu":
        raise InputError(f"The MXNet activation {values['act_type']} is not supported.")
    slope = constants[inputs[1]]
    constants[inputs[1]] = slope.reshape(-1, 1, 1)
    return [helper.make_node("PRelu", inputs, [name])]


def _activation(name: str, inputs: list[str], values: dict, constants: dict) -> list[onnx.NodeProto]:
    kind = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softrelu": "Softplus"}[values["act_type"]]
    return [helper.make_node(kind, inputs, [name])]


def _fully_connected(name: str, inputs: list[str], values: dict, constants: dict) -> list[onnx.NodeProto]:
    flat = f"{name}.flat"
    return [
        helper.make_node("Flatten", inputs[:1], [flat]),
        helper.make_node("Gemm", [flat, *inputs[1:]], [name], transB=1),
    ]


def _pooling(name: str, inputs: list[str], values: dict, constants: dict) -> list[onnx.NodeProto]:
    kind = {"max": "Max", "avg": "Average"}[values.get("pool_type", "max")]
    if values.get("global_pool"):
        return [helper.make_node(f"Global{kind}Pool", inputs, [name])]
    options: dict[str, Any] = {}
    if kind == "Average":  # whose default is the other one in ONNX
        options["count_include_pad"] = int(values.get("count_include_pad", True))
    return [helper.make_node(f"{kind}Pool", inputs, [name], kernel_shape=list(values["kernel"]), **options,
                             strides=list(values.get("stride", (1, 1))), pads=list(values.get("pad", (0, 0))) * 2,
                             ceil_mode=int(values.get("pooling_convention") == "full"))]  # fmt: skip


def _same(operator: str) -> Operator:
    return lambda name, inputs, values, constants: [helper.make_node(operator, inputs, [name])]


def _with_scalar(operator: str) -> Operator:
    def make(name: str, inputs: list[str], values: dict, constants: dict) -> list[onnx.NodeProto]:
        constants[f"{name}.scalar"] = np.float32(values["scalar"])
        return [helper.make_node(operator, [*inputs, f"{name}.scalar"], [name])]

    return make


_OPERATORS: dict[str, Operator] = {
    "Activation": _activation,
    "BatchNorm": _batch_norm,
    "Convolution": _convolution,
    "Dropout": _same("Identity"),
    "Flatten": _same("Flatten"),
    "FullyConnected": _fully_connected,
    "LeakyReLU": _leaky_relu,
    "Pooling": _pooling,
    "_Plus": _same("Add"),
    "_copy": _same("Identity"),
    "_div_scalar": _with_scalar("Div"),
    "_minus_scalar": _with_scalar("Sub"),
    "_mul_scalar": _with_scalar("Mul"),
    "_plus_scalar": _with_scalar("Add"),
    "broadcast_mul": _same("Mul"),
    "elemwise_add": _same("Add"),
    "elemwise_mul": _same("Mul"),
    "identity": _same("Identity"),
}
