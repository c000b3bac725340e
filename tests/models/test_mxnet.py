"""Networks that MXNet wrote: files made here byte by byte, compared with the same layers in PyTorch."""

import json
import struct

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch.nn import functional as F

from prefiqs.errors import InputError
from prefiqs.models.mxnet import read_mxnet

SHAPES = {
    "c_weight": (4, 3, 3, 3), "b_gamma": (4,), "b_beta": (4,), "b_mean": (4,), "b_var": (4,), "a_gamma": (4,),
    "f_weight": (5, 4 * 56 * 56), "f_bias": (5,),
}  # fmt: skip
NODES = [
    ("_minus_scalar", "minus", {"scalar": "127.5"}, ["data"]),
    ("_mul_scalar", "times", {"scalar": "0.0078125"}, ["minus"]),
    ("Convolution", "c", {"kernel": "(3, 3)", "num_filter": "4", "stride": "(2, 2)", "pad": "(1, 1)",
                          "no_bias": "True"}, ["times", "c_weight"]),
    ("BatchNorm", "b", {"eps": "2e-05", "fix_gamma": "True"}, ["c", "b_gamma", "b_beta", "b_mean", "b_var"]),
    ("LeakyReLU", "a", {"act_type": "prelu"}, ["b", "a_gamma"]),
    ("FullyConnected", "f", {"num_hidden": "5"}, ["a", "f_weight", "f_bias"]),
]  # fmt: skip


def mxnet_arrays():
    random = np.random.default_rng(0)
    found = {name: random.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    return found | {"b_var": np.abs(found["b_var"]) + 0.5}


@pytest.fixture
def arrays():
    return mxnet_arrays()


def write_mxnet(folder, arrays, nodes=NODES):
    entries = [{"op": "null", "name": name, "inputs": []} for name in ["data", *arrays]]
    place = {name: i for i, name in enumerate(["data", *arrays, *(name for _, name, _, _ in nodes)])}
    for op, name, attributes, inputs in nodes:
        entries.append({"op": op, "name": name, "attrs": attributes, "inputs": [[place[i], 0, 0] for i in inputs]})
    (folder / "net-symbol.json").write_text(json.dumps({"nodes": entries, "heads": [[len(entries) - 1, 0, 0]]}))
    content = struct.pack("<QQQ", 0x112, 0, len(arrays))
    for values in arrays.values():
        content += struct.pack(f"<IiI{values.ndim}q", 0xF993FAC9, 0, values.ndim, *values.shape)
        content += struct.pack("<iii", 1, 0, 0) + values.tobytes()
    content += struct.pack("<Q", len(arrays))
    for name in arrays:
        key = f"{'aux' if name.endswith(('_mean', '_var')) else 'arg'}:{name}".encode()
        content += struct.pack("<Q", len(key)) + key
    (folder / "net-0000.params").write_bytes(content)
    return folder / "net-0000.params"


def test_the_network_computes_what_its_layers_say(tmp_path, arrays):
    proto = read_mxnet(write_mxnet(tmp_path, arrays))
    onnx.checker.check_model(proto)
    faces = np.random.default_rng(1).uniform(0, 255, (2, 3, 112, 112)).astype(np.float32)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"data": faces})
    w = {name: torch.from_numpy(values) for name, values in arrays.items()}
    x = F.conv2d((torch.from_numpy(faces) - 127.5) / 128, w["c_weight"], stride=2, padding=1)
    x = F.batch_norm(x, w["b_mean"], w["b_var"], torch.ones(4), w["b_beta"], eps=2e-5)  # the scale is fixed to 1
    x = F.prelu(x, w["a_gamma"]).flatten(1)
    np.testing.assert_allclose(found, F.linear(x, w["f_weight"], w["f_bias"]).numpy(), rtol=1e-4, atol=1e-3)


def test_an_unknown_operator_is_named(tmp_path, arrays):
    path = write_mxnet(tmp_path, arrays, [("Correlation", "f", {}, ["data"])])
    with pytest.raises(InputError, match="net-0000.params: The MXNet operator Correlation is not supported"):
        read_mxnet(path)


@pytest.mark.parametrize("cut", [0, 7, 40, 200, -1])
def test_a_damaged_file_is_one_sentence(tmp_path, arrays, cut):
    path = write_mxnet(tmp_path, arrays)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"net-0000.params or net-symbol.json is not an MXNet network, or is damaged"):
        read_mxnet(path)


def test_both_files_are_needed(tmp_path, arrays):
    path = write_mxnet(tmp_path, arrays)
    (tmp_path / "net-symbol.json").unlink()
    with pytest.raises(InputError, match=r"File not found: .*net-symbol.json"):
        read_mxnet(path)


@pytest.mark.parametrize("text", ["-" * 5000 + "1", "-" * 100_000 + "1"])
def test_a_crafted_option_is_one_sentence(tmp_path, arrays, text):
    path = write_mxnet(tmp_path, arrays, [("_minus_scalar", "minus", {"scalar": text}, ["data"])])
    with pytest.raises(InputError, match="is not an MXNet network, or is damaged"):
        read_mxnet(path)


@pytest.mark.parametrize(
    ("options", "expected"), [({}, 0.25), ({"count_include_pad": "False"}, 1.0), ({"pool_type": "max"}, 1.0)]
)
def test_average_pooling_counts_its_padding(tmp_path, arrays, options, expected):
    """MXNet does unless told otherwise, ONNX does not."""
    values = {"kernel": "(2, 2)", "stride": "(2, 2)", "pad": "(1, 1)", "pool_type": "avg"} | options
    nodes = [("Pooling", "p", values, ["data"]), ("Flatten", "f", {}, ["p"])]
    proto = read_mxnet(write_mxnet(tmp_path, arrays, nodes))
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"data": np.ones((1, 3, 112, 112), np.float32)})
    assert found[0, 0] == pytest.approx(expected)  # of the corner, three quarters of which are padding


@pytest.mark.parametrize(
    ("operator", "options", "message"),
    [
        ("BatchNorm", {"axis": "3"}, "axis=3"),
        ("FullyConnected", {"flatten": "false"}, "flatten=False"),
        ("Pooling", {"pooling_convention": "same", "kernel": "(2, 2)"}, "pooling_convention=same"),
    ],
)
def test_options_that_would_be_misread_are_refused(tmp_path, arrays, operator, options, message):
    path = write_mxnet(tmp_path, arrays, [(operator, "n", options, ["data"])])
    with pytest.raises(InputError, match=f"n has {message}, which is not supported"):
        read_mxnet(path)
