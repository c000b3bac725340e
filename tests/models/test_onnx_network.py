"""Networks from ONNX files as PyTorch networks, compared with ONNX Runtime, which reads the same file."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from prefiqs import embed, prune
from prefiqs.errors import InputError
from prefiqs.models.face_model import InputSpec
from prefiqs.models.onnx_network import onnx_network

SPEC = InputSpec("rgb", 127.5, 128.0)


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
    network = onnx_network("own", InputSpec("rgb", 0, 1) if scaled else SPEC, path)
    faces = np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), np.uint8)
    prepared = network.prepare(faces).numpy()
    theirs = by_runtime(path, prepared.transpose(0, 2, 3, 1) if kind == "nhwc" else prepared, batch)
    np.testing.assert_allclose(embed(network, faces), theirs, atol=1e-5)
    assert network.scales_pixels == scaled and not network.normalised
    lengths = np.linalg.norm(network(torch.from_numpy(prepared)).detach().numpy(), axis=1)
    assert np.ptp(lengths) > 1e-3  # a file that normalises is cut before that
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
    with pytest.raises(InputError, match="operator LpPool is not known"):
        onnx_network("x", SPEC, tmp_path / "x.onnx")


def test_a_file_that_is_no_network(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"no network")
    with pytest.raises(InputError, match="is not an ONNX file"):
        onnx_network("x", SPEC, tmp_path / "x.onnx")
