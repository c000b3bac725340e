"""Networks that MXNet wrote: files made here byte by byte, compared with the same layers in PyTorch."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mxnet_files import FORMS, mxnet_arrays, write_mxnet
from torch.nn import functional as F

from prefiqs.errors import InputError
from prefiqs.models.loading import load_model
from prefiqs.models.mxnet import read_mxnet


@pytest.fixture
def arrays():
    return mxnet_arrays()


@pytest.mark.parametrize("form", FORMS)
def test_the_network_computes_what_its_layers_say(tmp_path, arrays, form):
    proto = read_mxnet(write_mxnet(tmp_path, arrays, form=form))
    onnx.checker.check_model(proto)
    faces = np.random.default_rng(1).uniform(0, 255, (2, 3, 112, 112)).astype(np.float32)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"data": faces})
    w = {name: torch.from_numpy(values) for name, values in arrays.items()}
    x = F.conv2d((torch.from_numpy(faces) - 127.5) / 128, w["c_weight"], stride=2, padding=1)
    x = F.batch_norm(x, w["b_mean"], w["b_var"], torch.ones(4), w["b_beta"], eps=2e-5)  # the scale is fixed to 1
    x = F.prelu(x, w["a_gamma"]).flatten(1)
    np.testing.assert_allclose(found, F.linear(x, w["f_weight"], w["f_bias"]).numpy(), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("key", ["attr", "param"])
def test_older_versions_name_the_options_otherwise(tmp_path, arrays, key):
    """Beside `param`, `attr` holds what the trainer noted, such as a factor of the learning rate."""
    path = write_mxnet(tmp_path, arrays)
    newer, symbol = read_mxnet(path), tmp_path / "net-symbol.json"
    content = json.loads(symbol.read_text())
    for node in content["nodes"]:
        node |= {"attr": {"lr_mult": "2", "stride": "(9, 9)"}} | {key: node.pop("attrs", {})}
    symbol.write_text(json.dumps(content))
    assert read_mxnet(path) == newer


def test_an_unknown_operator_is_named(tmp_path, arrays):
    path = write_mxnet(tmp_path, arrays, [("Correlation", "f", {}, ["data"])])
    with pytest.raises(InputError, match="net-0000.params: The MXNet operator Correlation is not supported"):
        read_mxnet(path)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cut", [0, 7, 40, 200, -1])
def test_a_damaged_file_is_one_sentence(tmp_path, arrays, cut, form):
    path = write_mxnet(tmp_path, arrays, form=form)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"net-0000.params or net-symbol.json is not an MXNet network, or is damaged"):
        read_mxnet(path)


def test_both_files_are_needed(tmp_path, arrays):
    path = write_mxnet(tmp_path, arrays)
    (tmp_path / "net-symbol.json").unlink()
    with pytest.raises(InputError, match=r"File not found: .*net-symbol.json"):
        read_mxnet(path)


def test_sparse_arrays_are_refused(tmp_path, arrays):
    path = write_mxnet(tmp_path, arrays)
    content = path.read_bytes()
    path.write_bytes(content[:28] + b"\1" + content[29:])  # the storage type of the first array
    with pytest.raises(InputError, match="it contains sparse arrays"):
        read_mxnet(path)


@pytest.mark.parametrize("name", ["net.params", "my-net.params", "net-01.params"])
def test_a_name_by_which_the_structure_cannot_be_found(tmp_path, arrays, name):
    path = write_mxnet(tmp_path, arrays).rename(tmp_path / name)
    with pytest.raises(InputError, match=f"{name} must have the name NAME-0000.params, and NAME-symbol.json must be"):
        load_model(str(path))


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
