"""Where weights lie: one folder a network, filled once, and again when what it was filled from is another file."""

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
from functools import partial

import numpy as np
import onnx
import pytest
import torch
from mxnet_files import mxnet_arrays, write_mxnet
from onnx import TensorProto, helper, numpy_helper
from published_layouts import drawn, iresnet_shapes
from safetensors.torch import load_file
from small_networks import assert_same_state, synthetic_faces

from prefiqs.apps.score.scorer import describe
from prefiqs.errors import AssetError, InputError
from prefiqs.models import registry
from prefiqs.models.face_model import InputSpec
from prefiqs.models.iresnet import IResNet
from prefiqs.models.loading import load_model
from prefiqs.models.onnx_network import OnnxNetwork
from prefiqs.models.registry import MODELS, card_of, known_models, published_weights, weights_state

SMALL = (1, 1, 1, 1)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty data folder, and a small MagFace."""
    monkeypatch.setenv("PREFIQS_DATA", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    network = partial(IResNet, SMALL, eps=2e-5)
    monkeypatch.setitem(MODELS, "magface", dataclasses.replace(MODELS["magface"], network=network))
    return tmp_path


@pytest.fixture(scope="module")
def state():
    return drawn(iresnet_shapes(SMALL))


def put_magface(root, state, bias: float = 0, ending: str = "pth"):
    """Write a checkpoint of MagFace; `bias` tells one from another."""
    saved = {f"features.module.{key}": value for key, value in state.items()}
    saved["features.module.fc.bias"] = torch.full((512,), bias)
    path = root / "checkpoints" / f"magface.{ending}"
    torch.save({"state_dict": saved}, path)
    return path


def put_mean_colours(path, flat: bool = True) -> None:
    """Write an ONNX network whose embedding is the mean of each of the three channels it is given, of any batch."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 112, 112])
    means = helper.make_tensor_value_info("means", TensorProto.FLOAT, ["n", 3, 1, 1])
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 3])
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["means"]),
        helper.make_node("Flatten", ["means"], ["embedding"]),
    ]
    graph = helper.make_graph(nodes, "mean-colours", [image], [embedding if flat else means])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def bias_of(path) -> float:
    return load_file(path)["fc.bias"][0].item()


def contents(folder) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


def test_a_checkpoint_is_converted_once_into_our_names(root, state):
    checkpoint = put_magface(root, state, 1)
    path = published_weights("magface")
    assert path == root / "cache" / "weights" / "magface" / "model.safetensors"
    assert set(load_file(path)) == set(state)
    record = json.loads((path.parent / "source.json").read_text())
    assert record == {"magface.pth": hashlib.sha256(checkpoint.read_bytes()).hexdigest()}
    before = contents(path.parent)
    assert published_weights("magface") == path
    assert contents(path.parent) == before
    assert_same_state(load_model("magface", path, "cpu").state_dict(), load_model("magface", device="cpu").state_dict())


def test_another_checkpoint_is_converted_anew_however_old_it_is(root, state):
    put_magface(root, state, 1)
    path = published_weights("magface")
    assert bias_of(path) == 1
    checkpoint = put_magface(root, state, 2)
    os.utime(checkpoint, (0, 0))
    assert bias_of(published_weights("magface")) == 2
    checkpoint.unlink()
    put_magface(root, state, 3, ending="ckpt")
    assert bias_of(published_weights("magface")) == 3
    assert sorted(p.name for p in path.parent.iterdir()) == ["model.safetensors", "source.json"]


def test_what_an_interrupted_conversion_left_is_made_again(root, state):
    put_magface(root, state, 1)
    folder = root / "cache" / "weights" / "magface"
    folder.mkdir(parents=True)
    (folder / ".8a1.partial").write_text("half")
    (folder / "model.safetensors").write_text("of another checkpoint, and no record")
    assert bias_of(published_weights("magface")) == 1


def test_two_that_convert_at_once(root, state, monkeypatch):
    """The second one does all of its work while the first one writes."""
    put_magface(root, state, 1)
    original, calls = registry.save_file, []

    def slow(tensors, path):
        original(tensors, path)
        if not calls:
            calls.append(path)
            assert bias_of(published_weights("magface")) == 1

    monkeypatch.setattr(registry, "save_file", slow)
    path = published_weights("magface")
    assert calls and bias_of(path) == 1
    assert sorted(p.name for p in path.parent.iterdir()) == ["model.safetensors", "source.json"]


FIRST_USE = """
import sys, time
from pathlib import Path
from prefiqs.models.loading import load_model
here, number = Path(sys.argv[1]), sys.argv[2]
(here / f"ready-{number}").touch()
while len(list(here.glob("ready-*"))) < 2:
    time.sleep(0.001)
print(sum(float(w.double().sum()) for w in load_model("sface", device="cpu").state_dict().values()))
"""


@pytest.mark.long
def test_two_processes_load_a_network_for_the_first_time(assets, tmp_path):
    data = tmp_path / "data"
    (data / "assets").mkdir(parents=True)
    shutil.copy(assets["sface"], data / "assets")
    command, own = [sys.executable, "-c", FIRST_USE, tmp_path], {"PREFIQS_DATA": str(data)}
    runs = [
        subprocess.Popen([*command, str(i)], env=os.environ | own, stdout=subprocess.PIPE, text=True) for i in range(2)
    ]
    printed = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert printed[0] == printed[1] != ""
    assert not list(data.rglob("*.partial"))


def test_a_checkpoint_that_does_not_fit_changes_nothing(root, state):
    put_magface(root, state, 1)
    path = published_weights("magface")
    before = contents(path.parent)
    torch.save({"state_dict": {"features.module.conv1.weight": torch.zeros(3)}}, root / "checkpoints" / "magface.pth")
    with pytest.raises(InputError, match="magface.pth does not contain the weights of magface"):
        published_weights("magface")
    assert contents(path.parent) == before


def test_the_checkpoint_may_go_once_it_is_converted(root, state):
    checkpoint = put_magface(root, state, 1)
    published_weights("magface")
    checkpoint.unlink()
    assert bias_of(published_weights("magface")) == 1
    assert weights_state("magface") == "present"


def test_weights_of_the_pipeline_are_read_and_never_touched(root, state):
    """Its first stage names the folder; DVC would run stages again if anything else wrote to it."""
    put_magface(root, state, 1)
    kept = published_weights("magface", into=root / "weights")
    assert kept == root / "weights" / "magface" / "model.safetensors"
    assert published_weights("magface") == kept
    assert not (root / "cache").exists()
    before = contents(kept.parent)
    put_magface(root, state, 2)
    assert bias_of(published_weights("magface")) == 2
    assert contents(kept.parent) == before


def test_two_checkpoints_are_one_too_many(root, state):
    put_magface(root, state, 1)
    put_magface(root, state, 2, ending="pt")
    with pytest.raises(InputError, match=r"magface has several checkpoints: .*magface.pth, .*magface.pt. Keep one"):
        load_model("magface")


@pytest.mark.parametrize("name", [name for name, card in MODELS.items() if not card.asset])
def test_missing_weights_are_asked_for_in_one_sentence(root, name):
    with pytest.raises(AssetError) as error:
        load_model(name, device="cpu")
    card, message = MODELS[name], str(error.value)
    assert message.startswith(f"The weights of {name} are missing. Get them from {card.source}, and put them at ")
    ending, others = (
        (".pth", "or .pt, .ckpt, .bin, .safetensors; ") if name != "lresnet100e-ir" else ("-0000.params", "")
    )
    assert f"{root / 'checkpoints' / name}{ending} ({others}licence: {card.licence})." in message
    assert "https://" in card.source
    assert "\n" not in message
    assert weights_state(name) == f"missing, expected at {root / 'checkpoints' / name}{ending}"


def test_a_file_of_another_network_under_the_same_name_is_not_passed_over(root):
    path = root / "checkpoints" / "iresnet100.onnx"
    path.parent.mkdir(exist_ok=True)
    path.touch()
    with pytest.raises(AssetError, match=f"iresnet100 are missing.* To use {path} as a network of its own, give it a"):
        load_model("iresnet100", device="cpu")


def test_each_published_file_is_in_the_readme(pytestconfig):
    """The table of `data/checkpoints/README.md` says the same as the cards."""
    readme = (pytestconfig.rootpath / "data" / "checkpoints" / "README.md").read_text(encoding="utf-8")
    rows = [line for line in readme.splitlines() if line.startswith("| `")]
    for name in (name for name, card in MODELS.items() if not card.asset):
        (row,) = (row for row in rows if f"`{name}`" in row.split("|")[1] and row.count("|") == 6)
        assert ("BGR" if MODELS[name].input_spec.colour == "bgr" else "RGB") in row
        assert MODELS[name].source.partition(" ")[0].rstrip(",") in row or "same as" in row


def test_assets_are_fetched_into_a_folder_each(assets, tmp_path, monkeypatch):
    monkeypatch.setenv("PREFIQS_DATA", str(tmp_path))
    fetched = []
    monkeypatch.setattr("prefiqs.models.registry.fetch", lambda name: fetched.append(name) or assets[name])
    for name, file in [("sface", "model.safetensors"), ("mobilefacenet-512", "model.onnx"),
                       ("mobilefacenet-192", "model.tflite")]:  # fmt: skip
        assert weights_state(name) == "fetched at first use"
        path = published_weights(name)
        assert path == tmp_path / "cache" / "weights" / name / file
        assert sorted(p.name for p in path.parent.iterdir()) == [file, "source.json"]
        source = {assets[name].name: hashlib.sha256(assets[name].read_bytes()).hexdigest()}
        assert json.loads((path.parent / "source.json").read_text()) == source
        assert weights_state(name) == "present"
        if file != "model.safetensors":
            assert path.read_bytes() == assets[name].read_bytes()
    for name in list(fetched):
        load_model(name, device="cpu")
    assert fetched == ["sface", "mobilefacenet-512", "mobilefacenet-192"]  # each once


@pytest.mark.parametrize("ending", [".onnx", ".ONNX"])
def test_an_onnx_file_among_the_checkpoints_is_a_model(root, ending):
    put_mean_colours(root / "checkpoints" / f"my-network{ending}")
    assert load_model(str(root / "checkpoints" / f"my-network{ending}"), device="cpu").name == "my-network"
    model = load_model("my-network", device="cpu")
    assert isinstance(model, OnnxNetwork)
    assert (model.name, model.embedding_size) == ("my-network", 3)
    assert model.input_spec == InputSpec("rgb", 127.5, 127.5)
    assert known_models() == [*MODELS, "my-network"]
    assert weights_state("my-network") == "present"
    assert card_of("my-network").embedding_size is None
    face = synthetic_faces(1)
    expected = ((face.astype(float) - 127.5) / 127.5).mean((1, 2))
    np.testing.assert_allclose(model(model.prepare(face)).detach().numpy(), expected, atol=1e-5)


def test_the_input_of_an_onnx_file_can_be_declared(root):
    put_mean_colours(root / "checkpoints" / "my-network.onnx")
    assert load_model("my-network").input_spec.colour == "rgb"
    declaration = root / "checkpoints" / "my-network.json"
    declaration.write_text('{"colour": "bgr", "mean": 0, "std": 255}')
    face = synthetic_faces(1)
    expected = (face[..., ::-1].astype(float) / 255).mean((1, 2))
    for name in ("my-network", str(root / "checkpoints" / "my-network.onnx")):
        model = load_model(name, device="cpu")
        np.testing.assert_allclose(model(model.prepare(face)).detach().numpy(), expected, atol=1e-5)
    shutil.rmtree(root / "checkpoints")  # what was brought into place stands alone
    model = load_model("my-network", device="cpu")
    np.testing.assert_allclose(model(model.prepare(face)).detach().numpy(), expected, atol=1e-5)


def test_a_declaration_that_is_taken_back(root):
    put_mean_colours(root / "checkpoints" / "my-network.onnx")
    declaration = root / "checkpoints" / "my-network.json"
    declaration.write_text('{"colour": "bgr", "mean": 0, "std": 255}')
    assert load_model("my-network").input_spec.colour == "bgr"
    declaration.unlink()
    assert load_model("my-network").input_spec.colour == "rgb"
    assert sorted(p.name for p in (root / "cache" / "weights" / "my-network").iterdir()) == [
        "model.onnx",
        "source.json",
    ]


@pytest.mark.parametrize(
    "text", ["RGB", '{"colour": "RGB", "mean": 0, "std": 1}', '{"colour": "rgb", "mean": 0, "std": 0}', "[]",
             '{"colour": "rgb", "std": 1}', '{"colour": "rgb", "mean": "0", "std": 1}']
)  # fmt: skip
def test_declarations_that_say_nothing(root, text):
    put_mean_colours(root / "checkpoints" / "my-network.onnx")
    (root / "checkpoints" / "my-network.json").write_text(text)
    with pytest.raises(InputError, match=r'network.json must contain \{"colour": "rgb" or "bgr", "mean": …, '):
        load_model("my-network")


def test_a_network_without_embeddings(root):
    put_mean_colours(root / "checkpoints" / "maps.onnx", flat=False)
    with pytest.raises(InputError, match=r"maps.onnx: The first output must be embeddings, n×d, not 5×3×1×1"):
        load_model("maps")


def test_an_onnx_file_that_is_none_is_not_brought_into_place(root):
    (root / "checkpoints" / "words.onnx").write_text("no network")
    with pytest.raises(InputError, match="checkpoints/words.onnx is not an ONNX file"):
        load_model("words")
    assert not (root / "weights").exists()


def test_weights_beside_an_onnx_file_belong_to_it(root):
    """They are copied and hashed with it, and the network stands alone once it is in place."""
    path = root / "checkpoints" / "own.onnx"
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 112, 112])
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 16])
    weight = numpy_helper.from_array(np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32), "weight")
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["embedding"]),
    ]
    graph = helper.make_graph(nodes, "own", [image], [embedding], [weight])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(proto, path, save_as_external_data=True, location="own.onnx.data", size_threshold=0)
    data = path.with_name("own.onnx.data")
    content = data.read_bytes()
    face = synthetic_faces(1)
    expected = ((face.astype(float) - 127.5) / 127.5).mean((1, 2)) @ numpy_helper.to_array(weight)

    def embedded():
        model = load_model("own", device="cpu")
        return model(model.prepare(face)).detach()

    np.testing.assert_allclose(embedded(), expected, rtol=1e-4, atol=1e-5)
    kept = published_weights("own")
    assert set(json.loads((kept.parent / "source.json").read_text())) == {"own.onnx", "own.onnx.data"}
    described = describe("norm", str(path), {}, False, False)
    data.write_bytes((2 * np.frombuffer(content, np.float32)).tobytes())
    np.testing.assert_allclose(embedded(), 2 * expected, rtol=1e-4, atol=1e-5)
    assert describe("norm", str(path), {}, False, False) != described
    shutil.rmtree(root / "checkpoints")
    np.testing.assert_allclose(embedded(), 2 * expected, rtol=1e-4, atol=1e-5)


def test_weights_outside_of_the_folder_are_not_read(root):
    path = root / "checkpoints" / "own.onnx"
    put_mean_colours(path)
    proto = onnx.load(path)
    (root / "secret").write_bytes(bytes(4))
    tensor = proto.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=1)
    tensor.external_data.add(key="location", value="../secret")
    onnx.save(proto, path)
    with pytest.raises(InputError, match=r"\.\./secret, which belongs to .*own.onnx, is not a file in its folder"):
        load_model("own")


@pytest.mark.parametrize("ending", [".params", ".PARAMS"])
def test_an_mxnet_file_among_the_checkpoints_is_a_model(root, ending):
    write_mxnet(root / "checkpoints", mxnet_arrays()).rename(root / "checkpoints" / f"own-0007{ending}")
    (root / "checkpoints" / "net-symbol.json").rename(root / "checkpoints" / "own-symbol.json")
    model = load_model("own", device="cpu")
    assert (model.name, model.embedding_size, model.input_spec) == ("own", 5, InputSpec("rgb", 0, 1))
    assert known_models() == [*MODELS, "own"]
    record = json.loads((root / "cache" / "weights" / "own" / "source.json").read_text())
    assert set(record) == {f"own-0007{ending}", "own-symbol.json"}
