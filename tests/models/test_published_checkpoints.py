"""Checkpoints in each published layout, from file to embedding, against the same network written as functions.

Networks that would be large have fewer blocks here, and nothing else different; their full lists of tensors are
compared without making them.
"""

import dataclasses
from collections import OrderedDict
from functools import partial

import numpy as np
import pytest
import torch
from mxnet_files import write_mxnet
from published_layouts import (
    drawn,
    ir_forward,
    ir_shapes,
    iresnet_forward,
    iresnet_shapes,
    vit_fiqa_forward,
    vit_fiqa_shapes,
    vit_forward,
    vit_shapes,
)
from safetensors.torch import save_file
from small_networks import synthetic_faces, unit_rows

import prefiqs
from prefiqs.errors import InputError
from prefiqs.models.iresnet import IResNet
from prefiqs.models.loading import load_model
from prefiqs.models.registry import MODELS

SMALL = (1, 2, 1, 1)
RGB, BGR = slice(None), slice(None, None, -1)


@pytest.fixture
def checkpoints(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFIQS_DATA", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def smaller(monkeypatch, name: str, **shape) -> None:
    """Give a network of the registry fewer blocks; its card stays as it is otherwise."""
    card = MODELS[name]
    network = partial(card.network, **shape)
    monkeypatch.setitem(MODELS, name, dataclasses.replace(card, network=network))


def assert_computes(model, expected, colours: slice, scale) -> None:
    """The network gives, from RGB faces, what `expected` gives from pixels in the published order and scale."""
    faces = synthetic_faces(2, seed=5)
    pixels = scale(faces[..., colours].astype(np.float64)).transpose(0, 3, 1, 2)
    with torch.no_grad():
        wanted = expected(torch.from_numpy(np.ascontiguousarray(pixels, np.float32))).numpy()
        raw = model(model.prepare(faces)).numpy()
        swapped = expected(torch.from_numpy(np.ascontiguousarray(pixels[:1, ::-1], np.float32))).numpy()
    np.testing.assert_allclose(unit_rows(raw), unit_rows(wanted), rtol=0, atol=1e-5)
    np.testing.assert_allclose(raw, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    assert np.abs(unit_rows(swapped) - unit_rows(wanted[:1])).max() > 1e-3  # the order of colours can be seen


def half(x):
    return (x / 255 - 0.5) / 0.5


def prefixed(state: dict, prefix: str) -> OrderedDict:
    return OrderedDict((prefix + key, value) for key, value in state.items())


def test_arcface_in_full(checkpoints):
    state = drawn(iresnet_shapes((2, 2, 2, 2)), seed=1)
    torch.save(OrderedDict(state), checkpoints / "iresnet18.pth")
    assert_computes(load_model("iresnet18", device="cpu"), lambda x: iresnet_forward(state, x), RGB, half)


def test_elasticface(checkpoints, monkeypatch):
    smaller(monkeypatch, "elasticface", layers=SMALL)
    state = drawn(iresnet_shapes(SMALL), seed=2)
    torch.save(state, checkpoints / "elasticface.pth")
    assert_computes(load_model("elasticface", device="cpu"), lambda x: iresnet_forward(state, x), RGB, half)


@pytest.mark.parametrize(
    ("prefix", "centres"),
    [
        ("features.module.", "fc.weight"),
        ("features.module.", "parallel_fc.weight"),
        ("module.features.", "module.fc.weight"),
        ("", None),
    ],
)
def test_magface(checkpoints, monkeypatch, prefix, centres):
    smaller(monkeypatch, "magface", layers=SMALL)
    state = drawn(iresnet_shapes(SMALL), seed=3)
    saved = prefixed(state, prefix) | ({centres: torch.randn(512, 40)} if centres else {})
    optimiser = {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    content = {"epoch": 25, "arch": "iresnet100", "state_dict": saved, "optimizer": optimiser}
    torch.save(content, checkpoints / "magface.pth")
    model = load_model("magface", device="cpu")
    assert_computes(model, lambda x: iresnet_forward(state, x, eps=2e-5), BGR, lambda x: x / 255)


def lresnet(layers):
    """Layers of insightface's `fresnet.py` (unit 3, output E): operator, name, attributes, whether it has weights."""
    norm = ("BatchNorm", {"eps": "2e-05", "fix_gamma": "False"}, "gamma beta moving_mean moving_var")
    prelu = ("LeakyReLU", {"act_type": "prelu"}, "gamma")

    def convolution(width, kernel=3, stride=1):
        sizes = {"kernel": f"({kernel}, {kernel})", "stride": f"({stride}, {stride})", "num_filter": str(width)}
        return ("Convolution", sizes | {"pad": f"({kernel // 2}, {kernel // 2})", "no_bias": "True"}, "weight")

    nodes, last = [], "data"

    def add(name, kind, *inputs):
        operator, attributes, tensors = kind
        nodes.append((operator, name, attributes, [*inputs, *(f"{name}_{part}" for part in tensors.split())]))
        return name

    last = add("_minusscalar0", ("_minus_scalar", {"scalar": "127.5"}, ""), last)
    last = add("_mulscalar0", ("_mul_scalar", {"scalar": "0.0078125"}, ""), last)
    last = add("relu0", prelu, add("bn0", norm, add("conv0", convolution(64), last)))
    for stage, (blocks, width) in enumerate(zip(layers, (64, 128, 256, 512), strict=True), start=1):
        for block in range(1, blocks + 1):
            unit, stride = f"stage{stage}_unit{block}", 2 if block == 1 else 1
            inner = add(f"{unit}_bn2", norm, add(f"{unit}_conv1", convolution(width), add(f"{unit}_bn1", norm, last)))
            inner = add(f"{unit}_conv2", convolution(width, stride=stride), add(f"{unit}_relu1", prelu, inner))
            inner = add(f"{unit}_bn3", norm, inner)
            if stride == 2:
                last = add(f"{unit}_sc", norm, add(f"{unit}_conv1sc", convolution(width, 1, 2), last))
            last = add(f"_plus{len(nodes)}", ("elemwise_add", {}, ""), inner, last)
    last = add("dropout0", ("Dropout", {"p": "0.4"}, ""), add("bn1", norm, last))
    last = add("pre_fc1", ("FullyConnected", {"num_hidden": "512"}, "weight bias"), last)
    fixed = ("BatchNorm", {"eps": "2e-05", "fix_gamma": "True"}, norm[2])
    add("fc1", fixed, last)
    return nodes


@pytest.mark.long
def test_lresnet100e_ir_as_insightface_gave_it_out(checkpoints, monkeypatch):
    """Parameters in MXNet's layout, five blocks instead of 49; the scale of the last batch norm is fixed to 1."""
    smaller(monkeypatch, "lresnet100e-ir", layers=SMALL)
    state = drawn(iresnet_shapes(SMALL), seed=9)
    layers = {"conv1": "conv0", "bn1": "bn0", "prelu": "relu0", "bn2": "bn1", "fc": "pre_fc1", "features": "fc1"}
    units = {"prelu": "relu1", "downsample.0": "conv1sc", "downsample.1": "sc"}
    kinds = {"bias": "beta", "running_mean": "moving_mean", "running_var": "moving_var"}
    arrays = {}
    for key, tensor in state.items():
        layer, _, kind = key.rpartition(".")
        if kind == "num_batches_tracked":
            continue
        if layer.startswith("layer"):
            stage, block, part = layer.removeprefix("layer").split(".", 2)
            layer = f"stage{stage}_unit{int(block) + 1}_{units.get(part, part)}"
        else:
            layer = layers[layer]
        if "bn" in layer or layer.endswith("_sc") or layer == "fc1" or "relu" in layer:
            kind = kinds.get(kind, "gamma")
        arrays[f"{layer}_{kind}"] = tensor.numpy()
    write_mxnet(checkpoints, arrays, lresnet(SMALL)).rename(checkpoints / "lresnet100e-ir-0000.params")
    (checkpoints / "net-symbol.json").rename(checkpoints / "lresnet100e-ir-symbol.json")
    expected = state | {"features.weight": torch.ones(512)}
    model = load_model("lresnet100e-ir", device="cpu")
    assert isinstance(model, IResNet)
    assert_computes(model, lambda x: iresnet_forward(expected, x, eps=2e-5), RGB, lambda x: (x - 127.5) / 128)


@pytest.mark.parametrize("wrappers", ["module.", "_orig_mod.", "_orig_mod.module.", "net."])
@pytest.mark.parametrize("container", ["model", "state_dict", None])
def test_wrappers_of_training_scripts(checkpoints, monkeypatch, wrappers, container):
    smaller(monkeypatch, "iresnet18", layers=SMALL)
    state = drawn(iresnet_shapes(SMALL), seed=1)
    saved = prefixed(state, wrappers)
    torch.save({container: saved, "epoch": 3} if container else saved, checkpoints / "iresnet18.pt")
    assert_computes(load_model("iresnet18", device="cpu"), lambda x: iresnet_forward(state, x), RGB, half)


def test_the_eps_of_batch_norm_would_be_noticed():
    """MagFace's is 2e-5, ArcFace's 1e-5: each of the tests above fails with the other."""
    state, x = drawn(iresnet_shapes(SMALL), seed=3), torch.rand(1, 3, 112, 112)
    theirs, ours = (unit_rows(iresnet_forward(state, x, eps).numpy()) for eps in (2e-5, 1e-5))
    assert np.abs(theirs - ours).max() > 3e-5


def test_curricularface(checkpoints, monkeypatch):
    smaller(monkeypatch, "curricularface", layers=SMALL)
    state = drawn(ir_shapes(SMALL, inner_norm=False), seed=4)
    torch.save(state, checkpoints / "curricularface.pth")
    model = load_model("curricularface", device="cpu")
    assert_computes(model, lambda x: ir_forward(state, x, SMALL, inner_norm=False), RGB, half)


def test_adaface_in_full(checkpoints):
    layers = (2, 2, 2, 2)
    state = drawn(ir_shapes(layers, inner_norm=True), seed=5)
    head = {"head.kernel": torch.randn(512, 30), "head.t": torch.zeros(1), "head.batch_mean": torch.ones(1)}
    content = {"epoch": 26, "hyper_parameters": {"arch": "ir_18"}, "state_dict": prefixed(state, "model.") | head}
    torch.save(content, checkpoints / "adaface-ir18.ckpt")
    model = load_model("adaface-ir18", device="cpu")
    assert_computes(model, lambda x: ir_forward(state, x, layers, inner_norm=True), BGR, half)


def test_insightface_vit_in_full(checkpoints):
    state = drawn(vit_shapes(patch=9, width=256, depth=12), seed=6)
    torch.save(state | {"mask_token": torch.randn(1, 1, 256)}, checkpoints / "vit-t.pt")
    assert_computes(load_model("vit-t", device="cpu"), lambda x: vit_forward(state, x, 9, heads=8), RGB, half)


@pytest.mark.parametrize("name", ["vit-s", "vit-b", "vit-l"])
def test_insightface_vit(checkpoints, monkeypatch, name):
    smaller(monkeypatch, name, width=32, depth=2)
    state = drawn(vit_shapes(patch=9, width=32, depth=2), seed=7)
    torch.save(state, checkpoints / f"{name}.bin")
    assert_computes(load_model(name, device="cpu"), lambda x: vit_forward(state, x, 9, heads=8), RGB, half)


@pytest.mark.parametrize(("name", "heads", "ratio"), [("cvlface-vit-s", 8, 5), ("cvlface-vit-b", 16, 3)])
@pytest.mark.parametrize(("prefix", "ending"), [("model.net.", "safetensors"), ("net.", "pt"), ("", "safetensors")])
def test_cvlface_vit(checkpoints, monkeypatch, name, heads, ratio, prefix, ending):
    smaller(monkeypatch, name, width=32, depth=2)
    state = drawn(vit_shapes(patch=8, width=32, depth=2, mlp_ratio=ratio), seed=8)
    save = save_file if ending == "safetensors" else torch.save
    save(dict(prefixed(state | {"mask_token": torch.zeros(1, 1, 32)}, prefix)), checkpoints / f"{name}.{ending}")
    assert_computes(load_model(name, device="cpu"), lambda x: vit_forward(state, x, 8, heads), RGB, half)


VIT_FIQA = {"vit-fiqa-t": True, "vit-fiqa-c": False}


def assert_assesses(model, state) -> None:
    """Embedding and quality of a ViT-FIQA network, from faces, by PyTorch and by the CPU engine."""
    assert_computes(model, lambda x: vit_fiqa_forward(state, x, 9, heads=8)[0], RGB, half)
    faces = synthetic_faces(3, seed=5)
    pixels = np.ascontiguousarray(half(faces.astype(np.float64)).transpose(0, 3, 1, 2), np.float32)
    embedding, quality = (part.numpy() for part in vit_fiqa_forward(state, torch.from_numpy(pixels), 9, heads=8))
    np.testing.assert_allclose(prefiqs.embed(model, faces, device="cpu"), unit_rows(embedding), rtol=0, atol=1e-5)
    scores = prefiqs.score(faces, "vit-fiqa", model, device="cpu")
    np.testing.assert_allclose(scores, quality, rtol=0, atol=1e-5 * np.abs(quality).max())
    assert np.ptp(quality) > 1e-3


@pytest.mark.long
@pytest.mark.parametrize(("name", "depth"), [("vit-fiqa-t", 12), ("vit-fiqa-c", 2)])
def test_vit_fiqa_in_full_width(checkpoints, monkeypatch, name, depth):
    if depth < 12:
        smaller(monkeypatch, name, width=512, depth=depth)
    state = drawn(vit_fiqa_shapes(VIT_FIQA[name], patch=9, width=512, depth=depth), seed=9)
    torch.save(state | {"mask_token": torch.randn(1, 1, 512)}, checkpoints / f"{name}.pt")
    assert_assesses(load_model(name, device="cpu"), state)


@pytest.mark.parametrize(("name", "quality_token"), VIT_FIQA.items())
def test_a_vit_fiqa_checkpoint_of_the_other_variant_is_refused(checkpoints, monkeypatch, name, quality_token):
    smaller(monkeypatch, name, width=32, depth=1)
    torch.save(drawn(vit_fiqa_shapes(not quality_token, patch=9, width=32, depth=1)), checkpoints / f"{name}.pt")
    with pytest.raises(InputError, match=f"{name}.pt does not contain the weights of {name}"):
        load_model(name, device="cpu")


@pytest.mark.parametrize(
    ("name", "shapes", "count"),
    [
        ("iresnet18", iresnet_shapes((2, 2, 2, 2)), 187),
        ("iresnet34", iresnet_shapes((3, 4, 6, 3)), 331),
        ("iresnet50", iresnet_shapes((3, 4, 14, 3)), 475),
        ("iresnet100", iresnet_shapes((3, 13, 30, 3)), 925),
        ("iresnet200", iresnet_shapes((6, 26, 60, 6)), 1807),
        ("elasticface", iresnet_shapes((3, 13, 30, 3)), 925),
        ("magface", iresnet_shapes((3, 13, 30, 3)), 925),
        ("curricularface", ir_shapes((3, 13, 30, 3), inner_norm=False), 672),
        ("adaface-ir18", ir_shapes((2, 2, 2, 2), inner_norm=True), 179),
        ("adaface-ir50", ir_shapes((3, 4, 14, 3), inner_norm=True), 467),
        ("adaface-ir101", ir_shapes((3, 13, 30, 3), inner_norm=True), 917),
        ("vit-t", vit_shapes(9, 256, 12), 149),
        ("vit-s", vit_shapes(9, 512, 12), 149),
        ("vit-b", vit_shapes(9, 512, 24), 281),
        ("vit-l", vit_shapes(9, 768, 24), 281),
        ("cvlface-vit-s", vit_shapes(8, 512, 12, mlp_ratio=5), 149),
        ("cvlface-vit-b", vit_shapes(8, 512, 24, mlp_ratio=3), 281),
        ("vit-fiqa-t", vit_fiqa_shapes(True, 9, 512, 12), 156),
        ("vit-fiqa-c", vit_fiqa_shapes(False, 9, 512, 12), 155),
    ],
)
def test_the_full_networks_hold_the_published_tensors(name, shapes, count):
    """925, 475, 672, 917 and 281 are the counts of the published files."""
    card = MODELS[name]
    with torch.device("meta"):
        model = card.network(name=card.name, input_spec=card.input_spec)
        embedding = model(torch.zeros(3, 3, 112, 112))
    assert {key: tuple(value.shape) for key, value in model.state_dict().items()} == shapes
    assert len(shapes) == count
    assert embedding.shape == (3, card.embedding_size) == (3, 512)
    assert (model.name, model.input_spec, model.embedding_size) == (name, card.input_spec, 512)
    assert not model.training
