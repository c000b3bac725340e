"""FR networks in MXNet's format, such as those that insightface published with ArcFace, converted to ONNX.

Source: MXNet's NDArray file format and symbol JSON (`NAME-0000.params`, `NAME-symbol.json`). Nothing in these files can
run code, and every size is checked against the length of the file.
"""

import ast
import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE

_LIST, _DENSE = 0x112, (0xF993FAC9, 0xF993FACA)  # arrays of MXNet 1.0 and newer name their storage
_BEFORE_1_0 = 0xF993FAC8  # arrays that are older still begin with their number of axes
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
    """The file of the network's structure that belongs to a file of its parameters; `InputError` for another name."""
    if not (named := re.fullmatch(r"(.+)-\d{4,}\.params", params.name, re.IGNORECASE)):
        raise InputError(f"{params} must have the name NAME-0000.params, and NAME-symbol.json must be beside it.")
    return params.with_name(f"{named[1]}-symbol.json")


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
        if magic in _DENSE and take("i") != (0,):
            raise ValueError("it contains sparse arrays")
        shape = take(f"{take('I')[0]}q") if magic in (*_DENSE, _BEFORE_1_0) else take(f"{magic}I")
        _, _, kind = take("iii")
        dtype = np.dtype(_TYPES[kind])
        count = int(np.prod(shape, dtype=object))
        if not 0 <= count * dtype.itemsize <= len(content) - position:
            raise ValueError("an array is longer than the file")
        found = np.frombuffer(content, dtype, count, position).reshape(shape)
        position += count * dtype.itemsize
        return found.astype(np.float32)

    if take("QQ") != (_LIST, 0):
        raise ValueError("it does not begin like a .params file")
    arrays = [array() for _ in range(take("Q")[0])]
    names = [take(f"{take('Q')[0]}s")[0].decode() for _ in range(take("Q")[0])]
    return {name.partition(":")[2]: values for name, values in zip(names, arrays, strict=True)}


def _onnx(symbol: dict[str, Any], parameters: dict[str, np.ndarray]) -> onnx.ModelProto:
    nodes, constants = [], dict(parameters)
    outputs: list[str] = []
    for entry in symbol["nodes"]:
        name = entry["name"]
        if any(output for _, output, *_ in entry["inputs"]):
            raise InputError(f"{name} takes the second output of a node, which is not supported.")
        inputs = [outputs[source] for source, *_ in entry["inputs"]]
        outputs.append(name)
        if entry["op"] == "null":
            continue
        written = [entry.get(key) or {} for key in ("attrs", "attr", "param")]  # the last two by older versions
        values = {key: _value(text) for options in written for key, text in options.items()}
        for key, only in _ONLY.items():
            if values.get(key, only[0]) not in only:
                raise InputError(f"{name} has {key}={values[key]}, which is not supported.")
        nodes += _nodes(entry["op"], name, inputs, values, constants)
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


def _nodes(
    operator: str, name: str, inputs: list[str], values: dict[str, Any], constants: dict[str, np.ndarray]
) -> list[onnx.NodeProto]:
    """What an MXNet operator is in ONNX; what it needs besides is added to `constants`."""

    def node(kind: str, given: list[str] = inputs, **options: Any) -> onnx.NodeProto:
        return helper.make_node(kind, given, [name], **options)

    window: dict[str, Any] = {
        "strides": list(values.get("stride", (1, 1))),
        "pads": list(values.get("pad", (0, 0))) * 2,
    }
    if operator in _SAME:
        return [node(_SAME[operator])]
    if operator in _WITH_SCALAR:
        constants[f"{name}.scalar"] = np.asarray(values["scalar"], np.float32)
        return [node(_WITH_SCALAR[operator], [*inputs, f"{name}.scalar"])]
    if operator == "Convolution":
        dilations, groups = list(values.get("dilate", (1, 1))), int(values.get("num_group", 1))
        return [node("Conv", kernel_shape=list(values["kernel"]), dilations=dilations, group=groups, **window)]
    if operator == "BatchNorm":
        gamma = inputs[1]
        if values.get("fix_gamma", True):
            gamma = f"{gamma}.fixed"
            constants[gamma] = np.ones_like(constants[inputs[1]])
        epsilon = float(values.get("eps", 1e-3))
        return [node("BatchNormalization", [inputs[0], gamma, *inputs[2:]], epsilon=epsilon)]
    if operator == "LeakyReLU" and values.get("act_type", "leaky") == "leaky":
        return [node("LeakyRelu", alpha=float(values.get("slope", 0.25)))]
    if operator == "LeakyReLU" and values["act_type"] == "prelu":
        constants[inputs[1]] = constants[inputs[1]].reshape(-1, 1, 1)
        return [node("PRelu")]
    if operator == "Activation":
        return [node(_ACTIVATIONS[values["act_type"]])]
    if operator == "FullyConnected":
        flat = helper.make_node("Flatten", inputs[:1], [f"{name}.flat"])
        return [flat, node("Gemm", [f"{name}.flat", *inputs[1:]], transB=1)]
    if operator == "Pooling":
        kind = {"max": "Max", "avg": "Average"}[values.get("pool_type", "max")]
        if values.get("global_pool"):
            return [node(f"Global{kind}Pool")]
        if kind == "Average":  # whose default is the other one in ONNX
            window["count_include_pad"] = int(values.get("count_include_pad", True))
        ceil = int(values.get("pooling_convention") == "full")
        return [node(f"{kind}Pool", kernel_shape=list(values["kernel"]), ceil_mode=ceil, **window)]
    raise InputError(f"The MXNet operator {operator} is not supported ({values.get('act_type', name)}).")


_SAME = {
    "Dropout": "Identity", "Flatten": "Flatten", "_Plus": "Add", "_copy": "Identity", "broadcast_mul": "Mul",
    "elemwise_add": "Add", "elemwise_mul": "Mul", "identity": "Identity",
}  # fmt: skip
_WITH_SCALAR = {"_div_scalar": "Div", "_minus_scalar": "Sub", "_mul_scalar": "Mul", "_plus_scalar": "Add"}
_ACTIVATIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softrelu": "Softplus"}
