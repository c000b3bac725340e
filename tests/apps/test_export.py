"""The exported file in other runtimes gives the scores of PyTorch; its parts are whole and say what they are."""

import sys

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch
from small_networks import StagedNet, TinyNet, embedded_by_hand, small_vit, synthetic_faces

import prefiqs
from prefiqs.apps import export
from prefiqs.apps.export import export_onnx
from prefiqs.cli import main
from prefiqs.errors import InputError
from prefiqs.models.face_model import InputSpec
from prefiqs.pruning.spec import PruningSpec


@pytest.fixture(scope="module")
def photos(assets):
    """Real faces and random noise."""
    faces = [prefiqs.align(assets["orl"] / f"s{i}" / "1.pgm").image for i in (1, 7, 12)]
    return np.concatenate([faces, np.random.default_rng(3).integers(0, 256, (3, 112, 112, 3), np.uint8)])


def run(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return dict(zip(("score", "drift", "embedding"), session.run(None, {"images": images}), strict=True))


def expected(model, spec, images):
    """Scores in eager PyTorch: no engine, no export."""
    pruned = prefiqs.prune(model, spec.ratio, spec.granularity, spec.criterion, spec.seed)
    e, e_pruned = (embedded_by_hand(network, images) for network in (model, pruned))
    drift = np.linalg.norm(e - e_pruned, axis=1)
    return {"score": 1 - drift / 2, "drift": drift, "embedding": e}


def assert_same(found, wanted):
    for name, values in wanted.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], values, atol=1e-4)


@pytest.mark.long
@pytest.mark.parametrize("granularity", ["unstructured", "structured"])
def test_sface_on_real_faces_and_noise(sface, photos, tmp_path, granularity):
    spec, path = PruningSpec(0.4, granularity), tmp_path / "q.onnx"
    properties = export_onnx(sface, spec, path)
    found = run(path, photos)
    assert_same(found, expected(sface, spec, photos))
    assert np.ptp(found["score"]) > 1e-3
    assert properties == {p.key: p.value for p in onnx.load(path).metadata_props}
    assert (properties["model"], properties["ratio"], properties["granularity"]) == ("sface", "0.4", granularity)
    assert "Apache-2.0" in properties["weights_licence"] and properties["direction"].startswith("higher")
    size = sum(w.nbytes for w in sface.state_dict().values())
    assert path.stat().st_size < (1.3 if granularity == "unstructured" else 1.9) * size
    if granularity == "unstructured":  # the mask must not cost other runtimes their exactness
        compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        np.testing.assert_allclose(compiled(photos)[0], found["score"], atol=1e-5)


@pytest.mark.parametrize("criterion", ["l1", "random"])
def test_a_small_transformer(tmp_path, criterion):
    model, spec, faces = small_vit(), PruningSpec(0.3, criterion=criterion, seed=4), synthetic_faces(5)
    export_onnx(model, spec, tmp_path / "q.onnx")
    assert_same(run(tmp_path / "q.onnx", faces), expected(model, spec, faces))


@pytest.mark.long
def test_a_network_in_stages_with_channels_gone(tmp_path):
    model, spec, faces = StagedNet(), PruningSpec(0.3, "structured"), synthetic_faces(4)
    export_onnx(model, spec, tmp_path / "q.onnx")
    assert_same(run(tmp_path / "q.onnx", faces), expected(model, spec, faces))


@pytest.mark.long
def test_colour_order_is_inside_and_any_number_of_faces_will_do(tmp_path):
    model, faces = TinyNet(spec=InputSpec("bgr", mean=100, std=50)), synthetic_faces(7)
    export_onnx(model, PruningSpec(0.5), tmp_path / "q.onnx")
    found = run(tmp_path / "q.onnx", faces)
    pixels = (torch.from_numpy(faces[..., ::-1].copy()).permute(0, 3, 1, 2).float() - 100) / 50
    with torch.no_grad():
        e, e_pruned = (torch.nn.functional.normalize(m(pixels)) for m in (model, prefiqs.prune(model, 0.5)))
    np.testing.assert_allclose(found["drift"], (e - e_pruned).norm(dim=1), atol=1e-4)
    for n in (1, 3):
        np.testing.assert_allclose(run(tmp_path / "q.onnx", faces[:n])["score"], found["score"][:n], atol=1e-6)
    assert run(tmp_path / "q.onnx", faces[:0])["embedding"].shape == (0, 8)


def test_without_onnxscript(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"pip install 'prefiqs\[export\]'"):
        export_onnx(TinyNet(), PruningSpec(0.4), tmp_path / "q.onnx")


def test_the_network_stays_as_it_was_and_a_failed_export_leaves_the_old_file(tmp_path, monkeypatch):
    model, path = TinyNet(), tmp_path / "q.onnx"
    before = {name: value.clone() for name, value in model.state_dict().items()}
    path.write_text("old")
    monkeypatch.setattr(export, "LARGEST", 1000)
    with pytest.raises(InputError, match="an ONNX file contains at most 0.0 GB"):
        export_onnx(model, PruningSpec(0.5), path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    export_onnx(model, PruningSpec(0.5), path)
    assert list(tmp_path.iterdir()) == [path]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sface", "q.tflite"], "must end in .onnx, not q.tflite"),
        (["sface", "q.onnx", "--ratio", "1"], "between 0 and 1"),
        (["sface", "q.onnx", "--granularity", "fine"], "one of unstructured, structured"),
        (["mobilefacenet-192", "q.onnx"], "cannot be pruned"),
        (["magic", "q.onnx"], "Unknown model"),
    ],
)
def test_errors_are_one_sentence(assets, monkeypatch, capsys, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["prefiqs", "export", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    error = capsys.readouterr().err
    assert ended.value.code == 1 and message in error and "Traceback" not in error
    assert not list(tmp_path.glob("q.*"))
