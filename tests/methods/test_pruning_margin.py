"""The pruning margin against its formula in float64, on networks of several origins."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from small_networks import RGB, HandNet, randomise, small_vit
from torch import nn

import prefiqs
from prefiqs.errors import InputError
from prefiqs.methods.pruning_margin import PruningMargin
from prefiqs.models.face_model import FaceModel


def by_formula(features: np.ndarray, weight: np.ndarray, embeddings: np.ndarray) -> list[float]:
    """Feature after feature: n×D, d×D with the scale of the batch norm, and n×d to the score."""
    scores = []
    for f, e in zip(features.astype(np.float64), embeddings.astype(np.float64), strict=True):
        length = np.sqrt(np.sum(e**2))
        contributed = [f[j] * sum(weight[:, j] * e / length) for j in range(len(f))]
        consensus = abs(sum(contributed)) / sum(abs(c) for c in contributed)
        scores.append(length * consensus**2)
    return scores


def scaled(layer: nn.Module, norm: nn.BatchNorm1d) -> np.ndarray:
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return (scale[:, None] * layer.weight.double()).detach().numpy()


def entering(model: nn.Module, layer: nn.Module, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    seen = []
    with torch.no_grad(), layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])):
        embeddings = model(model.prepare(faces))
    return seen[0].numpy(), embeddings.numpy()


@pytest.fixture
def orl_faces(orl) -> np.ndarray:
    return np.asarray(orl.images[:6])


def test_a_linear_layer_with_a_batch_norm_behind(tiny, faces):
    features, embeddings = entering(tiny, tiny.embedding, faces)
    expected = by_formula(features, scaled(tiny.embedding, tiny.embedding_bn), embeddings)
    np.testing.assert_allclose(prefiqs.score(faces, "pruning-margin", tiny), expected, rtol=1e-4)


def test_a_transformer(faces):
    model = small_vit()
    features, embeddings = entering(model, model.feature[2], faces)
    expected = by_formula(features, scaled(model.feature[2], model.feature[3]), embeddings)
    np.testing.assert_allclose(prefiqs.score(faces, "pruning-margin", model), expected, rtol=1e-4)


@pytest.mark.long
def test_sface(orl_faces):
    model = prefiqs.load_model("sface")
    features, embeddings = entering(model, model.embedding, orl_faces)
    expected = by_formula(features, scaled(model.embedding, model.embedding_bn), embeddings)
    np.testing.assert_allclose(prefiqs.score(orl_faces, "pruning-margin", model), expected, rtol=1e-4)


def test_a_network_from_onnx(assets, orl_faces):
    """Its features and weights as ONNX Runtime and the file have them; the last layer is a 1×1 convolution."""
    graph = onnx.load(assets["mobilefacenet-512"])
    last = [node for node in graph.graph.node if node.op_type == "Conv"][-1]
    (weight,) = (onnx.numpy_helper.to_array(w) for w in graph.graph.initializer if w.name == last.input[1])
    graph.graph.output.append(onnx.ValueInfoProto(name=last.input[0]))
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    model = prefiqs.load_model("mobilefacenet-512")
    prepared = model.prepare(orl_faces).numpy()
    rows = [session.run(None, {session.get_inputs()[0].name: face[None]}) for face in prepared]
    embeddings, features = (np.concatenate([row[i].reshape(1, -1) for row in rows]) for i in (0, -1))
    expected = by_formula(features, weight.reshape(len(weight), -1), embeddings)
    np.testing.assert_allclose(prefiqs.score(orl_faces, "pruning-margin", model), expected, rtol=1e-4)


def test_contributions_by_hand():
    """Features 1, 2, 3 and weights that make them the embedding (3, 4), of length 5."""
    model = HandNet([[1.0, 1.0, 0.0], [2.0, -1.0, 4 / 3]])
    prepared = torch.tensor([1.0, 2, 3]).view(1, 3, 1, 1)
    with torch.no_grad():
        margin = PruningMargin(model)
        features, embeddings = margin.enter(prepared)
        contributed, score = margin.contributions(features, embeddings), margin(prepared)
    # e = (3, 4), ê = (0.6, 0.8): 1·(0.6 + 1.6), 2·(0.6 − 0.8), 3·(4/3·0.8)
    np.testing.assert_allclose(contributed, [[2.2, -0.4, 3.2]], rtol=1e-6)
    np.testing.assert_allclose(embeddings, [[3, 4]], rtol=1e-6)
    np.testing.assert_allclose(score, [[5 * (5 / 5.8) ** 2]], rtol=1e-6)


class Other(FaceModel):
    """The last layer with weights is followed by something that is no batch norm."""

    def __init__(self, last: nn.Module):
        super().__init__("other", RGB, 4)
        self.linear, self.last = nn.Linear(3, 4), last
        randomise(self, 0)
        self.eval()

    def forward(self, prepared):
        return self.last(self.linear(prepared.mean((2, 3))))


@pytest.mark.parametrize("last", [nn.PReLU(4), nn.Sigmoid()])
def test_a_layer_that_is_not_the_last_is_refused(last, faces):
    with pytest.raises(InputError, match="linear of other is not such a layer"):
        prefiqs.score(faces, "pruning-margin", Other(last))
