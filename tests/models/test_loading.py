"""Loading is strict: a file that does not fit is refused by name, never half loaded."""

import pytest
import torch
from safetensors.torch import save_file
from small_networks import assert_same_state

from prefiqs.core.errors import InputError
from prefiqs.models import MODELS, as_model, load_model


@pytest.fixture
def state(sface) -> dict[str, torch.Tensor]:
    return dict(sface.state_dict())


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


@pytest.mark.parametrize(
    ("name", "words"),
    [("weights.onnx", "got a file that is none"), ("weights.safetensors", "which is damaged"), ("weights", "damaged")],
)
def test_weights_that_are_a_text_file(tmp_path, name, words):
    (tmp_path / name).write_text("no network, only words")
    with pytest.raises(InputError, match=words):
        load_model("sface", tmp_path / name)


def test_weights_of_another_network(assets):
    with pytest.raises(InputError, match="Expected the OpenCV Zoo's SFace network .* unknown tensor"):
        load_model("sface", assets["mobilefacenet-512"])


def test_a_text_file_as_network(tmp_path):
    path = tmp_path / "words.onnx"
    path.write_text("no network, only words")
    with pytest.raises(InputError, match=f"Expected an ONNX or TFLite network in {path}, got a file OpenVINO cannot"):
        load_model(str(path))


def test_a_network_that_takes_no_aligned_faces(assets):
    with pytest.raises(InputError, match=r"one input of 112×112 colour faces in .*yunet.*, got \[1, 3, 640, 640\]"):
        load_model(str(assets["yunet"]))


def test_names_and_paths_that_do_not_exist(tmp_path):
    with pytest.raises(InputError, match="got 'arcface'; known are: mobilefacenet-192, mobilefacenet-512, sface"):
        load_model("arcface")
    for arguments in [("sface", tmp_path / "none.safetensors"), (str(tmp_path / "none.onnx"),)]:
        with pytest.raises(InputError, match="Expected a weights file, got .*none.*, which does not exist"):
            load_model(*arguments)


def test_devices_that_do_not_exist(assets):
    with pytest.raises(InputError, match=r"Expected device 'auto', 'cpu', 'cuda' or 'cuda:N', got 'tpu\?'"):
        load_model("sface", device="tpu?")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_missing_cuda_device(assets, device):
    with pytest.raises(InputError, match=f"Expected a CUDA device for device='{device}', got none"):
        load_model("sface", device=device)


def test_a_network_or_its_name(tiny, monkeypatch):
    assert as_model(tiny) is tiny
    monkeypatch.setattr("prefiqs.models.zoo.load_model", lambda name, device: (name, device))
    assert as_model("sface", "cpu") == ("sface", "cpu")


def test_each_registered_network_names_its_asset(assets):
    assert {card.asset for card in MODELS.values()} <= assets.keys()
    assert all(card.description for card in MODELS.values())
