"""FR networks from ONNX files as PyTorch networks: their weights can be pruned, differentiated and moved to a GPU.

An ONNX graph becomes a `torch.fx` graph of PyTorch layers, node by node. What a file computes from the shapes of its
tensors is computed once, for the batch size of the file; then the batch is made free again where a tensor is reshaped.
A network is returned only if its embeddings of random faces equal those of OpenVINO, which reads the same file.
"""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from keyword import iskeyword
from math import prod
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino as ov
import torch
from google.protobuf.message import DecodeError
from onnx import helper, numpy_helper
from onnx.external_data_helper import ExternalDataInfo, uses_external_data
from torch import Tensor, fx, nn

from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE
from prefiqs.models import onnx_functions
from prefiqs.models.face_model import ARCFACE_INPUT, FaceModel, InputSpec, normalises
from prefiqs.models.mxnet import read_mxnet, symbol_file

NETWORK_FILES = (".onnx", ".params", ".pb")  # that say how a network is built; the last holds a quality network
_TOLERANCE = 1e-4  # of a coordinate of a normalised embedding, between PyTorch and OpenVINO
_PIXELS = InputSpec("rgb", mean=0, std=1)  # for files that scale pixels themselves
_STANDARD = ("", "ai.onnx")  # the domain of ONNX's own operators
_SCALING = ("Sub", "Add", "Mul", "Div", "BatchNormalization")
_MOVING = (
    "Cast", "Clip", "Concat", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip
_OWN_NAMES = frozenset(dir(fx.GraphModule(nn.Module(), fx.Graph())))  # which no layer can have
_LARGEST_BATCH, _FREE_BATCH = 64, 5  # that a file may be written for; the example of one that is written for any
# What a file that is damaged or made up can raise in PyTorch, ONNX and OpenVINO.
_DAMAGES = (
    ArithmeticError, AttributeError, LookupError, RuntimeError, StopIteration, SyntaxError, TypeError, ValueError,
)  # fmt: skip
_WIDEST = 16  # range of the pixels that layers see, at most; those of unscaled pixels have 255


class OnnxNetwork(FaceModel):
    """An FR network from an ONNX file: prepared faces, float32 n×3×112×112, to raw embeddings n×d.

    If the file normalises its embeddings, the network ends before that; where it cannot, `normalises` tells.
    input_spec: None means RGB; pixels as they are for a file that scales them itself, else (x - 127.5)/127.5.

    Raises `InputError` if it is no network from faces to embeddings, has an operator that is not supported (it is
    named), or scales pixels that `input_spec` scales too.
    """

    def __init__(self, name: str, input_spec: InputSpec | None, proto: onnx.ModelProto):
        reading = _Reading(proto)
        scale = reading.pixel_scale
        if scale * 255 <= _WIDEST:
            if input_spec and (input_spec.mean, input_spec.std) != (0, 1):
                raise InputError("It scales pixels itself, so its input must be declared with mean 0 and std 1.")
            input_spec = input_spec or _PIXELS
        elif reading.changes_pixels and input_spec is None:
            raise InputError("It shifts or scales its input, but not from 0…255 to a small range; declare what it "
                             "takes in a .json file.")  # fmt: skip
        super().__init__(name, input_spec or ARCFACE_INPUT, reading.result.example.shape[1])
        self.body = reading.body
        raw = reading.before_normalising()
        if raw is not reading.result and normalises(self):
            self.body.graph.output_node().args = (raw.node,)
        self.body.graph.eliminate_dead_code()
        self.body.delete_all_unused_submodules()
        self.body.recompile()
        # The last that runs: the order of the modules follows their names.
        called = [f"body.{node.target}" for node in self.body.graph.nodes if node.op == "call_module"]
        layers = [layer for name in called for layer in self.get_submodule(name).named_modules(prefix=name)]
        self.embedding_layer_name = next(
            (name for name, layer in reversed(layers) if isinstance(layer, nn.Conv2d | nn.Linear)), None
        )
        self.eval()

    def forward(self, prepared: Tensor) -> Tensor:
        """Float32 n×3×112×112, prepared by `input_spec`, to raw embeddings n×d."""
        return self.body(prepared)

    def extra_repr(self) -> str:
        """What PyTorch prints beside the layers: it differs where the same layers are wired in another way."""
        return hashlib.sha256(self.body.code.encode()).hexdigest()[:16]


def load_onnx(name: str, input_spec: InputSpec | None, path: Path) -> OnnxNetwork:
    """The network in an ONNX file, or in MXNet's .params, checked against OpenVINO.

    Raises `InputError` as `OnnxNetwork` does, and for a file that is damaged or means something else to OpenVINO.
    """
    proto = read_network(path)
    try:
        network = OnnxNetwork(name, input_spec, proto)
        count = _input_shape(proto.graph)[0] + 2  # another number of faces than that of the file
        faces = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, 3, FACE_SIZE, FACE_SIZE)))
        prepared = ((faces - network.input_spec.mean) / network.input_spec.std).float()
        with torch.no_grad():
            ours = network(prepared).numpy()
        theirs = _by_openvino(proto, prepared.numpy())
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except _DAMAGES as error:
        raise InputError(f"Cannot convert {path} ({' '.join(str(error).split())[:300]}).") from error
    if ours.shape != theirs.shape:
        raise InputError(f"Cannot change the batch size of {path}. Export it for any number of faces (dynamic axes).")
    difference = np.abs(_unit(ours) - _unit(theirs)).max()
    if not difference <= _TOLERANCE:
        raise InputError(f"Cannot convert {path}: its embeddings differ from OpenVINO's by {difference:.2g}.")
    if input_spec is None:
        _tell_assumption(name, network.input_spec)
    return network


@cache  # once a network, however often it is loaded
def _tell_assumption(name: str, assumed: InputSpec) -> None:
    example = json.dumps({"colour": assumed.colour, "mean": assumed.mean, "std": assumed.std})
    logging.getLogger(__name__).warning(
        "%s does not declare its input, so %s is assumed. Declare it in %s.json beside the file, such as %s.",
        name, assumed, name, example,
    )  # fmt: skip


def read_network(path: Path) -> onnx.ModelProto:
    """Read an ONNX file, with the weights that it keeps in files beside it, or MXNet's .params and symbol.

    Raises `InputError` if that fails. Weights outside the folder of the file are refused.
    """
    if path.suffix.lower() == ".params":
        return read_mxnet(path)
    try:
        return onnx.load(path)
    except (DecodeError, ValueError, OSError, onnx.checker.ValidationError) as error:
        raise InputError(f"{path} is not an ONNX file, or its weights are missing ({error}).") from error


def files_of(path: Path) -> list[Path]:
    """The files that a network in a file consists of: itself, weights kept beside it, and the declared input."""
    others = [symbol_file(path)] if path.suffix.lower() == ".params" else []
    if path.suffix.lower() == ".onnx":
        try:
            graph = onnx.load(path, load_external_data=False).graph
            constants = [a.t for node in graph.node for a in node.attribute if a.HasField("t")]
            tensors = [*graph.initializer, *constants]
            locations = {ExternalDataInfo(tensor).location for tensor in tensors if uses_external_data(tensor)}
        except (DecodeError, ValueError) as error:
            raise InputError(f"{path} is not an ONNX file ({error}).") from error
        others = [path.parent / location for location in sorted(locations)]
    for other in others:
        if not (other.is_file() and other.resolve().is_relative_to(path.parent.resolve())):
            raise InputError(f"{other}, which belongs to {path}, is not a file in its folder.")
    return [path, *others, *[file for file in [declaration_of(path)] if file.is_file()]]


def declaration_of(path: Path) -> Path:
    """Where the input of a network is declared: `NAME.json` beside `NAME.onnx` or `NAME-0000.params`."""
    return path.with_name(re.sub(r"((?i:-\d{4,}\.params)|\.\w+)$", ".json", path.name))


def declared_input(path: Path) -> InputSpec | None:
    """How a network wants its pixels, as the file beside it says; None without such a file.

    The file looks like `{"colour": "bgr", "mean": 127.5, "std": 127.5}`, with `"better": "higher"` or `"lower"` besides
    for a quality network; `InputError` if it does not.
    """
    declaration = declaration_of(path)
    if not declaration.is_file():
        return None
    try:
        declared = json.loads(declaration.read_text(encoding="utf-8"))
        return InputSpec(declared["colour"], declared["mean"], declared["std"], declared.get("better"))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        wanted = '{"colour": "rgb" or "bgr", "mean": …, "std": …}'
        raise InputError(f"{declaration} must contain {wanted} ({error}).") from error


def _by_openvino(proto: onnx.ModelProto, prepared: np.ndarray) -> np.ndarray:
    core = ov.Core()
    graph = core.read_model(proto.SerializeToString())
    batch, channels_last = _input_shape(proto.graph)
    faces = prepared.transpose(0, 2, 3, 1) if channels_last else prepared
    graph.reshape([batch, *faces.shape[1:]])
    compiled = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    parts = [np.resize(faces[i : i + batch], (batch, *faces.shape[1:])) for i in range(0, len(faces), batch)]
    return np.concatenate([compiled(part)[0] for part in parts])[: len(faces)]


def _unit(embeddings: np.ndarray) -> np.ndarray:
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def _input_shape(graph: onnx.GraphProto) -> tuple[int, bool]:
    """The batch size that a graph was written for (an example if it is free), and whether channels come last."""
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    shapes = [[d.dim_value for d in value.type.tensor_type.shape.dim] for value in inputs]
    shape = shapes[0] if len(inputs) == 1 else []
    faces = {(3, FACE_SIZE, FACE_SIZE): False, (FACE_SIZE, FACE_SIZE, 3): True, (3, 0, 0): False, (0, 0, 3): True}
    if len(shape) != 4 or tuple(shape[1:]) not in faces:
        taken = ", ".join("×".join(str(side or "?") for side in shape) for shape in shapes)
        raise InputError(f"The network must take one input of {FACE_SIZE}×{FACE_SIZE} colour faces, not {taken}.")
    if shape[0] > _LARGEST_BATCH:
        raise InputError(f"The network takes {shape[0]} faces at once; export it for at most {_LARGEST_BATCH}.")
    if inputs[0].type.tensor_type.elem_type in (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16):
        raise InputError(onnx_functions.REDUCED_PRECISION)
    return shape[0] if shape[0] > 0 else _FREE_BATCH, faces[tuple(shape[1:])]


@dataclass(frozen=True, eq=False)
class _Value:
    """What depends on the faces: a node of the fx graph, and its tensors for the example and for few faces."""

    node: fx.Node
    example: Tensor
    few: Tensor


class _Reading:
    """One pass over an ONNX graph.

    `body`: the network; `result`: its output; `pixel_scale`: by which factor it scales its input; `changes_pixels`:
    whether it scales or shifts it.
    """

    def __init__(self, proto: onnx.ModelProto):
        self.graph = proto.graph
        self.opset = max(entry.version for entry in proto.opset_import if entry.domain in _STANDARD)
        self.batch, channels_last = _input_shape(self.graph)
        self.few = 3 if self.batch == 2 else 2  # another number of faces
        self.root, self.fx = nn.Module(), fx.Graph()
        self.known: dict[str, Any] = {t.name: tensor_of(t) for t in self.graph.initializer}
        (input_name,) = (value.name for value in self.graph.input if value.name not in self.known)
        generator = torch.Generator().manual_seed(0)
        faces = torch.rand(self.batch, 3, FACE_SIZE, FACE_SIZE, generator=generator)
        value = _Value(self.fx.placeholder("prepared"), faces, faces[:1].expand(self.few, -1, -1, -1))
        if channels_last:
            value = self._call(onnx_functions.transpose, value, perm=[0, 2, 3, 1])
        self.known[input_name] = self.faces = value
        pixels, given = {input_name}, _colours(faces)
        seen = given
        self.absorbed: set[str] = set()
        with torch.no_grad():
            for node in self.graph.node:
                if node.output[0] in self.absorbed:
                    continue
                try:
                    outputs = self._read(node)
                except InputError:
                    raise
                except _DAMAGES as error:
                    raise InputError(f"The operator {node.op_type} {node.name} cannot be read ({error}).") from error
                # A file may name outputs that only training needs; a node that takes one is refused.
                self.known |= dict(zip(node.output, outputs, strict=False))
                if pixels & set(node.input) and node.op_type in _SCALING + _MOVING and isinstance(outputs[0], _Value):
                    pixels.update(node.output)
                    seen = _colours(outputs[0].example) if node.op_type in _SCALING else seen
            self.result = self._embedding()
        self.pixel_scale = float(seen.std(1).max() / given.std(1).max())
        self.changes_pixels = seen.aminmax() != given.aminmax()
        self.fx.output(self.result.node)
        self.body = fx.GraphModule(self.root, self.fx)

    def _read(self, node: onnx.NodeProto) -> Sequence[Any]:
        function = onnx_functions.FUNCTIONS.get(node.op_type)
        if node.domain not in _STANDARD or (function is None and node.op_type not in _LAYERS):
            operator = ".".join(filter(None, [node.domain, node.op_type]))
            quantised = "Quantize" in operator
            reason = "belongs to a quantised network; export it in float32" if quantised else "is not supported"
            raise InputError(f"The ONNX operator {operator} {reason}.")
        attributes = {a.name: _plain(helper.get_attribute_value(a)) for a in node.attribute}
        if unknown := [name for name in node.input if name and name not in self.known]:
            raise InputError(f"The operator {node.op_type} takes {unknown[0]}, an output that is not supported.")
        inputs: list[Any] = [self.known[name] if name else None for name in node.input]
        if len(inputs) == 1:
            inputs += [attributes.pop(name, None) for name in onnx_functions.ATTRIBUTES.get(node.op_type, ())]
        if node.op_type == "Shape" and isinstance(inputs[0], _Value):
            inputs[0] = inputs[0].example
        if node.op_type == "Conv" and isinstance(inputs[0], Tensor):  # of what is added to each face, as of positions
            inputs[0] = self._call(onnx_functions.repeated, inputs[0][:1], self.faces)
        alone = inputs and isinstance(inputs[0], _Value) and not any(isinstance(i, _Value) for i in inputs[1:])
        if alone and (layer := self._layer(node, attributes, inputs)):
            return layer
        if function is None:
            raise InputError(f"The ONNX operator {node.op_type} is not supported in this form.")
        static = function.static
        arguments = [_plain(v) if isinstance(v, Tensor) and i in static else v for i, v in enumerate(inputs)]
        if any(isinstance(arguments[i], _Value) for i in static if i < len(arguments)):
            raise InputError(f"The operator {node.op_type} takes a shape that depends on the faces.")
        options = {k: v for k, v in attributes.items() if k in function.options} | dict(function.fixed)
        if "opset" in function.options:
            options["opset"] = self.opset
        if node.op_type == "Split":
            options.setdefault("num_outputs", len(node.output))
        if not any(isinstance(a, _Value) for a in arguments):
            found = function.call(*arguments, **options)
            return found if isinstance(found, tuple) else [found]
        if node.op_type in ("Reshape", "Expand"):
            shape = function.call(arguments[0].example, *arguments[1:], **options).shape
            axis = self._axis_of_faces(node, arguments[0], shape)
            if len(shape) == 2 and axis == 0 and shape[0] == len(arguments[0].example) == self.batch:
                return [self._call(torch.flatten, arguments[0], 1)]  # through which channels can be followed
            arguments[1] = [-1 if i == axis else size for i, size in enumerate(shape)]
        if node.op_type == "Gather" and _all_in_order(*arguments):  # as the new exporter writes another shape
            return [self._call(torch.reshape, arguments[0], [-1, *arguments[1].shape[1:]])]
        arguments = [self._row(a, node.op_type) if isinstance(a, Tensor) else a for a in arguments]
        value = self._call(function.call, *arguments, **options)
        if isinstance(value.example, tuple):
            return [self._call(getitem, value, i) for i in range(len(value.example))]
        return [value]

    def _axis_of_faces(self, node: onnx.NodeProto, value: _Value, shape: Sequence[int]) -> int | None:
        """The axis that grows with the number of faces where a value gets another shape; None if it does not.

        Reshaping keeps the order in memory, so the axes before that of the faces have the same product as before. Where
        this leaves a choice, as for a single face, the last axis holds features.
        """
        grown = [i for i, size in enumerate(value.example.shape) if size != value.few.shape[i]]
        if len(grown) > 1:
            raise InputError(f"The operator {node.op_type} {node.name} takes what relates faces to each other.")
        if not grown or node.op_type == "Expand":
            return grown[0] + len(shape) - value.example.ndim if grown else None
        before, size = prod(value.example.shape[: grown[0]]), value.example.shape[grown[0]] // self.batch

        def difference(outer: int) -> float:
            """Of the first face in both examples, if the axis goes `outer` times through all faces."""
            first = [x.reshape(before * outer, count, -1)[:, 0].float()
                     for x, count in ((value.example, self.batch), (value.few, self.few))]  # fmt: skip
            return float((first[0] - first[1]).abs().max())

        before *= min((1, size), key=difference)
        axes = [i for i in range(max(len(shape) - 1, 1)) if prod(shape[:i]) <= before]
        exact = [i for i in axes if prod(shape[:i]) == before and shape[i] % self.batch == 0]
        return (exact or axes[-1:])[0]

    def _row(self, constant: Tensor, operator: str) -> Tensor | _Value:
        """A constant with the same row for each face of the example, for any batch."""
        if constant.ndim < 2 or len(constant) != self.batch or (constant != constant[:1]).any():
            return constant
        row = constant[:1]
        return self._call(onnx_functions.repeated, row, self.faces) if operator == "Concat" else row

    def _layer(self, node: onnx.NodeProto, attributes: dict, inputs: Sequence[Any]) -> list[_Value] | None:
        """A node with weights of its own as a PyTorch layer; None if it is not one."""
        value, *weights = inputs
        make = _LAYERS.get(node.op_type) if weights else None
        layer = make and make(attributes, value.example, *weights)
        if layer is None:
            return None
        output = node.output[0]
        if node.op_type == "MatMul" and (bias := self._bias_behind(output, layer)):
            layer.bias, output = nn.Parameter(self.known[bias[0]].float()), bias[1]
            self.absorbed.add(output)
        called = self.fx.call_module(self._place(node, layer), (value.node,))
        found = _Value(called, layer(value.example), layer(value.few))
        self.known[output] = found
        return [found]

    def _bias_behind(self, output: str, layer: nn.Linear) -> tuple[str, str] | None:
        """The bias that an addition behind a product adds, and the output of the addition."""
        following = [node for node in self.graph.node if output in node.input]
        if len(following) != 1 or following[0].op_type != "Add":
            return None
        (other,) = [name for name in following[0].input if name != output] or [output]
        bias = self.known.get(other)
        fits = isinstance(bias, Tensor) and bias.shape == (layer.out_features,)
        return (other, following[0].output[0]) if fits else None

    def _place(self, node: onnx.NodeProto, layer: nn.Module) -> str:
        """Put a layer into the network under the name that its weight has in the file, or that of the operator."""
        layer.eval()
        name = re.sub(r"\.(weight|gamma|slope)$", "", node.input[1])
        taken = dict(self.root.named_modules())
        unusable = any(iskeyword(part) or part in _OWN_NAMES for part in name.split("."))
        if not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", name) or name in taken or unusable:
            name = f"{node.op_type.lower()}_{len(taken)}"
        parent = self.root
        *parents, child = name.split(".")
        for part in parents:
            if part not in dict(parent.named_children()):
                parent.add_module(part, nn.Module())
            parent = parent.get_submodule(part)
        parent.add_module(child, layer)
        return name

    def _call(self, function: Callable, *arguments: Any, **options: Any) -> _Value:
        """A call of a function of values, constant tensors and plain numbers."""
        nodes = [a.node if isinstance(a, _Value) else self._constant(a) for a in arguments]
        given = [[getattr(a, kind) if isinstance(a, _Value) else a for a in arguments] for kind in ("example", "few")]
        found = [function(*values, **options) for values in given]
        return _Value(self.fx.call_function(function, tuple(nodes), options), *found)

    def _constant(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        name = f"constant_{len(dict(self.root.named_buffers()))}"
        self.root.register_buffer(name, value.clone())
        return self.fx.get_attr(name)

    def _embedding(self) -> _Value:
        first = self.known[self.graph.output[0].name]
        if not isinstance(first, _Value) or first.example.ndim != 2 or first.example.shape[0] != self.batch:
            shape = "×".join(map(str, first.example.shape)) if isinstance(first, _Value) else "a constant"
            raise InputError(f"The first output must be embeddings, n×d, not {shape}.")
        return first

    def before_normalising(self) -> _Value:
        """The first value that points where the result does: its length is a quality measure."""
        direction = nn.functional.normalize(self.result.example)
        values = [v for v in self.known.values() if isinstance(v, _Value) and v.example.shape == direction.shape]
        alike = (v for v in values if torch.allclose(nn.functional.normalize(v.example), direction, atol=1e-5))
        return next(alike, self.result)


def _all_in_order(values: _Value | Tensor, indices: _Value | Tensor) -> bool:
    """Whether each of a row of values is taken once, in their order."""
    if isinstance(values, Tensor) or isinstance(indices, _Value) or values.example.ndim != 1:
        return False
    return torch.equal(indices.flatten(), torch.arange(len(values.example)))


def _colours(images: Tensor) -> Tensor:
    """Pixels by colour, 3×nhw, of n×3×h×w or n×h×w×3."""
    channels_first = images.movedim(-1, 1) if images.shape[-1] == 3 else images
    return channels_first.transpose(0, 1).flatten(1)


def tensor_of(initializer: onnx.TensorProto) -> Tensor:
    """The numbers of a tensor; `InputError` if it holds none."""
    try:
        return torch.from_numpy(numpy_helper.to_array(initializer).copy())
    except (ValueError, TypeError) as error:
        raise InputError(f"The tensor {initializer.name!r} does not contain numbers ({error}).") from error


def _plain(value: Any) -> Any:
    """An attribute or a constant operand as numbers, texts and lists; tensors of attributes as PyTorch tensors."""
    if isinstance(value, onnx.TensorProto):
        return tensor_of(value)
    if isinstance(value, Tensor):
        return value.tolist()
    return value.decode() if isinstance(value, bytes) else list(value) if isinstance(value, (list, tuple)) else value


def _conv(attributes: dict, example: Tensor, weight: Tensor, bias: Tensor | None = None) -> nn.Module:
    spatial = weight.ndim - 2
    if spatial != 2:
        raise InputError(f"Only 2-D convolutions are supported, not {spatial}-D.")
    stride, dilation = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
    pads = onnx_functions.padding(attributes, example.shape[2:], weight.shape[2:], stride, dilation)
    even = pads[:2] == pads[2:]
    groups, out = attributes.get("group", 1), weight.shape[0]
    window: dict[str, Any] = {"kernel_size": tuple(weight.shape[2:]), "stride": stride, "dilation": dilation}
    window["padding"] = pads[:2] if even else 0
    layer = nn.Conv2d(weight.shape[1] * groups, out, groups=groups, bias=bias is not None, **window)
    _filled(layer, weight=weight, bias=bias)
    return layer if even else nn.Sequential(nn.ZeroPad2d((pads[1], pads[3], pads[0], pads[2])), layer)


def _batch_norm(
    attributes: dict, example: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor
) -> nn.Module:
    kind = nn.BatchNorm2d if example.ndim == 4 else nn.BatchNorm1d
    layer = kind(len(weight), eps=attributes.get("epsilon", 1e-5))
    return _filled(layer, weight=weight, bias=bias, running_mean=mean, running_var=var)


def _linear(attributes: dict, example: Tensor, weight: Tensor, bias: Tensor | None = None) -> nn.Module | None:
    """Gemm, or MatMul, which has no attributes."""
    if attributes.get("transA") or weight.ndim != 2 or (bias is not None and bias.ndim > 1 and bias.shape[0] != 1):
        return None
    weight = attributes.get("alpha", 1.0) * (weight if attributes.get("transB") else weight.T)
    if bias is not None:
        bias = attributes.get("beta", 1.0) * bias.flatten().expand(weight.shape[0])
    return _filled(nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None), weight=weight, bias=bias)


def _prelu(attributes: dict, example: Tensor, slope: Tensor) -> nn.Module | None:
    by_channel = [1, example.shape[1], *[1] * (example.ndim - 2)]
    if slope.numel() > 1 and list(slope.shape) != by_channel[-slope.ndim :]:
        return None
    return _filled(nn.PReLU(slope.numel()), weight=slope.flatten())


def _layer_norm(attributes: dict, example: Tensor, weight: Tensor, bias: Tensor | None = None) -> nn.Module | None:
    if attributes.get("axis", -1) not in (-1, example.ndim - 1):
        return None
    layer = nn.LayerNorm(len(weight), eps=attributes.get("epsilon", 1e-5))
    return _filled(layer, weight=weight, bias=torch.zeros_like(weight) if bias is None else bias)


def _filled(layer: nn.Module, **tensors: Tensor | None) -> nn.Module:
    given = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    layer.load_state_dict(layer.state_dict() | given)
    return layer


_LAYERS: dict[str, Callable[..., Any]] = {
    "Conv": _conv,
    "BatchNormalization": _batch_norm,
    "Gemm": _linear,
    "MatMul": _linear,
    "PRelu": _prelu,
    "LayerNormalization": _layer_norm,
}
