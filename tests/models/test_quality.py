"""Trained quality networks: those of the registry against their own code, graphs against what they should compute."""

import json
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper
from published_layouts import drawn, iresnet_forward, iresnet_shapes
from small_networks import prepared_by_hand, synthetic_faces

import prefiqs
from prefiqs.errors import AssetError, InputError
from prefiqs.faces.decode import read_photo
from prefiqs.faces.template import align_to_template
from prefiqs.models.face_model import InputSpec
from prefiqs.models.graph import QualityGraph
from prefiqs.models.loading import load_model
from prefiqs.models.quality import CRFiqa
from prefiqs.models.registry import MODELS, known_models

FACES = synthetic_faces(5, seed=3)
RGB = InputSpec("rgb", 127.5, 128.0, "higher")


# Of five ORL photos, the first of the people 1, 9, 17, 25 and 33; so the faces do not depend on the detector.
LANDMARKS = [
    [26.3638509, 52.6068726, 61.9393921, 50.7125041, 45.0691427, 71.7370504,
     31.4047241, 86.4177958, 62.0189921, 84.4244995],
    [37.2186228, 61.4564412, 69.7263387, 60.0395304, 56.9592285, 78.6179606,
     40.911321, 90.2882996, 69.3068644, 88.940328],
    [32.7591044, 49.2324575, 67.4899597, 50.101003, 51.8232727, 69.8333435,
     33.9737905, 84.6664836, 64.5692749, 85.3288778],
    [31.467865, 54.6750692, 62.6245524, 56.9341278, 47.0420125, 74.6729431,
     31.3237356, 84.7680359, 57.2553914, 86.6502584],
    [24.7002207, 54.2046661, 59.1430003, 50.3409119, 44.3437653, 70.3243103,
     31.7907511, 84.6114705, 61.2495728, 80.9768066],
]  # fmt: skip


def test_qualityface_scores_as_its_package(assets):
    """Version 1.0.3 on the same faces, enlarged to 128×128 by OpenCV, in Python 3.11 with torchvision 0.28."""
    photos = [read_photo(assets["orl"] / f"s{person}" / "1.pgm") for person in (1, 9, 17, 25, 33)]
    faces = [align_to_template(*pair) for pair in zip(photos, np.reshape(LANDMARKS, (5, 5, 2)), strict=True)]
    expected = [0.766791, 0.754887, 0.744388, 0.755798, 0.753534]
    np.testing.assert_allclose(prefiqs.score(np.stack(faces), "quality-network", "qualityface"), expected, atol=2e-6)


# One block a stage: through the published 16 and more, activations of drawn weights would grow without bound.
CR_FIQA = replace(MODELS["cr-fiqa-s"], network=partial(CRFiqa, layers=(1, 1, 1, 1)))


def test_cr_fiqa_is_one_layer_behind_the_embedding(tmp_path):
    state = drawn(iresnet_shapes((1, 1, 1, 1)) | {"qs.weight": (1, 512), "qs.bias": (1,)})
    torch.save(state, tmp_path / "32572backbone.pth")
    model = CR_FIQA.load(tmp_path / "32572backbone.pth")
    embedding = iresnet_forward(state, torch.from_numpy(prepared_by_hand(FACES)) * np.float32(128 / 127.5))
    expected = (embedding @ state["qs.weight"].T + state["qs.bias"]).squeeze(1).numpy()
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(prefiqs.score(FACES, "quality-network", model), expected, rtol=1e-4, atol=1e-4)


def test_a_checkpoint_without_the_quality_layer_is_refused(tmp_path):
    torch.save(drawn(iresnet_shapes((1, 1, 1, 1))), tmp_path / "backbone.pth")
    with pytest.raises(InputError, match="does not contain the weights of cr-fiqa-s: missing .*qs.bias"):
        CR_FIQA.load(tmp_path / "backbone.pth")


def write_onnx(path, shape, nodes, outputs=("quality",), **constants) -> None:
    constants = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    given = helper.make_tensor_value_info("faces", onnx.TensorProto.FLOAT, shape)
    results = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph([helper.make_node(*node[:3], **dict(node[3:])) for node in nodes], "g", [given], results,
                              constants)  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def mean_over(axes) -> list:
    """One node: the mean square of a face over some axes."""
    return [("ReduceSumSquare", ["faces"], ["sum"], ("axes", axes), ("keepdims", 0)), ("Sqrt", ["sum"], ["quality"])]


@pytest.mark.parametrize("better", ["higher", "lower"])
@pytest.mark.parametrize("batch", ["n", 1])
@pytest.mark.parametrize(("size", "last"), [(112, False), (96, False), (128, True), ("s", True)])
def test_a_graph_scores_faces_of_its_own_size_and_order(tmp_path, size, last, batch, better):
    path = tmp_path / "quality.onnx"
    write_onnx(path, [batch, size, size, 3] if last else [batch, 3, size, size], mean_over([1, 2, 3]))
    model = QualityGraph("quality", InputSpec("bgr", 100.0, 50.0, better), path)
    side = 112 if size == "s" else size
    resized = [cv2.resize(face.astype(np.float64), (side, side)) for face in FACES]  # bilinear
    expected = [np.sqrt((((face - 100) / 50) ** 2).sum()) for face in resized]
    found = prefiqs.score(FACES, "quality-network", model)
    np.testing.assert_allclose(found, np.array(expected) * (1 if better == "higher" else -1), rtol=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_squeeze_and_excitation_for_a_fixed_number_of_faces(tmp_path, batch):
    """Its reshapes name the number of faces; by ONNX Runtime with as many at once as the file takes."""
    rng, path = np.random.default_rng(0), tmp_path / "quality.onnx"
    nodes = [
        ("Conv", ["faces", "kernel"], ["maps"], ("strides", [4, 4])),
        ("GlobalAveragePool", ["maps"], ["means"]),
        ("Reshape", ["means", "table"], ["row"]),
        ("MatMul", ["row", "mixing"], ["mixed"]),
        ("Sigmoid", ["mixed"], ["gates"]),
        ("Reshape", ["gates", "grid"], ["gate"]),
        ("Mul", ["maps", "gate"], ["gated"]),
        ("GlobalMaxPool", ["gated"], ["most"]),
        ("Reshape", ["most", "table"], ["features"]),
        ("MatMul", ["features", "last"], ["number"]),
        ("Reshape", ["number", "flat"], ["quality"]),
    ]
    shapes = {"table": [batch, 8], "grid": [batch, 8, 1, 1], "flat": [batch]}
    weights = {"kernel": (8, 3, 3, 3), "mixing": (8, 8), "last": (8, 1)}
    constants = {name: np.array(shape) for name, shape in shapes.items()}
    constants |= {name: rng.standard_normal(shape, np.float32) for name, shape in weights.items()}
    write_onnx(path, [batch, 3, 112, 112], nodes, **constants)
    faces = np.concatenate([FACES, FACES[:1]])
    prepared = ((faces.transpose(0, 3, 1, 2) - 127.5) / 128).astype(np.float32)
    session = onnxruntime.InferenceSession(path)
    expected = [session.run(None, {"faces": prepared[i : i + batch]})[0] for i in range(0, 6, batch)]
    assert np.ptp(expected) > 0.1
    found = prefiqs.score(faces, "quality-network", QualityGraph("quality", RGB, path))
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=1e-5)


@pytest.mark.parametrize(
    ("batch", "nodes"),
    [
        (1, [("ReduceMax", ["faces"], ["quality"])]),  # of all faces
        (1, [("ReduceMean", ["faces"], ["mean"]), ("Sub", ["faces", "mean"], ["centred"]),
             ("ReduceMax", ["centred"], ["quality"], ("axes", [1, 2, 3]))]),
        *((batch, [("Concat", ["faces", "token"], ["longer"], ("axis", 2)),
                   ("ReduceMax", ["longer"], ["quality"], ("axes", [1, 2, 3]))]) for batch in (1, 2)),
        (2, [("Sub", ["faces", "token"], ["moved"]), ("ReduceMax", ["moved"], ["quality"], ("axes", [1, 2, 3]))]),
    ],
)  # fmt: skip
def test_a_batch_size_that_cannot_be_changed(tmp_path, batch, nodes):
    path = tmp_path / "quality.onnx"
    write_onnx(path, [batch, 3, 112, 112], nodes, token=np.zeros((batch, 3, 1, 112), np.float32))
    with pytest.raises(InputError, match=r"^Cannot change the batch size of .*quality.onnx \(.*\)\. Export it for any"):
        QualityGraph("quality", RGB, path)


def test_the_order_of_colours_counts(tmp_path):
    path = tmp_path / "quality.onnx"
    nodes = [
        ("Gather", ["faces", "first"], ["c"], ("axis", 1)),
        ("ReduceMean", ["c"], ["quality"], ("axes", [1, 2, 3])),
    ]
    write_onnx(path, ["n", 3, 112, 112], nodes, first=np.array([0]))
    for colour, channel in (("rgb", 0), ("bgr", 2)):
        model = QualityGraph("quality", InputSpec(colour, 0.0, 1.0, "higher"), path)
        found = prefiqs.score(FACES, "quality-network", model)
        np.testing.assert_allclose(found, FACES[..., channel].mean((1, 2)), rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "nodes", "outputs", "message"),
    [
        (["n", 3, 112, 112], mean_over([2, 3]), ["quality"], "must give one number per face: it is declared"),
        (["n", 3, 112, 112], mean_over([1, 2, 3]), ["quality", "sum"], "colour faces alone and give one number"),
        (["n", 112, 112], mean_over([1, 2]), ["quality"], "must take colour faces alone"),
        (["n", 1, 112, 112], mean_over([1, 2, 3]), ["quality"], "must take colour faces alone"),
    ],
)
def test_what_is_no_quality_network(tmp_path, shape, nodes, outputs, message):
    write_onnx(tmp_path / "quality.onnx", shape, nodes, outputs)
    with pytest.raises(InputError, match=message):
        QualityGraph("quality", RGB, tmp_path / "quality.onnx")


def test_files_that_are_no_graphs(tmp_path):
    (tmp_path / "quality.pb").write_bytes(b"no graph")
    with pytest.raises(InputError, match="OpenVINO cannot read .*quality.pb"):
        QualityGraph("quality", RGB, tmp_path / "quality.pb")
    with pytest.raises(InputError, match=r"must be a file .onnx or .pb, not .*quality.pkl"):
        QualityGraph("quality", RGB, tmp_path / "quality.pkl")


def test_a_frozen_tensorflow_graph(tmp_path):
    """Placeholder n×96×96×3 and its mean over all but the first axis, as TensorFlow writes them."""
    path = tmp_path / "quality.pb"
    path.write_bytes(frozen_mean(96))
    found = prefiqs.score(FACES, "quality-network", QualityGraph("quality", RGB, path))
    expected = [cv2.resize((face - 127.5) / 128, (96, 96)).mean() for face in FACES]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def field(number: int, content: bytes | int) -> bytes:
    """A field of a protocol buffer: a number below 128, or bytes."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    length = len(content)
    return (
        bytes([number << 3 | 2])
        + (bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7]))
        + content
    )


def frozen_mean(side: int) -> bytes:
    def node(name: bytes, operator: bytes, inputs=(), **attributes: bytes) -> bytes:
        body = field(1, name) + field(2, operator) + b"".join(field(3, i) for i in inputs)
        for key, value in attributes.items():
            body += field(5, field(1, key.encode()) + field(2, value))
        return field(1, body)

    def dims(*sizes: int) -> bytes:
        unknown = b"\xff" * 9 + b"\x01"  # -1
        return b"".join(field(2, b"\x08" + (unknown if size < 0 else bytes([size]))) for size in sizes)

    number, whole = field(6, 1), field(6, 3)  # float32, int32
    axes = field(1, 3) + field(2, dims(3)) + field(4, np.array([1, 2, 3], "<i4").tobytes())
    return (
        node(b"input", b"Placeholder", dtype=number, shape=field(7, dims(-1, side, side, 3)))
        + node(b"axes", b"Const", dtype=whole, value=field(8, axes))
        + node(b"quality", b"Mean", [b"input", b"axes"], T=number, Tidx=whole, keep_dims=field(5, 0))
    )


def test_which_values_are_better():
    with pytest.raises(InputError, match="'higher' or 'lower', not 'best'"):
        InputSpec("rgb", 0.0, 1.0, "best")


def test_each_method_refuses_the_networks_of_the_other(tiny):
    model = MODELS["qualityface"].network()
    with pytest.raises(InputError, match="qualityface has no embeddings, only a quality; use the method quality-"):
        prefiqs.score(FACES, "norm", model)
    with pytest.raises(InputError, match="quality-network needs a network with one output per face, but tiny-0"):
        prefiqs.score(FACES, "quality-network", tiny)


@pytest.mark.parametrize("suffix", [".onnx", ".pb", ".ONNX", ".PB"])
def test_a_file_of_the_users_that_is_declared_as_one(tmp_path, monkeypatch, suffix):
    monkeypatch.setenv("PREFIQS_DATA", str(tmp_path))
    path = tmp_path / "checkpoints" / f"mine{suffix}"
    path.parent.mkdir()
    if suffix.lower() == ".pb":
        path.write_bytes(frozen_mean(112))
    else:
        write_onnx(path, ["n", 3, 112, 112], [("ReduceMean", ["faces"], ["quality"], ("axes", [1, 2, 3]))])
    path.with_suffix(".json").write_text(json.dumps({"colour": "rgb", "mean": 100, "std": 2, "better": "lower"}))
    expected = [-(face.mean() - 100) / 2 for face in FACES]
    for name in ("mine", "mine", str(path)):  # the second time from its copy
        np.testing.assert_allclose(prefiqs.score(FACES, "quality-network", name), expected, rtol=1e-5)
    path.unlink()
    assert known_models()[-1] == "mine"
    np.testing.assert_allclose(prefiqs.score(FACES, "quality-network", "mine"), expected, rtol=1e-5)


@pytest.mark.parametrize("declaration", [None, {"colour": "rgb", "mean": 127.5, "std": 127.5}])
def test_a_quality_network_must_say_which_values_are_better(tmp_path, declaration):
    path = tmp_path / "mine.onnx"
    mean = [("ReduceMean", ["faces"], ["mean"], ("axes", [2, 3]), ("keepdims", 0))]
    write_onnx(path, ["n", 3, 112, 112], [*mean, ("MatMul", ["mean", "w"], ["quality"])], w=np.ones((3, 1), "f"))
    if declaration:
        path.with_suffix(".json").write_text(json.dumps(declaration))
    with pytest.raises(InputError, match=r'mine does not say which .* in mine.json beside the file: .*"lower"'):
        prefiqs.score(FACES, "quality-network", load_model(str(path)))


def test_a_frozen_graph_must_be_declared(tmp_path):
    (tmp_path / "mine.pb").write_bytes(frozen_mean(112))
    with pytest.raises(
        InputError, match=r'mine.pb can be used as a quality network only. Declare it in mine.json: .*"lower"'
    ):
        load_model(str(tmp_path / "mine.pb"))


def test_another_lightqnet_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFIQS_DATA", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "lightqnet.pb").write_bytes(frozen_mean(96))
    with pytest.raises(AssetError, match="Asset lightqnet: .*checkpoints/lightqnet.pb has sha256 .*, not 057b8ea27149"):
        load_model("lightqnet")
