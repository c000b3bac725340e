"""The published networks against other run-times on the original files, over ORL faces, SFace over all 400."""

import numpy as np
import onnxruntime
import openvino as ov
import pytest
import torch
from mxnet_files import run_mobilefacenet
from small_networks import prepared_by_hand, synthetic_faces, unit_rows

from prefiqs.assets.fetch import fetch
from prefiqs.embedding.embedder import embed
from prefiqs.models.loading import load_model
from prefiqs.models.registry import weights_are_here


def run_onnx_runtime(path, prepared: np.ndarray) -> np.ndarray:
    """Raw outputs of an ONNX file, one face at a time as it was exported."""
    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # more would wait for each other while another test worker keeps the cores busy
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: face[None]})[0] for face in prepared])


@pytest.mark.long
def test_sface_equals_onnx_runtime(assets, orl, orl_embeddings):
    # The file holds the scaling (x - 127.5) / 128 as layers of its own, so it is given plain RGB pixels.
    pixels = orl.images.transpose(0, 3, 1, 2).astype(np.float32)
    expected = unit_rows(run_onnx_runtime(assets["sface"], pixels))
    assert orl_embeddings["sface"].shape == (400, 128)
    assert np.abs(orl_embeddings["sface"] - expected).max() <= 1e-5


def test_sface_in_eager_pytorch_equals_onnx_runtime(assets, orl, sface):
    """Without the engine that `embed` uses, and raw: the length of the embedding counts too."""
    expected = run_onnx_runtime(assets["sface"], orl.images[::50].transpose(0, 3, 1, 2).astype(np.float32))
    with torch.no_grad():
        raw = sface(torch.from_numpy(prepared_by_hand(orl.images[::50]))).numpy()
    np.testing.assert_allclose(raw, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.long
def test_mobilefacenet_512_equals_onnx_runtime(assets, orl, orl_embeddings):
    expected = unit_rows(run_onnx_runtime(assets["mobilefacenet-512"], prepared_by_hand(orl.images[::4])))
    assert orl_embeddings["mobilefacenet-512"].shape == (400, 512)
    assert np.abs(orl_embeddings["mobilefacenet-512"][::4] - expected).max() <= 1e-5


@pytest.mark.long
def test_mobilefacenet_192_equals_the_original_file_two_faces_at_a_time(assets, orl, orl_embeddings):
    original = ov.Core().compile_model(assets["mobilefacenet-192"], "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert list(original.input(0).shape) == [2, 112, 112, 3]
    pixels = ((orl.images.astype(np.float64) - 127.5) / 128).astype(np.float32)
    expected = unit_rows(np.concatenate([original(pair)[0] for pair in pixels.reshape(200, 2, 112, 112, 3)]))
    assert orl_embeddings["mobilefacenet-192"].shape == (400, 192)
    assert np.abs(orl_embeddings["mobilefacenet-192"] - expected).max() <= 1e-5


def test_mobilefacenet_y1_equals_its_layers_one_by_one():
    """As MXNet defines them; no other run-time that is still maintained reads the file."""
    if not weights_are_here("mobilefacenet-y1"):
        pytest.skip("its files are in no package registry, so they are not fetched for a test")
    folder, faces, model = fetch("mobilefacenet-y1"), synthetic_faces(4), load_model("mobilefacenet-y1", device="cpu")
    pixels = torch.from_numpy(faces.transpose(0, 3, 1, 2).astype(np.float32))
    with torch.no_grad():
        expected = run_mobilefacenet(folder / "model-0000.params", folder / "model-symbol.json", pixels).numpy()
        raw = model(model.prepare(faces)).numpy()
    assert expected.shape == (4, 128) and np.ptp(unit_rows(expected), axis=0).mean() > 1e-2
    np.testing.assert_allclose(raw, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(embed(model, faces, device="cpu"), unit_rows(expected), rtol=0, atol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("name", ["mobilefacenet-192", "mobilefacenet-512"])
@pytest.mark.parametrize("n", [1, 3, 8])
def test_a_graph_takes_any_number_of_faces(assets, orl, orl_embeddings, name, n):
    model = load_model(name)
    raw = model(model.prepare(orl.images[:n])).detach().numpy()
    np.testing.assert_allclose(unit_rows(raw), orl_embeddings[name][:n], atol=1e-5)


def test_sface_is_a_plain_module_with_readable_names(sface):
    """9.67 M numbers in all (batch norms included); by hand, 9,607,616 of them can be pruned."""
    counted = [v.numel() for n, v in sface.state_dict().items() if not n.endswith("num_batches_tracked")]
    assert round(sum(counted) / 1e6, 2) == 9.67
    weights = {n: m.weight for n, m in sface.named_modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)}
    widths = [32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
    pointwise = sum(a * b for a, b in zip(widths, widths[1:], strict=False))
    by_hand = 3 * 9 * 32 + 9 * sum(widths[:-1]) + pointwise + 1024 * 7 * 7 * 128
    assert sum(w.numel() for w in weights.values()) == by_hand == 9_607_616
    assert len(weights) == 1 + 2 * 13 + 1
    assert "stem.conv" in weights
    assert "blocks.12.pointwise.conv" in weights
    assert not sface.training
    assert sface.sparsity == 0


@pytest.mark.long
def test_an_onnx_path_is_a_model(assets, orl, orl_embeddings):
    model = load_model(str(assets["mobilefacenet-512"]))
    assert (model.name, model.embedding_size) == ("mobilefacenet_512", 512)
    raw = model(torch.from_numpy(prepared_by_hand(orl.images[:2]))).detach().numpy()
    np.testing.assert_allclose(unit_rows(raw), orl_embeddings["mobilefacenet-512"][:2], atol=1e-5)
