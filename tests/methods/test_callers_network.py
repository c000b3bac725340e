"""Whoever gives a network keeps it: where it is, as it is, whatever device the work is done on."""

import copy

import numpy as np
import pytest
import torch
from small_networks import HandNet, StagedNet, TinyNet, slow_ones_long, small_vit_fiqa, synthetic_faces

import prefiqs
from prefiqs.methods.froq import calibrate
from prefiqs.methods.registry import METHODS

FACES = synthetic_faces(5)
BUILDS = {"grafiqs": StagedNet} | dict.fromkeys(["vitnt-fiqa", "attn-fiqa", "vit-fiqa", "ex-fiqa"], small_vit_fiqa)
BUILDS["quality-network"] = lambda: HandNet([[0.5, -0.1, 2.0]])


def elsewhere(network):
    """The network, as if it were on a second GPU: it must not be moved, only copied; copies are on the CPU."""
    kind = type(network)

    class Elsewhere(kind):
        device = torch.device("cuda:1")

        def _apply(self, *_, **__):
            raise AssertionError("the network of the caller was moved or converted")

        def __deepcopy__(self, memo):
            memo[id(self)] = twin = kind.__new__(kind)
            twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
            return twin

    network.__class__ = Elsewhere
    return network


def memory(network) -> list:
    return [(v.data_ptr(), v.device, v.stride(), v.requires_grad) for v in network.state_dict(keep_vars=True).values()]


@pytest.mark.parametrize("method", slow_ones_long(METHODS, "grafiqs", "faceqan", "jacobian"))
def test_scoring_elsewhere(method):
    build = BUILDS.get(method, TinyNet)
    options = {"calibration": calibrate(FACES, build(), device="cpu")} if method == "froq" else {}
    network = elsewhere(build())
    before = memory(network)
    scores = prefiqs.score(FACES, method, network, device="cpu", **options)
    assert memory(network) == before
    np.testing.assert_array_equal(scores, prefiqs.score(FACES, method, build(), device="cpu", **options))


def test_embedding_calibrating_and_differentiating_elsewhere():
    network, pruned = elsewhere(TinyNet()), elsewhere(prefiqs.prune(TinyNet(), 0.3))
    before = memory(network), memory(pruned)
    found = prefiqs.embed([network, pruned], FACES, device="cpu", flip_test=True)
    jacobian = prefiqs.jacobian_drift(network, pruned, FACES, device="cpu")
    calibration = calibrate(FACES, network, device="cpu")
    assert (memory(network), memory(pruned)) == before
    here = TinyNet(), prefiqs.prune(TinyNet(), 0.3)
    np.testing.assert_array_equal(found, prefiqs.embed(here, FACES, device="cpu", flip_test=True))
    np.testing.assert_array_equal(jacobian, prefiqs.jacobian_drift(*here, FACES, device="cpu"))
    assert calibration == calibrate(FACES, here[0], device="cpu")


def test_a_network_by_name_is_loaded_on_the_device_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "prefiqs.models.loading.load_model", lambda name, device="auto": asked.append(device) or TinyNet()
    )
    prefiqs.score(FACES, "norm", "sface", device="cpu")
    prefiqs.embed("sface", FACES, device="cpu")
    assert asked == ["cpu", "cpu"]
