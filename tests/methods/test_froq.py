"""FROQ: norms and the choice of layers against loops, its pseudo-labels against views made by hand, its files."""

import json

import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from small_networks import (
    RGB,
    Snapshot,
    StagedNet,
    TinyNet,
    prepared_by_hand,
    synthetic_faces,
)
from torch import nn

import prefiqs
from prefiqs.embedding.embedder import Embedder
from prefiqs.errors import InputError
from prefiqs.methods import froq
from prefiqs.methods.froq import LayerNorms, firing_layers, pseudo_labels
from prefiqs.models.face_model import FaceModel

LAYERS = ("stem", "stem_bn", "stem_prelu", "depthwise", "depthwise_bn", "pointwise", "pointwise_bn", "pointwise_prelu",
          "embedding", "embedding_bn")  # fmt: skip


@pytest.fixture(scope="module")
def many() -> np.ndarray:
    return synthetic_faces(40, seed=8)


def norms_by_hand(model: TinyNet, faces: np.ndarray) -> np.ndarray:
    """The layers of a TinyNet in turn, one face at a time."""
    rows = []
    with torch.no_grad():
        for x in torch.from_numpy(prepared_by_hand(faces)).double():
            x, row = x[None], []
            for name in LAYERS:
                x = model.double().get_submodule(name)(x.flatten(1) if name == "embedding" else x)
                row.append(np.sqrt((x.numpy() ** 2).sum()))
            rows.append(row)
    return np.array(rows)


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def chosen_by_hand(norms: np.ndarray, labels: np.ndarray, candidates: int) -> tuple[list[int], float]:
    alone = [spearman(column, labels) for column in norms.T]
    best = sorted(range(len(alone)), key=lambda i: -alone[i])[:candidates]
    chosen, sets = [], []
    while len(chosen) < len(best):
        correlations = {i: spearman(norms[:, [*chosen, i]].mean(1), labels) for i in best if i not in chosen}
        chosen.append(max(correlations, key=correlations.get))
        sets.append((correlations[chosen[-1]], list(chosen)))
    reached = max(correlation for correlation, _ in sets)
    return next(layers for correlation, layers in sets if correlation == reached), reached


def test_layers_are_all_that_fire_once_each():
    assert firing_layers(TinyNet()) == LAYERS
    names = firing_layers(StagedNet())
    assert "layer1.0.bn1" in names and "layer1.0" in names  # a block adds its shortcut: other activations than its last
    # A chain hands on what its last layer gave; `layer1` is such a chain around its only block.
    assert not {"layer1", "layer1.0.downsample"} & set(names)


def test_norms_of_every_layer(tiny, faces):
    expected = norms_by_hand(TinyNet(), faces)
    (found,) = Embedder([LayerNorms(tiny, LAYERS)], device="cpu")(faces)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_score_is_the_mean_norm(tiny, faces):
    norms = norms_by_hand(TinyNet(), faces)
    chosen = froq.Calibration("tiny-0", ("pointwise", "stem_bn"), 0.5, (0.5, 0.4), 3)
    for batch_size in (None, 1, 5, 64):
        scores = prefiqs.score(faces, "froq", tiny, calibration=chosen, batch_size=batch_size)
        np.testing.assert_allclose(scores, (norms[:, 5] + norms[:, 1]) / 2, rtol=1e-5)


def test_pseudo_labels_by_hand(tiny, faces):
    """Mirrored, noisy and occluded faces, made on the scale [−1, 1] one after the other."""
    faces = faces[:3]
    noise = np.random.default_rng(6).standard_normal((10, 3, 112, 112))
    expected = []
    model = TinyNet().double()

    def similarity(x, y):
        a, b = (model(torch.tensor(v * (127.5 / 128))[None])[0].detach().numpy() for v in (x, y))
        return a @ b / np.sqrt(a @ a) / np.sqrt(b @ b)

    for face in faces:
        x = face.transpose(2, 0, 1) / 127.5 - 1
        flip = similarity(x, x[:, :, ::-1].copy())
        noisy = [similarity(x, 0.999 * x + 0.001 * n) for n in noise]
        occluded = []
        for row in range(0, 112, 14):
            for column in range(0, 112, 14):
                dark = x.copy()
                dark[:, row : row + 14, column : column + 14] = -1
                occluded.append(similarity(x, dark))
        expected.append((flip + np.mean(noisy) + np.mean(occluded)) / 3)
    for batch_size in (None, 7):
        np.testing.assert_allclose(pseudo_labels(faces, tiny, 6, batch_size), expected, atol=1e-6)


@pytest.mark.parametrize("candidates", [1, 10])
def test_the_choice_is_the_greedy_one(tiny, many, candidates):
    before = Snapshot(tiny)
    calibration = froq.calibrate(many, tiny, candidates)
    before.assert_unchanged()
    norms, labels = norms_by_hand(TinyNet(), many), pseudo_labels(many, tiny)
    chosen, reached = chosen_by_hand(norms, labels, candidates)
    assert calibration.layers == tuple(LAYERS[i] for i in chosen)
    assert calibration.correlation == pytest.approx(reached, abs=1e-6)
    np.testing.assert_allclose(calibration.alone, [spearman(norms[:, i], labels) for i in chosen], atol=1e-6)
    assert (calibration.model, calibration.faces) == ("tiny-0", len(many))
    assert calibration.correlation >= max(calibration.alone)
    scores = prefiqs.score(many, "froq", tiny, calibration=calibration)
    assert spearman(scores, labels) == pytest.approx(calibration.correlation, abs=1e-3)


def test_calibration_files(tiny, many, faces, tmp_path):
    calibration, path = froq.calibrate(many[:20], tiny), tmp_path / "froq.json"
    calibration.save(path)
    assert froq.Calibration.load(path) == calibration
    assert json.loads(path.read_text())["layers"] == list(calibration.layers)
    expected = prefiqs.score(faces, "froq", tiny, calibration=calibration)
    for given in (path, str(path)):
        np.testing.assert_array_equal(prefiqs.score(faces, "froq", tiny, calibration=given), expected)


@pytest.mark.parametrize("text", ["", "[]", '{"layers": ["stem"]}', '{"layers": [], "alone": [], "shade": 1}', None])
def test_files_that_are_no_calibration(tiny, faces, tmp_path, text):
    path = tmp_path / "froq.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=r"froq\.json is not a calibration of FROQ"):
        prefiqs.score(faces, "froq", tiny, calibration=path)


def test_without_a_calibration(tiny, faces):
    with pytest.raises(InputError, match="needs a calibration of .* Make one with `prefiqs froq-cal"):
        prefiqs.score(faces, "froq", tiny)


def test_a_calibration_of_another_network(faces):
    calibration = froq.Calibration("tiny-0", ("stem",), 0.5, (0.5,), 10)
    with pytest.raises(InputError, match="was made for tiny-0, not for staged-0"):
        prefiqs.score(faces, "froq", StagedNet(), calibration=calibration)


class WithSilentLayer(FaceModel):
    """Has a layer that takes no part in its forward pass."""

    def __init__(self):
        super().__init__("silent", RGB, 4)
        self.linear, self.spare = nn.Linear(3, 4), nn.Linear(4, 1)
        self.eval()

    def forward(self, prepared):
        return self.linear(prepared.mean((2, 3)))


def test_layers_that_never_fire(many):
    model = WithSilentLayer()
    assert firing_layers(model) == ("linear",)
    assert froq.calibrate(many[:5], model).layers == ("linear",)
    for layer in ("spare", "gone"):
        calibration = froq.Calibration("silent", ("linear", layer), 0.5, (0.5, 0.4), 10)
        with pytest.raises(InputError, match=f"silent has no layers {layer} that take part in .*; calibrate for this"):
            prefiqs.score(many[:3], "froq", model, calibration=calibration)


def test_a_layer_that_never_varies_is_not_chosen(many):
    model = TinyNet()
    with torch.no_grad():
        model.stem_bn.weight.zero_()  # from here on all faces are alike; the norm of `stem` alone still varies
    with pytest.raises(InputError, match="No layer responds differently to the calibration faces"):
        froq.calibrate(many[:5], model)
    with pytest.raises(InputError, match="No layer responds differently to the calibration faces"):
        froq.calibrate(many[[0] * 5], TinyNet())


def test_too_few_faces(tiny, many):
    with pytest.raises(InputError, match="at least 3 faces .*hundreds.* and 1 candidate, but got 2 and 10"):
        froq.calibrate(many[:2], tiny)
