"""Methods on a network from an ONNX file: what they give on the network that was exported, or why they refuse it."""

import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from small_networks import RGB, TinyNet, small_vit, synthetic_faces
from torch import nn

import prefiqs
from prefiqs.apps.export import export_onnx
from prefiqs.errors import InputError
from prefiqs.methods import froq
from prefiqs.models.face_model import FaceModel
from prefiqs.models.onnx_network import OnnxNetwork, load_onnx
from prefiqs.pruning.spec import PruningSpec

FACES = synthetic_faces(6, seed=3)
PRESERVE, EVAL = torch.onnx.TrainingMode.PRESERVE, torch.onnx.TrainingMode.EVAL


def imported(module: nn.Module, path, training=PRESERVE, opset: int = 17) -> OnnxNetwork:
    """The module by way of PyTorch's classic exporter, which folds batch norms in the mode EVAL."""
    example = torch.ones(1, 3, 112, 112)
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(module, (example,), path, input_names=["x"], opset_version=opset, dynamo=False,
                          training=training)  # fmt: skip
    return load_onnx("imported", RGB, path)


@pytest.fixture
def network(tmp_path) -> OnnxNetwork:
    """TinyNet with all its batch norms; it was exported for one face."""
    return imported(TinyNet(), tmp_path / "imported.onnx")


@pytest.mark.parametrize(
    ("method", "tolerance"),
    [("prefiqs", 1e-5), ("jacobian", 1e-4), ("norm", 1e-5), ("pruning-margin", 1e-4), ("ser-fiq", 1e-5),
     ("grafiqs", 1e-4), ("faceqan", 1e-3)],
)  # fmt: skip
def test_methods_give_what_they_give_on_the_network_that_was_exported(network, method, tolerance):
    expected = prefiqs.score(FACES, method, TinyNet())
    assert np.ptp(expected) > 10 * tolerance
    np.testing.assert_allclose(prefiqs.score(FACES, method, network), expected, rtol=tolerance)


def test_froq_chooses_the_same_layers(network):
    of_file, of_module = froq.calibrate(FACES, network), froq.calibrate(FACES, TinyNet())
    assert of_file.layers == tuple(f"body.{layer}" for layer in of_module.layers)
    expected = prefiqs.score(FACES, "froq", TinyNet(), calibration=of_module)
    np.testing.assert_allclose(prefiqs.score(FACES, "froq", network, calibration=of_file), expected, rtol=1e-5)


def test_structured_pruning_takes_the_same_channels(network):
    expected, found = (prefiqs.embed(prefiqs.prune(one, 0.3, "structured"), FACES) for one in (TinyNet(), network))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_structured_pruning_refuses_a_transformer_without_layer_norms(tmp_path):
    """Before opset 17, ONNX has none: they are means, roots and quotients in the file."""
    network = imported(small_vit(), tmp_path / "vit.onnx", opset=14)
    assert not any(isinstance(layer, nn.LayerNorm) for layer in network.modules())
    for ratio in (0.1, 0.5):
        with pytest.raises(InputError, match="Structured pruning does not support imported: DepGraph cannot follow"):
            prefiqs.prune(network, ratio, "structured")


def test_an_exported_pair_gives_the_scores_of_the_first_network(network, tmp_path):
    export_onnx(network, PruningSpec(0.4), tmp_path / "q.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "q.onnx", providers=["CPUExecutionProvider"])
    score, drift, embedding = session.run(None, {"images": FACES})
    np.testing.assert_allclose(score, prefiqs.score(FACES, "prefiqs", TinyNet()), atol=1e-5)
    np.testing.assert_allclose(drift, 2 * (1 - score), atol=1e-6)
    np.testing.assert_allclose(embedding, prefiqs.embed(TinyNet(), FACES), atol=1e-5)


def test_grafiqs_says_that_batch_norms_were_folded(tmp_path):
    network = imported(TinyNet(), tmp_path / "folded.onnx", EVAL)
    np.testing.assert_allclose(prefiqs.embed(network, FACES), prefiqs.embed(TinyNet(), FACES), atol=1e-5)
    with pytest.raises(InputError, match=r"imported has 0 of them for 3 convolutions \(exporters fold them into"):
        prefiqs.score(FACES, "grafiqs", network)


def test_a_network_in_half_precision_is_refused(tmp_path):
    path, example = tmp_path / "half.onnx", torch.ones(1, 3, 112, 112).half()
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(TinyNet().half(), (example,), path, input_names=["x"], opset_version=17, dynamo=False)
    with pytest.raises(InputError, match="half.onnx: Numbers of reduced precision .* export it in float32"):
        load_onnx("half", RGB, path)


class Away(nn.Module):
    """Unit vectors in a form that hides what was normalised."""

    def forward(self, embedding):
        return -nn.functional.normalize(embedding)


def test_lengths_that_a_file_hides_are_no_quality(tmp_path):
    """Neither that of the embedding, nor that of what `froq` takes for a layer; all else works."""
    network = imported(nn.Sequential(TinyNet(), Away()), tmp_path / "unit.onnx")
    for method in ("norm", "pruning-margin"):
        with pytest.raises(InputError, match=f"{method} needs the length of embeddings, but imported normalises them"):
            prefiqs.score(FACES, method, network)
    names = froq.firing_layers(network)
    assert "body" in names  # which gives the unit vectors
    calibration = froq.calibrate(FACES, network, candidates=len(names))
    assert calibration.layers and "body" not in calibration.layers
    expected = prefiqs.score(FACES, "prefiqs", TinyNet())
    np.testing.assert_allclose(prefiqs.score(FACES, "prefiqs", network), expected, rtol=1e-5)


class Colours(FaceModel):
    """The direction of the mean colour; nothing else in it is a layer."""

    def __init__(self):
        super().__init__("colours", RGB, 3)
        self.unit = Away()
        self.eval()

    def forward(self, prepared):
        return self.unit(prepared.mean((2, 3)))


def test_froq_refuses_a_network_whose_only_layer_normalises():
    with pytest.raises(InputError, match="No layer responds differently to the calibration faces"):
        froq.calibrate(FACES, Colours())
