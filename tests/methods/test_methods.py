"""What every registered method promises, and each method against a computation in plain PyTorch and numpy."""

import copy
import re
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from small_networks import (
    PRUNABLE,
    RGB,
    HandNet,
    Snapshot,
    TinyNet,
    embedded_by_hand,
    prepared_by_hand,
    slow_ones_long,
    small_vit,
    small_vit_fiqa,
    synthetic_faces,
    weights_of,
)
from torch import nn

import prefiqs
from prefiqs.embedding import derivatives
from prefiqs.embedding import embedder as extract
from prefiqs.errors import InputError
from prefiqs.methods import froq
from prefiqs.methods._scorer import Scored
from prefiqs.methods.registry import METHODS, MethodCard, PreparedScorer, scorer
from prefiqs.models.face_model import FaceModel
from prefiqs.pruning.mask import prunable_weights

methods = pytest.mark.parametrize("method", METHODS)
look_inside = pytest.mark.parametrize("method", ["ser-fiq", "grafiqs", "faceqan", "froq"])
ROUNDING = {"rtol": 2e-6, "atol": 2e-6}  # of float32, where a face has other company
# Methods that need a network of a certain kind, and a small one of it; the others take any.
NETWORKS = {"vitnt-fiqa": small_vit, "attn-fiqa": small_vit, "vit-fiqa": small_vit_fiqa, "ex-fiqa": small_vit_fiqa}
NETWORKS["quality-network"] = lambda: HandNet([[0.5, -0.1, 2.0]])


@pytest.fixture
def network(method):
    """A small network that the method works on."""
    return NETWORKS.get(method, TinyNet)()


@pytest.fixture(scope="module")
def calibration() -> froq.Calibration:
    return froq.calibrate(synthetic_faces(20, seed=9), TinyNet())


@pytest.fixture
def options(method, calibration) -> dict:
    """What a method cannot do without."""
    return {"calibration": calibration} if method == "froq" else {}


def with_zeros(model: TinyNet, mask: np.ndarray) -> TinyNet:
    """A copy whose weights at `mask`, over the layers in order, are zero."""
    model = copy.deepcopy(model)
    position = 0
    for layer in PRUNABLE:
        weight = model.get_submodule(layer).weight
        part = mask[position : position + weight.numel()].reshape(weight.shape)
        position += weight.numel()
        weight.data[torch.from_numpy(part)] = 0
    return model


def smallest(weights: np.ndarray, tenths: int) -> np.ndarray:
    return np.argsort(np.argsort(np.abs(weights), kind="stable")) < tenths * len(weights) // 10


def one_minus_half_distance(e: np.ndarray, pruned: np.ndarray) -> np.ndarray:
    return 1 - np.sqrt(((e - pruned) ** 2).sum(1)) / 2


@methods
def test_one_finite_float_a_face(network, faces, method, options):
    scores = prefiqs.score(faces, method, network, **options)
    assert (scores.shape, scores.dtype) == ((len(faces),), np.float32)
    assert np.isfinite(scores).all()
    assert np.ptp(scores) > 0.001  # these faces do differ


@methods
def test_a_second_call_gives_the_same(network, faces, method, options):
    np.testing.assert_array_equal(
        prefiqs.score(faces, method, network, **options), prefiqs.score(faces, method, network, **options)
    )


@methods
def test_made_ready_once_for_faces_in_portions(network, faces, method, options, monkeypatch):
    ready = scorer(method, network, **options)
    whole = ready(faces)
    monkeypatch.setattr(extract, "model_engines", None)  # not to be called again
    monkeypatch.setattr(derivatives, "compile_graph", None)
    portions = np.concatenate([ready(faces[:2]), ready(faces[2:]), ready(faces[:0])])
    np.testing.assert_allclose(portions, whole, **ROUNDING)


@methods
def test_networks_faces_and_generators_are_left_as_they_were(network, faces, method, options):
    before, images = Snapshot(network), faces.copy()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    prefiqs.score(images, method, network, **options)
    before.assert_unchanged()
    np.testing.assert_array_equal(images, faces)
    torch.testing.assert_close(torch.rand(2), expected, rtol=0, atol=0)


@methods
def test_iterators_and_no_faces(network, faces, method, options):
    ready = scorer(method, network, **options)
    np.testing.assert_array_equal(ready(iter(faces)), ready(faces))
    for none in (faces[:0], iter([])):
        scores = ready(none)
        assert (scores.shape, scores.dtype) == ((0,), np.float32)


@methods
def test_unknown_options(network, faces, method, options):
    with pytest.raises(InputError, match=rf"Unknown option 'colour' of {method}; its options are .*device"):
        prefiqs.score(faces, method, network, ratios=0.1, colour="red", **options)


@methods
def test_what_is_no_face(network, method, options):
    with pytest.raises(InputError, match="Aligned faces must be RGB"):
        prefiqs.score(np.zeros((2, 112, 112, 3), np.float32), method, network, **options)


def test_unknown_methods(tiny, faces):
    with pytest.raises(InputError, match="Unknown method 'brisque'; choose one of prefiqs, pruning-margin"):
        prefiqs.score(faces, "brisque", tiny)


@pytest.mark.parametrize("method", sorted(NETWORKS.keys() - {"quality-network"}))
def test_methods_of_transformers_refuse_other_networks(tiny, faces, method):
    with pytest.raises(InputError, match=r"tiny-0 \(TinyNet\) (is not|has no quality head)\. Load "):
        prefiqs.score(faces, method, tiny)


def test_methods_that_prune_need_a_network_with_weights(assets, faces):
    for method in ("prefiqs", "jacobian"):
        with pytest.raises(InputError, match="a TFLite network cannot be pruned"):
            prefiqs.score(faces, method, "mobilefacenet-192")


@look_inside
def test_methods_that_look_inside_need_a_network_with_layers(assets, faces, method):
    with pytest.raises(
        InputError,
        match=f"{method} needs the layers of .*, but mobilefacenet-192 is a TFLite graph",
    ):
        prefiqs.score(faces, method, "mobilefacenet-192")


@look_inside
def test_methods_that_look_inside_need_eval_mode(tiny, faces, method, options):
    with pytest.raises(InputError, match="The network tiny-0 is in training mode; call .eval()"):
        prefiqs.score(faces, method, tiny.train(), **options)


def test_cards():
    assert all(card.name == name and callable(card.module.scorer) for name, card in METHODS.items())
    assert len({card.title for card in METHODS.values()}) == len(METHODS)
    # Table 1 and 5 of the paper; a tangent is no forward or backward pass
    assert {name for name, card in METHODS.items() if card.passes is None} == {"jacobian"}
    assert {name for name, card in METHODS.items() if card.supervision == "supervised"} == {
        "vit-fiqa", "ex-fiqa", "quality-network"
    }  # fmt: skip
    assert {name for name, card in METHODS.items() if card.supervision == "semi-supervised"} == {"froq"}
    assert {name for name, card in METHODS.items() if card.calibrates} == {"froq"}


@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        ("prefiqs", {"ratio": "0,4"}, "The option ratio of prefiqs must be float, not '0,4'"),
        ("faceqan", {"k": "abc"}, "The option k of faceqan must be int, not 'abc'"),
        ("faceqan", {"k": True}, "The option k of faceqan must be int, not True"),
        ("norm", {"batch_size": "16"}, "The option batch_size of norm must be int or None, not '16'"),
        ("norm", {"batch_size": 0}, "The batch size must be at least 1, not 0"),
        ("grafiqs", {"batch_size": -1}, "The batch size must be at least 1, not -1"),
        ("grafiqs", {"block": 1.5}, "The option block of grafiqs must be str or int, not 1.5"),
    ],
)
def test_values_of_another_type(tiny, method, given, message):
    with pytest.raises(InputError, match=re.escape(message)):
        scorer(method, tiny, **given)


def test_numbers_of_numpy_are_numbers(tiny, faces):
    scores = prefiqs.score(faces, "prefiqs", tiny, ratio=np.float32(0.5), seed=np.int64(0), batch_size=np.int64(4))
    np.testing.assert_allclose(scores, prefiqs.score(faces, "prefiqs", tiny, ratio=0.5), **ROUNDING)


def test_options_are_those_that_decide(tiny):
    ready = PreparedScorer("prefiqs", tiny, ratio=0.3, device="cpu", batch_size=4)
    assert ready.options == {"ratio": 0.3, "granularity": "unstructured", "criterion": "l1", "seed": 0}
    assert (ready.card.title, ready.model) == ("PreFIQs", tiny)


def test_prefiqs_gives_its_drift_too(tiny, faces):
    found = PreparedScorer("prefiqs", tiny, ratio=0.6)(faces)
    expected = prefiqs.drift(*prefiqs.embed([tiny, prefiqs.prune(tiny, 0.6)], faces))
    np.testing.assert_allclose(found.drift, expected, atol=1e-6)
    np.testing.assert_array_equal(found.score, prefiqs.quality_from_drift(found.drift))
    assert found.drift.dtype == np.float32
    assert PreparedScorer("norm", tiny)(faces).drift is None


@pytest.mark.parametrize("method", slow_ones_long(METHODS, "faceqan", "jacobian"))
def test_a_score_does_not_depend_on_its_company(network, method, options):
    """Bit for bit: any number of faces, in any order, in one process or another (cf. `prefiqs score --resume`)."""
    faces, ready = synthetic_faces(37), scorer(method, network, **options)
    whole = ready(faces)
    for rows in ([5], [36, 0, 4], [*range(20, 37)], [*range(36, -1, -1)]):
        np.testing.assert_array_equal(ready(faces[rows]), whole[rows])
    np.testing.assert_array_equal(prefiqs.score(faces[:2], method, network, **options), whole[:2])


def test_a_method_that_reads_its_company_gets_always_as_many_faces(tiny, monkeypatch):
    """A method written after the template in CONTRIBUTING.md need not care: whatever it does, it sees `chunk` faces."""
    seen = []
    module = SimpleNamespace(scorer=lambda model: lambda images: seen.append(len(images)) or Scored(np.ones(16)))
    monkeypatch.setattr(MethodCard, "module", module)
    ready = PreparedScorer("norm", tiny)
    for count in (0, 1, 16, 17):
        assert ready(synthetic_faces(count)).score.shape == (count,)
    assert seen == [16] * 4


@pytest.mark.parametrize("tenths", [1, 4, 8])
def test_prefiqs_is_two_passes(tiny, faces, tenths):
    pruned = with_zeros(tiny, smallest(weights_of(tiny), tenths))
    expected = one_minus_half_distance(embedded_by_hand(tiny, faces), embedded_by_hand(pruned, faces))
    scores = prefiqs.score(faces, "prefiqs", tiny, ratio=tenths / 10)
    np.testing.assert_allclose(scores, expected, atol=2e-6)


def test_prefiqs_by_default_prunes_the_smallest_four_tenths(tiny, faces):
    scores = prefiqs.score(faces, model=tiny)
    options = {"ratio": 0.4, "granularity": "unstructured", "criterion": "l1"}
    np.testing.assert_array_equal(scores, prefiqs.score(faces, "prefiqs", tiny, **options))


@pytest.mark.parametrize("granularity", ["unstructured", "structured"])
def test_prefiqs_prunes_as_prune_does(tiny, faces, granularity):
    pruned = prefiqs.prune(tiny, 0.5, granularity, "random", seed=7)
    expected = one_minus_half_distance(embedded_by_hand(tiny, faces), embedded_by_hand(pruned, faces))
    scores = prefiqs.score(faces, "prefiqs", tiny, ratio=0.5, granularity=granularity, criterion="random", seed=7)
    np.testing.assert_allclose(scores, expected, atol=2e-6)


def test_norm_is_the_length_of_the_raw_embedding(tiny, faces):
    with torch.no_grad():
        raw = tiny(torch.from_numpy(prepared_by_hand(faces))).numpy()
    np.testing.assert_allclose(prefiqs.score(faces, "norm", tiny), np.sqrt((raw**2).sum(1)), rtol=1e-5)


def test_jacobian_is_minus_the_jacobian_drift(tiny, faces):
    for criterion, seed in (("l1", 0), ("random", 4)):
        expected = -prefiqs.jacobian_drift(tiny, prefiqs.prune(tiny, 0.2, criterion=criterion, seed=seed), faces)
        scores = prefiqs.score(faces, "jacobian", tiny, ratio=0.2, criterion=criterion, seed=seed)
        np.testing.assert_allclose(scores, expected, rtol=1e-5)


def blurred(faces: np.ndarray, deviation: float) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(face, (0, 0), deviation) for face in faces])


@pytest.fixture(scope="module")
def sface_calibration(sface, orl) -> froq.Calibration:
    """On other faces than those of the test below."""
    faces = orl.images[5::160]
    return froq.calibrate(np.concatenate([faces, blurred(faces, 3.0), blurred(faces, 6.0)]), sface)


@pytest.mark.long
@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("prefiqs", {}),
        ("pruning-margin", {}),
        ("norm", {}),
        ("ser-fiq", {}),
        # Blocks 1 and 2 too, which would take long; not block 3: there eight of the ten do.
        *(("grafiqs", {"block": block}) for block in ("image", 4)),
        ("faceqan", {"k": 1, "iterations": 2}),
        ("froq", {}),
    ],
)
def test_a_blurred_face_ranks_below_the_face(sface, orl, method, given, request):
    """The direction, on real faces: of ten, blurred with a deviation of 6 pixels, at least nine score lower."""
    faces = orl.images[::40]
    if method == "froq":
        given = {"calibration": request.getfixturevalue("sface_calibration")}
    scores, of_blurred = np.split(
        prefiqs.score(np.concatenate([faces, blurred(faces, 6.0)]), method, sface, **given), 2
    )
    assert (of_blurred < scores).sum() >= 9


class Contrast(FaceModel):
    """Each unit compares one colour with the others; a single weight of it never passes the threshold."""

    def __init__(self):
        super().__init__("contrast", RGB, 40)
        self.linear = nn.Linear(3, 40, bias=False)
        self.linear.weight.data = torch.tensor([[1.0, -1, -1], [-1, 1, 1]]).repeat(20, 1)
        self.eval()

    def forward(self, prepared):
        return 1 + torch.relu(self.linear(prepared.mean((2, 3))) - 0.9)


def test_a_pruning_that_removes_only_zeros_is_refused(faces):
    """As of mobilefacenet-512 up to a ratio of 0.2: every face would have the score 1."""
    network = TinyNet()
    with torch.no_grad():
        weights = prunable_weights(network)
        for weight in weights.values():
            weight.flatten()[: weight.numel() // 2] = 0
    with pytest.raises(InputError, match="Pruned by 0.3, .* gives every face the same embedding as before"):
        prefiqs.score(faces, "prefiqs", network, ratio=0.3)
    assert np.ptp(prefiqs.score(faces, "prefiqs", network, ratio=0.8)) > 0


def test_a_network_of_which_pruning_leaves_nothing_is_refused(faces):
    assert len(prefiqs.score(faces, "prefiqs", Contrast(), ratio=0.1)) == len(faces)
    with pytest.raises(InputError, match="Pruned by 0.995, .* gives the same embedding for every face"):
        prefiqs.score(faces, "prefiqs", Contrast(), ratio=0.995)
