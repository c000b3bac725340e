"""Loading is strict: a file that does not fit is refused by name, never half loaded, and nothing in it is run."""

import dataclasses
import os
import pickle
from functools import partial

import pytest
import torch
from published_layouts import drawn, ir_shapes, iresnet_shapes
from safetensors.torch import save_file
from small_networks import assert_same_state

from prefiqs.errors import InputError
from prefiqs.models.iresnet import IR, IResNet
from prefiqs.models.loading import as_model, load_model
from prefiqs.models.registry import MODELS

SMALL = (1, 1, 1, 1)


@pytest.fixture
def state(sface) -> dict[str, torch.Tensor]:
    return dict(sface.state_dict())


@pytest.fixture
def small(monkeypatch) -> dict[str, torch.Tensor]:
    """Makes `iresnet50`, `magface`, `curricularface` and `adaface-ir50` small; a checkpoint of the first."""
    for name, network in {
        "iresnet50": partial(IResNet, SMALL),
        "magface": partial(IResNet, SMALL, eps=2e-5),
        "curricularface": partial(IR, SMALL, inner_norm=False),
        "adaface-ir50": partial(IR, SMALL, inner_norm=True),
    }.items():
        monkeypatch.setitem(MODELS, name, dataclasses.replace(MODELS[name], network=network))
    return drawn(iresnet_shapes(SMALL))


def load(state: dict[str, torch.Tensor], tmp_path):
    save_file(state, tmp_path / "weights.safetensors")
    return load_model("sface", tmp_path / "weights.safetensors", device="cpu")


def test_weights_from_a_file_replace_the_published_ones(state, tmp_path):
    state["embedding.bias"] = state["embedding.bias"] + 1
    assert_same_state(load(state, tmp_path).state_dict(), state)


def test_the_original_onnx_file_is_a_weights_file_too(assets, sface):
    assert_same_state(load_model("sface", assets["sface"], device="cpu").state_dict(), sface.state_dict())


def test_counters_that_older_files_lack_may_be_missing(state, sface, tmp_path):
    without = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    assert len(without) < len(state)
    assert_same_state(load(without, tmp_path).state_dict(), sface.state_dict())


def test_missing_weights(state, tmp_path):
    for name in ("embedding.weight", "stem.bn.running_var", "blocks.3.pointwise.prelu.weight"):
        del state[name]
    with pytest.raises(InputError, match=r"missing \['blocks.3.pointwise.prelu.weight', 'embedding.weight', 'stem.bn"):
        load(state, tmp_path)


def test_unknown_weights(state, tmp_path):
    with pytest.raises(InputError, match=r"missing \[\], unknown \['head.weight'\], wrong shape \[\]"):
        load(state | {"head.weight": torch.zeros(3)}, tmp_path)


def test_weights_of_another_shape(state, tmp_path):
    with pytest.raises(InputError, match=r"wrong shape \['embedding.bias \(64,\) for \(128,\)'\]"):
        load(state | {"embedding.bias": torch.zeros(64)}, tmp_path)


def test_weights_are_loaded_without_drawing_random_numbers(small, tmp_path):
    torch.save(small, tmp_path / "a.pth")
    before = torch.get_rng_state()
    model = load_model("iresnet50", tmp_path / "a.pth", device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert_same_state({key: model.state_dict()[key] for key in small}, small)


def test_half_precision_becomes_single(small, tmp_path):
    halved = {key: value.half() if value.is_floating_point() else value for key, value in small.items()}
    torch.save(halved, tmp_path / "a.pth")
    loaded = load_model("iresnet50", tmp_path / "a.pth", device="cpu").state_dict()
    assert {value.dtype for value in loaded.values()} == {torch.float32, torch.int64}
    assert torch.equal(loaded["fc.weight"], halved["fc.weight"].float())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("weights.onnx", "is not an ONNX file"),
        ("weights.safetensors", "weights.safetensors is not a safetensors file, or is damaged"),
        ("weights.pth", "weights.pth is not a PyTorch checkpoint, or is damaged"),
        ("weights.ckpt", "weights.ckpt is not a PyTorch checkpoint"),
        ("weights.txt", "must end in .pth, .pt, .ckpt, .bin, .safetensors, not .*weights.txt"),
    ],
)
def test_weights_that_are_a_text_file(tmp_path, name, words):
    (tmp_path / name).write_text("no network, only words")
    with pytest.raises(InputError, match=words):
        load_model("sface", tmp_path / name)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_damaged_checkpoint(small, tmp_path, zipped):
    path = tmp_path / "a.pth"
    torch.save(small, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(InputError, match=f"{path} is not a PyTorch checkpoint, or is damaged"):
        load_model("iresnet50", path)


class Malicious:
    """Unpickling this would make a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("way", ["zipped", "legacy", "pickle"])
def test_a_malicious_pickle_is_refused_and_not_run(small, tmp_path, way):
    path, trace = tmp_path / "a.pth", tmp_path / "made"
    content = small | {"extra": Malicious(trace)}
    if way == "pickle":
        path.write_bytes(pickle.dumps(Malicious(trace), protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=way == "zipped")
    with pytest.raises(InputError, match=f"{path} tries to run `[a-z]+.mkdir` when it is loaded. Nothing was run"):
        load_model("iresnet50", path)
    assert not trace.exists()
    if way == "pickle":
        pickle.loads(path.read_bytes())
        assert trace.exists()  # it would have


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([torch.zeros(3)], "contains one list instead of named tensors"),
        (
            {"epoch": 3, "weights": {"conv1.weight": torch.zeros(3)}},
            r"contains more .*: \['epoch', 'weights'\]",
        ),
        (
            {"state_dict": {"conv1.weight": torch.zeros(3), "note": "x"}},
            r"or its `state_dict`, contains more .*: \['note'\]",
        ),
        ({}, r"missing \['bn1.bias', 'bn1.running_mean', 'bn1.running_var'\], unknown \[\]"),
    ],
)
def test_checkpoints_that_hold_something_else(small, tmp_path, content, words):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(InputError, match=words):
        load_model("iresnet50", tmp_path / "a.pth")


def test_a_checkpoint_of_another_network_names_the_first_keys(small, tmp_path):
    torch.save(drawn(ir_shapes(SMALL, inner_norm=False)), tmp_path / "a.pth")
    with pytest.raises(
        InputError,
        match=r"a.pth does not contain the weights of iresnet50: missing \['bn1.bias', 'bn1.running_mean', .*\], "
        r"unknown \['body.0.res_layer.0.bias', ",
    ):
        load_model("iresnet50", tmp_path / "a.pth")
    # The same names, but without AdaFace's batch norm in the block.
    with pytest.raises(
        InputError, match=r"weights of adaface-ir50: missing \['body.0.res_layer.2.bias', .*wrong shape"
    ):
        load_model("adaface-ir50", tmp_path / "a.pth")


def test_keys_beside_the_backbone_are_known_by_name_or_refused(small, tmp_path):
    """Skipping whatever is not recognised would also skip a backbone under a wrong name."""
    saved = {f"features.module.{key}": value for key, value in small.items()}
    torch.save({"state_dict": saved | {"quality.weight": torch.zeros(3)}}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"tensors that are not part of the network: quality.weight"):
        load_model("magface", tmp_path / "a.pth")
    misnamed = {key.replace("layer4", "layer5"): value for key, value in saved.items()}
    torch.save({"state_dict": misnamed}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"missing \['layer4.0.bn1.bias', .*unknown \['layer5.0.bn1.bias', "):
        load_model("magface", tmp_path / "a.pth")


def test_the_linear_layer_of_a_plain_file_is_no_leftover(small, tmp_path):
    """MagFace's class centres are called `fc` too, outside the prefix."""
    del small["fc.weight"]
    torch.save(small, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"missing \['fc.weight'\], unknown \[\]"):
        load_model("magface", tmp_path / "a.pth")


def test_weights_of_another_network(assets):
    with pytest.raises(InputError, match=r"not contain the weights of sface: missing \['blocks.0.depthwise.bn.bias'"):
        load_model("sface", assets["mobilefacenet-512"])


def test_a_text_file_as_network(tmp_path):
    path = tmp_path / "words.onnx"
    path.write_text("no network, only words")
    with pytest.raises(InputError, match=f"{path} is not an ONNX file"):
        load_model(str(path))


def test_a_network_that_takes_no_aligned_faces(assets):
    with pytest.raises(
        InputError, match=r"yunet.*: The network must take one input of 112×112 colour faces, not 1×3×640×640"
    ):
        load_model(str(assets["yunet"]))


def test_names_and_paths_that_do_not_exist(tmp_path):
    with pytest.raises(InputError, match="Unknown model 'arcface'; choose one of adaface-ir101, .*, sface, vit-b"):
        load_model("arcface")
    for arguments in [("sface", tmp_path / "none.safetensors"), (str(tmp_path / "none.onnx"),)]:
        with pytest.raises(InputError, match="File not found: .*none"):
            load_model(*arguments)


@pytest.mark.parametrize("name", ["x.tflite", "folder/x.keras", "net.pth", "net.CKPT"])
def test_files_that_do_not_say_how_a_network_is_built(name):
    hint = "data/checkpoints/README.md says how to use a PyTorch checkpoint" if name.startswith("net.") else "$"
    read = r"neither a known model nor a file that ends in .onnx, .params \(MXNet\) or .pb \(quality networks only\)\."
    with pytest.raises(InputError, match=f"^{name} is {read} ?{hint}"):
        load_model(name)


def test_devices_that_do_not_exist(assets):
    with pytest.raises(InputError, match=r"Unknown device 'tpu\?'; choose auto, cpu, cuda, or cuda:N"):
        load_model("sface", device="tpu?")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_missing_cuda_device(assets, device):
    with pytest.raises(InputError, match=f"There is no device {device}: PyTorch sees no CUDA GPUs"):
        load_model("sface", device=device)


def test_a_network_or_its_name(tiny, monkeypatch):
    assert as_model(tiny) is tiny
    monkeypatch.setattr("prefiqs.models.loading.load_model", lambda name, device: (name, device))
    assert as_model("sface", "cpu") == ("sface", "cpu")
