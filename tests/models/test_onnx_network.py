"""Networks from ONNX files as PyTorch networks, compared with ONNX Runtime, which reads the same file."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mxnet_files import mxnet_arrays, write_mxnet
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import quantize_dynamic
from torch import nn

from prefiqs import embed, load_model, prune, score, scorer
from prefiqs.apps.score.scorer import describe
from prefiqs.errors import InputError
from prefiqs.models.face_model import InputSpec, normalises
from prefiqs.models.onnx_network import OnnxNetwork, load_onnx

SPEC = InputSpec("rgb", 127.5, 128.0)
ASSUMED = InputSpec("rgb", 127.5, 127.5)  # by insightface's loader, too, of a file without subtraction and product


class Network(nn.Module):
    """A small network of the kinds of layers that FR networks have; `kind` adds one thing."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind
        self.conv, self.bn, self.act = nn.Conv2d(3, 8, 3, stride=4), nn.BatchNorm2d(8), nn.PReLU(8)
        self.squeeze, self.fc = nn.Conv2d(8, 8, 1), nn.Linear(8 * 28 * 28, 16)
        self.bn.running_mean.normal_()
        self.bn.running_var.uniform_(0.5, 2)
        self.eval()

    def forward(self, x):
        if self.kind == "nhwc":
            x = x.permute(0, 3, 1, 2)
        if self.kind == "scaled":
            x = (x - 127.5) / 128
        x = self.act(self.bn(self.conv(x)))
        if self.kind == "attention":
            x = x * torch.sigmoid(self.squeeze(x.mean((2, 3), keepdim=True)))
        if self.kind == "hard":
            x = nn.functional.hardswish(x) + nn.functional.relu6(x)
        raw = self.fc(x.flatten(1))
        if self.kind == "unit":
            return nn.functional.normalize(raw)
        return raw


def exported(folder, kind, batch):
    torch.manual_seed(0)
    shape = (batch or 2, 112, 112, 3) if kind == "nhwc" else (batch or 2, 3, 112, 112)
    path, network = folder / f"{kind}.onnx", Network(kind)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    with pytest.warns(DeprecationWarning):
        free = None if batch else {"x": {0: "n"}}
        torch.onnx.export(
            network, torch.ones(shape), path, input_names=["x"], opset_version=13, dynamo=False, dynamic_axes=free
        )
    return path, weights


def by_runtime(path, faces, batch):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    rows = [session.run(None, {"x": np.repeat(face[None], batch or 1, axis=0)})[0][0] for face in faces]
    return np.stack([row / np.linalg.norm(row) for row in rows])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("batch", [1, 3, None])
@pytest.mark.parametrize("kind", ["plain", "scaled", "attention", "hard", "unit", "nhwc"])
def test_embeddings_are_those_of_the_runtime(tmp_path, kind, batch):
    path, weights = exported(tmp_path, kind, batch)
    scaled = kind == "scaled"
    network = load_onnx("own", None, path)
    assert network.input_spec == (InputSpec("rgb", 0, 1) if scaled else ASSUMED)
    faces = np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), np.uint8)
    prepared = network.prepare(faces).numpy()
    theirs = by_runtime(path, prepared.transpose(0, 2, 3, 1) if kind == "nhwc" else prepared, batch)
    np.testing.assert_allclose(embed(network, faces), theirs, atol=1e-5)
    lengths = np.linalg.norm(network(torch.from_numpy(prepared)).detach().numpy(), axis=1)
    assert np.ptp(lengths) > 1e-3 and not normalises(network)  # a file that normalises is cut before that
    pruned = prune(network, 0.5)
    sizes = sum(value.size for name, value in weights.items() if value.ndim > 1 and "squeeze" not in name)
    extra = weights["squeeze.weight"].size if kind == "attention" else 0
    assert pruned.sparsity == pytest.approx(0.5, abs=1 / (sizes + extra))


def test_an_unknown_operator_is_named(tmp_path):
    faces = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 112, 112])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    nodes = [
        helper.make_node("LpPool", ["x"], ["p"], kernel_shape=[112, 112]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    weight = numpy_helper.from_array(np.ones(1, np.float32), "unused")
    graph = helper.make_graph(nodes, "g", [faces], [result], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), tmp_path / "x.onnx")
    with pytest.raises(InputError, match="operator LpPool is not supported"):
        load_onnx("x", SPEC, tmp_path / "x.onnx")


def test_a_file_that_is_no_network(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"no network")
    with pytest.raises(InputError, match="is not an ONNX file"):
        load_onnx("x", SPEC, tmp_path / "x.onnx")


@pytest.mark.filterwarnings("ignore")
def test_pixels_are_never_scaled_twice(tmp_path):
    path, _ = exported(tmp_path, "scaled", None)
    with pytest.raises(InputError, match="scaled.onnx: It scales pixels itself, .* declared with mean 0 and std 1"):
        load_onnx("own", SPEC, path)
    assert load_onnx("own", InputSpec("bgr", 0, 1), path).input_spec.colour == "bgr"


def graph_of(path, nodes, outputs, **weights):
    """Write an ONNX file of these nodes from faces `x`; `outputs` with their widths."""
    faces = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 112, 112])
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width]) for name, width in outputs]
    constants = [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "g", [faces], results, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


MEANS = [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["f"])]


def test_a_file_for_pixels_in_0_to_1_must_be_declared(tmp_path):
    scaling = helper.make_node("Div", ["x", "spread"], ["s"])
    nodes = [scaling, helper.make_node("GlobalAveragePool", ["s"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])]
    path = graph_of(tmp_path / "n.onnx", nodes, [("y", 3)], spread=[[[[0.2]]]])
    with pytest.raises(InputError, match="n.onnx: It shifts or scales its input, but not from 0…255 .*; declare"):
        load_onnx("n", None, path)
    network = load_onnx("n", InputSpec("rgb", 0, 255), path)
    face = np.full((1, 112, 112, 3), 51, np.uint8)
    np.testing.assert_allclose(network(network.prepare(face)).detach().numpy(), np.full((1, 3), 1.0), rtol=1e-6)


def test_a_file_that_only_shifts_pixels_must_be_declared(tmp_path):
    """It takes 0…255, or pixels divided by something before; assumed scaling would shift them twice."""
    shift = helper.make_node("Sub", ["x", "mean"], ["s"])
    nodes = [shift, helper.make_node("GlobalAveragePool", ["s"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])]
    path = graph_of(tmp_path / "n.onnx", nodes, [("y", 3)], mean=[[[91.0]], [[104.0]], [[131.0]]])
    with pytest.raises(InputError, match="n.onnx: It shifts or scales its input, but not from 0…255 .*; declare"):
        load_onnx("n", None, path)
    network = load_onnx("n", InputSpec("bgr", 0, 1), path)
    face = np.full((1, 112, 112, 3), (200, 100, 50), np.uint8)
    np.testing.assert_allclose(network(network.prepare(face)).numpy(), [[-41, -4, 69]], rtol=1e-5)


def test_embeddings_end_before_the_file_normalises_them(tmp_path):
    """Wherever that is, and whatever other outputs say; a vector that is turned around cannot be undone."""
    nodes = [*MEANS, helper.make_node("ReduceL2", ["f"], ["length"], axes=[1], keepdims=1),
             helper.make_node("Reciprocal", ["length"], ["factor"]), helper.make_node("Mul", ["factor", "f"], ["unit"]),
             helper.make_node("Identity", ["unit"], ["y"]), helper.make_node("Neg", ["unit"], ["away"]),
             helper.make_node("Neg", ["length"], ["quality"])]  # fmt: skip
    network = load_onnx("cut", SPEC, graph_of(tmp_path / "cut.onnx", nodes, [("y", 3), ("quality", 1)]))
    face = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    expected = ((face.astype(float) - 127.5) / 128).mean((1, 2))
    np.testing.assert_allclose(network(network.prepare(face)).numpy(), expected, atol=1e-5)
    alone = load_onnx("alone", SPEC, graph_of(tmp_path / "alone.onnx", nodes, [("away", 3)]))
    assert normalises(alone) and not normalises(network)
    for method in ("norm", "pruning-margin"):
        with pytest.raises(InputError, match=f"{method} needs the length of embeddings, but alone normalises them"):
            scorer(method, alone)


def test_a_batch_norm_on_the_pixels_scales_them(tmp_path):
    """As `bn_data` of MXNet's ResNets does; its colours have other means, which is no scaling."""
    tensors = {"g": np.full(3, 1 / 64), "b": [-2, 0, 2], "m": np.zeros(3), "v": np.ones(3)}
    nodes = [
        helper.make_node("BatchNormalization", ["x", "g", "b", "m", "v"], ["s"], epsilon=0.0),
        helper.make_node("GlobalAveragePool", ["s"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    network = load_onnx("n", None, graph_of(tmp_path / "n.onnx", nodes, [("y", 3)], **tensors))
    assert network.input_spec == InputSpec("rgb", 0, 1)
    with pytest.raises(InputError, match="scales pixels itself"):
        load_onnx("n", InputSpec("rgb", 127.5, 1), tmp_path / "n.onnx")


MOVES = {
    "gather": [helper.make_node("Gather", ["x", "bgr"], ["m"], axis=1)],
    "split": [helper.make_node("Split", ["x"], ["r", "g", "b"], axis=1),
              helper.make_node("Concat", ["b", "g", "r"], ["m"], axis=1)],
    "clip": [helper.make_node("Clip", ["x", "", "white"], ["m"])],
    "squeeze": [helper.make_node("Unsqueeze", ["x", "first"], ["u"]),
                helper.make_node("Squeeze", ["u", "first"], ["m"])],
    "crop": [helper.make_node("Slice", ["x", "first", "end", "rows"], ["m"])],
    "reshape": [helper.make_node("Reshape", ["x", "halves"], ["m"])],
}  # fmt: skip


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("move", MOVES)
def test_pixels_that_are_moved_or_clipped_are_scaled_once(tmp_path, move, scaled):
    scale = [helper.make_node("Sub", ["m", "mean"], ["d"]), helper.make_node("Mul", ["d", "by"], ["s"])] * scaled
    nodes = [*MOVES[move], *scale, helper.make_node("Conv", ["s" if scaled else "m", "w"], ["c"], strides=[28, 28]),
             helper.make_node("Flatten", ["c"], ["y"])]  # fmt: skip
    weight = np.random.default_rng(0).normal(size=(4, 3, 28, 28))
    path = graph_of(tmp_path / "n.onnx", nodes, [("y", None)], w=weight, mean=127.5, by=1 / 128, white=255)
    proto = onnx.load(path)
    for name, value in {"bgr": [2, 1, 0], "first": [0], "end": [110], "rows": [2], "halves": [0, 3, 56, 224]}.items():
        proto.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    onnx.save(proto, path)
    network = load_onnx("n", None, path)
    assert network.input_spec == (InputSpec("rgb", 0, 1) if scaled else ASSUMED)
    faces = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)
    expected = by_runtime(path, network.prepare(faces).numpy(), None)
    np.testing.assert_allclose(embed(network, faces), expected, atol=1e-5)


@pytest.mark.parametrize("batch", [1, None])
@pytest.mark.parametrize("last", ["Identity", "Neg"])
def test_a_length_that_is_always_64_is_no_length(tmp_path, last, batch):
    nodes = [*MEANS, helper.make_node("LpNormalization", ["f"], ["unit"], axis=1),
             helper.make_node("Mul", ["unit", "length"], ["u"]), helper.make_node(last, ["u"], ["y"])]  # fmt: skip
    path = graph_of(tmp_path / "n.onnx", nodes, [("y", 3)], length=64)
    proto = onnx.load(path)
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch or 0
    onnx.save(proto, path)
    network = load_onnx("n", SPEC, path)
    assert normalises(network) == (last == "Neg")  # which cannot be undone
    face = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    expected = ((face.astype(float) - 127.5) / 128).mean((1, 2))
    if last == "Neg":
        expected *= -64 / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(network(network.prepare(face)).numpy(), expected, atol=1e-4)


def test_a_last_factor_alone_does_not_normalise(tmp_path):
    nodes = [*MEANS, helper.make_node("Mul", ["f", "length"], ["y"])]
    path = graph_of(tmp_path / "n.onnx", nodes, [("y", 3)], length=64)
    network = load_onnx("n", SPEC, path)
    face = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    expected = 64 * ((face.astype(float) - 127.5) / 128).mean((1, 2))
    np.testing.assert_allclose(network(network.prepare(face)).numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(28,), (1, 28), (1, 28, 1), (28, 1, 1), (1, 28, 1, 1), (1,)])
def test_a_slope_belongs_to_the_axis_that_onnx_says(tmp_path, shape):
    """Of 28 channels of 28×28; only some are those of PyTorch's layer."""
    random = np.random.default_rng(0)
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], strides=[4, 4]), helper.make_node("PRelu", ["c", "a"], ["p"]),
             helper.make_node("ReduceMean", ["p"], ["y"], axes=[2, 3], keepdims=0)]  # fmt: skip
    weights = {"w": random.normal(size=(28, 3, 4, 4)), "a": random.normal(size=shape)}
    path = graph_of(tmp_path / "n.onnx", nodes, [("y", 28)], **weights)
    network = OnnxNetwork("n", SPEC, onnx.load(path))
    faces = random.integers(0, 256, (2, 112, 112, 3), np.uint8)
    expected = onnxruntime.InferenceSession(path).run(None, {"x": network.prepare(faces).numpy()})[0]
    np.testing.assert_allclose(network(network.prepare(faces)).detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["type", "train.x", "forward.conv", "graph.conv", "code", "training.weight"])
def test_weights_may_have_any_name(tmp_path, name):
    nodes = [helper.make_node("Conv", ["x", name], ["c"], strides=[28, 28]), helper.make_node("Flatten", ["c"], ["y"])]
    weight = np.random.default_rng(0).normal(size=(2, 3, 28, 28))
    path = graph_of(tmp_path / "n.onnx", nodes, [("y", 32)], **{name: weight})
    network = load_onnx("n", SPEC, path)
    faces = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    expected = by_runtime(path, network.prepare(faces).numpy(), None)
    np.testing.assert_allclose(embed(network, faces), expected, atol=1e-5)


class Token(nn.Module):
    """A class token before the patches, attention over three parts of one product, and the token's row at the end."""

    def __init__(self):
        super().__init__()
        self.patches, self.token = nn.Conv2d(3, 12, 28, stride=28), nn.Parameter(torch.randn(1, 1, 12))
        self.qkv, self.norm, self.fc = nn.Linear(12, 36), nn.LayerNorm(12), nn.Linear(12, 8)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        q, k, v = self.qkv(self.norm(x)).chunk(3, dim=-1)
        x = x + (q @ k.transpose(1, 2)).softmax(-1) @ v
        return self.fc(x[:, 0])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("batch", [1, 2, None])
def test_a_transformer_takes_any_number_of_faces(tmp_path, batch, opset):
    """Through the engine too, which traces the network for two faces and then gets more."""
    torch.manual_seed(0)
    network, path = Token().eval(), tmp_path / "vit.onnx"
    free = None if batch else {"x": {0: "n"}}
    example = torch.ones(batch or 2, 3, 112, 112)
    torch.onnx.export(network, example, path, input_names=["x"], opset_version=opset, dynamo=False, dynamic_axes=free)
    ours = load_onnx("own", SPEC, path)
    faces = np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), np.uint8)
    with torch.no_grad():
        expected = nn.functional.normalize(network(ours.prepare(faces))).numpy()
    np.testing.assert_allclose(embed(ours, faces), expected, atol=1e-5)


class Layered(nn.Module):
    """PyTorch's own transformer layer, which keeps the faces along the second axis, and attention by products."""

    def __init__(self, kind: str):
        super().__init__()
        self.patches, self.kind = nn.Conv2d(3, 12, 28, stride=28), kind
        self.layer = nn.TransformerEncoderLayer(12, 3, 24, batch_first=kind != "second axis", norm_first=True)
        self.attention, self.fc = nn.MultiheadAttention(12, 4, batch_first=True), nn.Linear(12, 8)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        match self.kind:
            case "layer":
                x = self.layer(x)
            case "attention":
                x = x + self.attention(x, x, x, need_weights=False)[0]
            case "second axis":
                x = self.layer(x.transpose(0, 1)).transpose(0, 1)
            case "products":
                seen = torch.einsum("bid,bjd->bij", x, x).softmax(-1)
                x = x + torch.einsum("bij,bjd->bid", seen, x)
        return self.fc(x[:, 0])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("batch", [1, 2, 4, None])
@pytest.mark.parametrize("kind", ["layer", "attention", "second axis", "products"])
def test_faces_along_another_axis(tmp_path, kind, batch):
    torch.manual_seed(0)
    network, path, free = Layered(kind).eval(), tmp_path / "vit.onnx", None if batch else {"x": {0: "n"}}
    example = torch.ones(batch or 2, 3, 112, 112)
    torch.onnx.export(network, example, path, input_names=["x"], opset_version=17, dynamo=False, dynamic_axes=free)
    ours = load_onnx("own", SPEC, path)
    faces = np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), np.uint8)
    expected = by_runtime(path, ours.prepare(faces).numpy(), batch)
    np.testing.assert_allclose(embed(ours, faces), expected, atol=1e-5)
    with torch.no_grad():
        alone = np.concatenate([ours(ours.prepare(faces[i : i + 1])).numpy() for i in range(5)])
        np.testing.assert_allclose(ours(ours.prepare(faces)).numpy(), alone, atol=1e-5)


def test_what_relates_faces_to_each_other_is_refused(tmp_path):
    nodes = [*MEANS, helper.make_node("Transpose", ["f"], ["t"]), helper.make_node("MatMul", ["f", "t"], ["m"]),
             helper.make_node("Reshape", ["m", "to"], ["y"], "mix")]  # fmt: skip
    path = graph_of(tmp_path / "n.onnx", nodes, [("y", 2)])
    proto = onnx.load(path)
    proto.graph.initializer.append(numpy_helper.from_array(np.array([2, 2]), "to"))
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(proto, path)
    with pytest.raises(InputError, match="n.onnx: The operator Reshape mix takes what relates faces to each other"):
        load_onnx("n", SPEC, path)


def test_a_class_token_warns_of_nothing(tmp_path, recwarn):
    torch.manual_seed(0)
    path, example = tmp_path / "vit.onnx", torch.ones(1, 3, 112, 112)
    free = {"x": {0: "n"}}
    torch.onnx.export(Token().eval(), example, path, input_names=["x"], dynamo=False, dynamic_axes=free)
    recwarn.clear()
    assert embed(load_onnx("own", SPEC, path), np.zeros((3, 112, 112, 3), np.uint8)).shape == (3, 8)
    assert [str(w.message) for w in recwarn if issubclass(w.category, torch.jit.TracerWarning)] == []


class Fused(nn.Module):
    """Attention as one operator; the mask is none, true where a patch may look, or added."""

    def __init__(self, mask: str):
        super().__init__()
        self.patches, self.qkv, self.fc = nn.Conv2d(3, 12, 28, stride=28), nn.Linear(12, 36), nn.Linear(12, 8)
        added = torch.randn(16, 16)
        self.register_buffer("mask", {"none": None, "true": added > -1, "added": added}[mask])

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(x).unflatten(2, (3, 4, 3)).permute(2, 0, 3, 1, 4).unbind(0)
        scale = 0.3 if self.mask is None else None
        attended = nn.functional.scaled_dot_product_attention(q, k, v, self.mask, scale=scale)
        return self.fc((x + attended.transpose(1, 2).flatten(2)).mean(1))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mask", ["none", "true", "added"])
def test_attention_as_one_operator(tmp_path, mask):
    """As the new exporter writes it from opset 23 on."""
    torch.manual_seed(0)
    path, example = tmp_path / "vit.onnx", (torch.ones(2, 3, 112, 112),)
    options = {"opset_version": 23, "dynamo": True, "external_data": False}
    torch.onnx.export(Fused(mask).eval(), example, path, input_names=["x"], **options)
    assert "Attention" in [node.op_type for node in onnx.load(path).graph.node]
    network = load_onnx("vit", SPEC, path)
    faces = np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), np.uint8)
    expected = by_runtime(path, network.prepare(faces).numpy(), 2)
    np.testing.assert_allclose(embed(network, faces), expected, atol=1e-5)
    assert (score(faces, "jacobian", network) < 0).all()


def attention_of_rows(path, attributes, operands=("rows", "rows", "rows"), outputs=("a",), taken="a"):
    """Over the 112 rows of each face, whose 336 values are four heads."""
    nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1, 3]),
             helper.make_node("Reshape", ["t", "joined"], ["rows"]),
             helper.make_node("Attention", list(operands), list(outputs), **attributes),
             helper.make_node("ReduceMean", [taken, "axis"], ["y"], keepdims=0)]  # fmt: skip
    graph_of(path, nodes, [("y", 336)], past=np.zeros((5, 4, 1, 84)))
    proto = onnx.load(path)
    for name, value in (("joined", [0, 112, 336]), ("axis", [1])):
        proto.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    proto.opset_import[0].version, proto.ir_version = 23, 11
    onnx.save(proto, path)
    return path


def test_attention_of_joined_heads(tmp_path):
    path = attention_of_rows(tmp_path / "n.onnx", {"q_num_heads": 4, "kv_num_heads": 4})
    network = load_onnx("n", SPEC, path)
    faces = np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), np.uint8)
    expected = by_runtime(path, network.prepare(faces).numpy(), None)
    np.testing.assert_allclose(embed(network, faces), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("attributes", "more", "message"),
    [
        ({"softcap": 2.0}, {}, "Attention that is causal, has a softcap or fewer heads of keys than of queries"),
        ({"is_causal": 1}, {}, "Attention that is causal"),
        ({"kv_num_heads": 2}, {}, "fewer heads of keys than of queries, or takes past keys and values, is not"),
        ({}, {"operands": [*["rows"] * 3, "", "past", "past"]}, "or takes past keys and values, is not supported"),
        ({}, {"outputs": ["a", "", "", "qk"], "taken": "qk"}, "ReduceMean takes qk, an output that is not supported"),
    ],
)  # fmt: skip
def test_attention_that_is_not_supported(tmp_path, attributes, more, message):
    path = attention_of_rows(tmp_path / "n.onnx", {"q_num_heads": 4, "kv_num_heads": 4} | attributes, **more)
    with pytest.raises(InputError, match=f"n.onnx: .*{message}"):
        load_onnx("n", SPEC, path)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("operator", ["Max", "Mean", "Min", "Sum"])
def test_operators_of_any_number_of_operands(tmp_path, operator, count):
    operands = ["f", "other", "c"][:count]
    nodes = [*MEANS, helper.make_node("Cos", ["f"], ["other"]), helper.make_node(operator, operands, ["y"])]
    path = graph_of(tmp_path / "n.onnx", nodes, [("y", 3)], c=[0.1, -0.2, 3])
    network = load_onnx("n", SPEC, path)
    prepared = network.prepare(np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), np.uint8) // 2)
    expected = onnxruntime.InferenceSession(path).run(None, {"x": prepared.numpy()})[0]
    np.testing.assert_allclose(network(prepared).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([helper.make_node("Conv", ["x", "w"], ["c"], domain="com.microsoft")], "operator com.microsoft.Conv is not"),
        ([helper.make_node("ConstantOfShape", ["big"], ["c"])], "A constant of shape .* is not supported"),
        ([helper.make_node("Cast", ["x"], ["c"], to=TensorProto.FLOAT16)], "reduced precision .* in float32"),
        ([helper.make_node("QuantizeLinear", ["x", "w"], ["c"])], "QuantizeLinear belongs to a quantised network; exp"),
        ([helper.make_node("Flatten", ["x"], ["c"], axis=0)], "Flatten from axis 0 on is not supported"),
        ([helper.make_node("Resize", ["x", "", "", "sides"], ["c"], mode="linear")], "Resizing to or by 1048576×"),
        ([helper.make_node("Resize", ["x", "", "", "sides"], ["c"])], "Resizing in the mode nearest half_pixel"),
        ([helper.make_node("Resize", ["x", "", "", "sides"], ["c"], mode="cubic")], "Resizing in the mode cubic half"),
    ],
)
def test_what_is_not_supported_is_one_sentence(tmp_path, nodes, message):
    path = graph_of(tmp_path / "n.onnx", [*nodes, *MEANS[:1], helper.make_node("Flatten", ["p"], ["y"])], [("y", 3)],
                    w=np.ones((3, 3, 1, 1)))  # fmt: skip
    proto = onnx.load(path)
    proto.graph.initializer.append(numpy_helper.from_array(np.array([2**20, 2**20]), "big"))
    proto.graph.initializer.append(numpy_helper.from_array(np.array([5, 3, 2**20, 2**20]), "sides"))
    onnx.save(proto, path)
    with pytest.raises(InputError, match=f"n.onnx: .*{message}"):
        load_onnx("n", SPEC, path)


@pytest.mark.parametrize("target", ["sizes", "scales"])
@pytest.mark.parametrize(
    "how",
    [{"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
     *({"mode": "linear", "coordinate_transformation_mode": places}
       for places in ("half_pixel", "pytorch_half_pixel", "align_corners"))],
)  # fmt: skip
def test_resizing(tmp_path, how, target):
    """7×7 to 10×16."""
    resized = helper.make_node("Resize", ["p", "", *{"sizes": ["", "to"], "scales": ["by"]}[target]], ["r"], **how)
    nodes = [helper.make_node("AveragePool", ["x"], ["p"], kernel_shape=[16, 16], strides=[16, 16]), resized,
             helper.make_node("Flatten", ["r"], ["y"])]  # fmt: skip
    path = graph_of(tmp_path / "n.onnx", nodes, [("y", 480)], by=[1, 1, 10 / 7 + 1e-6, 16 / 7 + 1e-6])
    proto = onnx.load(path)
    proto.graph.initializer.append(numpy_helper.from_array(np.array([2, 3, 10, 16]), "to"))
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(proto, path)
    faces = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    network = load_onnx("n", SPEC, path)
    prepared = network.prepare(faces)
    expected = onnxruntime.InferenceSession(path).run(None, {"x": prepared.numpy()})[0]
    np.testing.assert_allclose(network(prepared).numpy(), expected, atol=1e-5)
    assert len(embed(network, np.concatenate([faces, faces]))) == 4


def test_a_small_graph_before_opset_11_enlarges_without_centres(tmp_path):
    nodes = [helper.make_node("AveragePool", ["x"], ["p"], kernel_shape=[16, 16], strides=[16, 16]),
             helper.make_node("Upsample", ["p", "by"], ["r"]), helper.make_node("Flatten", ["r"], ["y"])]  # fmt: skip
    path = graph_of(tmp_path / "n.onnx", nodes, [("y", 588)], by=[1, 1, 2, 2])
    proto = onnx.load(path)
    proto.opset_import[0].version = 9
    onnx.save(proto, path)
    faces = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    network = load_onnx("n", SPEC, path)
    pooled = ((faces.astype(float) - 127.5) / 128).reshape(2, 7, 16, 7, 16, 3).mean((2, 4)).transpose(0, 3, 1, 2)
    expected = pooled.repeat(2, 2).repeat(2, 3).reshape(2, -1)
    np.testing.assert_allclose(network(network.prepare(faces)).numpy(), expected, atol=1e-5)


def test_an_input_that_is_assumed_is_told_once(tmp_path, caplog):
    nodes = [*MEANS[:1], helper.make_node("Flatten", ["p"], ["y"])]
    path = graph_of(tmp_path / "told.onnx", nodes, [("y", 3)])
    for _ in range(2):
        load_model(str(path), device="cpu")
    (record,) = caplog.records
    assert record.getMessage() == (
        "told does not declare its input, so RGB, (x - 127.5)/127.5 is assumed. Declare it in told.json beside the "
        'file, such as {"colour": "rgb", "mean": 127.5, "std": 127.5}.'
    )
    described = describe("norm", str(path), {}, False, False)
    assert " input=RGB, (x - 127.5)/127.5 " in described
    path.with_suffix(".json").write_text('{"colour": "bgr", "mean": 127.5, "std": 127.5}')
    path.rename(path.with_stem("silent"))
    path.with_suffix(".json").rename(tmp_path / "silent.json")
    load_model(str(tmp_path / "silent.onnx"), device="cpu")
    assert len(caplog.records) == 1
    assert " input=BGR, (x - 127.5)/127.5 " in describe("norm", str(tmp_path / "silent.onnx"), {}, False, False)
    scaling = helper.make_node("Mul", ["x", "by"], ["s"])
    nodes = [scaling, helper.make_node("GlobalAveragePool", ["s"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])]
    load_model(str(graph_of(tmp_path / "told-too.onnx", nodes, [("y", 3)], by=1 / 128)), device="cpu")
    assert "told-too does not declare its input, so RGB, (x - 0)/1 is assumed" in caplog.records[1].getMessage()


def test_the_declaration_of_an_mxnet_network_is_asked_for_by_its_name(tmp_path, caplog):
    """NAME.json, where it is looked for then, and not NAME-0000.json."""
    path = write_mxnet(tmp_path, mxnet_arrays())
    path = path.rename(tmp_path / "mine-0012.params")
    (tmp_path / "net-symbol.json").rename(tmp_path / "mine-symbol.json")
    assert load_model(str(path), device="cpu").name == "mine"
    (record,) = caplog.records
    assert "mine does not declare its input" in record.getMessage()
    assert "Declare it in mine.json beside the file" in record.getMessage()
    (tmp_path / "mine.json").write_text('{"colour": "bgr", "mean": 0, "std": 1}')
    assert load_model(str(path), device="cpu").input_spec.colour == "bgr"


def test_a_quantised_network_is_refused(tmp_path):
    nodes = [*MEANS, helper.make_node("MatMul", ["f", "w"], ["y"])]
    path = graph_of(tmp_path / "n.onnx", nodes, [("y", 8)], w=np.random.default_rng(0).normal(size=(3, 8)))
    quantize_dynamic(path, tmp_path / "int8.onnx")
    with pytest.raises(InputError, match=r"int8.onnx: The ONNX operator \w*QuantizeLinear belongs to a quantised netw"):
        load_onnx("n", SPEC, tmp_path / "int8.onnx")


def test_a_network_that_takes_landmarks_too_is_refused(tmp_path):
    """Such as one with position encodings by key points."""
    path = graph_of(tmp_path / "n.onnx", [*MEANS[:1], helper.make_node("Flatten", ["p"], ["y"])], [("y", 3)])
    proto = onnx.load(path)
    proto.graph.input.append(helper.make_tensor_value_info("points", TensorProto.FLOAT, ["n", 5, 2]))
    onnx.save(proto, path)
    with pytest.raises(InputError, match="must take one input of 112×112 colour faces, not .×3×112×112, .×5×2"):
        load_onnx("n", SPEC, path)


def test_a_batch_size_that_cannot_be_changed(tmp_path):
    """The four numbers come from two faces, whichever these are."""
    nodes = [*MEANS, helper.make_node("Reshape", ["f", "flat"], ["r"]), helper.make_node("Gather", ["r", "at"], ["y"])]
    path = graph_of(tmp_path / "n.onnx", nodes, [("y", 2)])
    proto = onnx.load(path)
    for name, value in (("flat", [-1]), ("at", [[0, 1], [3, 4]])):
        proto.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(proto, path)
    with pytest.raises(InputError, match="Cannot change the batch size of .*n.onnx. Export it for any number of faces"):
        load_onnx("n", SPEC, path)


def test_a_large_batch_is_refused(tmp_path):
    path = graph_of(tmp_path / "n.onnx", [*MEANS[:1], helper.make_node("Flatten", ["p"], ["y"])], [("y", 3)])
    proto = onnx.load(path)
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 100_000
    onnx.save(proto, path)
    with pytest.raises(InputError, match="takes 100000 faces at once; export it for at most 64"):
        load_onnx("n", SPEC, path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("exporter", ["classic", "new"])
def test_drift_is_that_of_the_file_with_masked_weights(tmp_path, exporter):
    """Half of the weights of the file, the smallest of all layers together, become zero for ONNX Runtime."""
    if exporter == "classic":
        path, _ = exported(tmp_path, "plain", 1)
    else:
        torch.manual_seed(0)
        path, example = tmp_path / "new.onnx", (torch.ones(1, 3, 112, 112),)
        torch.onnx.export(Network("plain"), example, path, input_names=["x"], dynamo=True, external_data=False)
    proto = onnx.load(path)
    names = {node.input[1] for node in proto.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")}
    tensors = [tensor for tensor in proto.graph.initializer if tensor.name in names]
    weights = [numpy_helper.to_array(tensor) for tensor in tensors]
    assert sorted(weight.ndim for weight in weights) == [2, 4]
    magnitudes = np.sort(np.abs(np.concatenate([weight.ravel() for weight in weights])))
    for tensor, weight in zip(tensors, weights, strict=True):
        kept = np.where(np.abs(weight) < magnitudes[len(magnitudes) // 2], np.float32(0), weight)
        assert 0 < np.count_nonzero(kept) < weight.size
        tensor.CopyFrom(numpy_helper.from_array(kept, tensor.name))
    onnx.save(proto, tmp_path / "masked.onnx")
    network = load_onnx("own", SPEC, path)
    pruned = prune(network, 0.5)
    faces = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)
    masked = by_runtime(tmp_path / "masked.onnx", network.prepare(faces).numpy(), 1)
    plain = by_runtime(path, network.prepare(faces).numpy(), 1)
    drift = np.linalg.norm(embed(network, faces) - embed(pruned, faces), axis=1)
    assert embed(pruned, faces).shape == (3, 16) and (drift > 1e-3).all()
    np.testing.assert_allclose(drift, np.linalg.norm(plain - masked, axis=1), atol=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_structured_pruning_removes_channels_and_keeps_the_size_of_the_embedding(tmp_path):
    network = load_onnx("own", SPEC, exported(tmp_path, "plain", 1)[0])
    pruned = prune(network, 0.5, granularity="structured")
    faces = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)
    assert embed(pruned, faces).shape == (3, 16)
    convolutions = [layer for layer in pruned.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [4]
