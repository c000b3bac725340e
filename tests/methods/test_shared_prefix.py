"""Networks that share a prefix give what each gives alone, and cost what is counted by hand."""

import numpy as np
import pytest
from small_networks import (
    PRUNABLE,
    Snapshot,
    StagedNet,
    TinyNet,
    embedded_by_hand,
    small_vit,
    synthetic_faces,
    unit_rows,
)

import prefiqs
from prefiqs.embedding.embedder import Embedder
from prefiqs.embedding.flops import flops
from prefiqs.embedding.shared_prefix import SharedPrefix, shared_embedder, shared_passes
from prefiqs.errors import InputError
from prefiqs.pruning.stages import network_stages

RATIOS = (0.3, 0.8)


def prunings(model, layers):
    return [prefiqs.prune(model, ratio, layers=layers) for ratio in RATIOS]


@pytest.fixture(scope="module")
def faces():
    return synthetic_faces(5)


@pytest.mark.parametrize("layers", ["all", *PRUNABLE, ("depthwise", "embedding")])
def test_equals_the_networks_one_by_one(faces, layers):
    net = TinyNet()
    networks = [net, *prunings(net, layers)]
    together = shared_embedder(net, networks[1:], batch_size=3)(faces)
    assert len(together) == 3
    for found, network in zip(together, networks, strict=True):
        np.testing.assert_allclose(unit_rows(found), embedded_by_hand(network, faces), atol=1e-5)


@pytest.mark.parametrize("net", [small_vit(), StagedNet()], ids=["vit", "iresnet"])
def test_equals_the_networks_one_by_one_for_every_stage(faces, net):
    for layers in network_stages(net).values():
        networks = [net, *prunings(net, layers)]
        together = shared_embedder(net, networks[1:], batch_size=2)(faces)
        for found, alone in zip(together, Embedder(networks)(faces), strict=True):
            np.testing.assert_allclose(found, alone, rtol=0, atol=2e-5 * np.abs(alone).max())


def test_the_networks_stay_as_they_are(faces):
    net = TinyNet()
    pruned = prunings(net, "pointwise")
    before = Snapshot(net, *pruned)
    shared_embedder(net, pruned)(faces)
    before.assert_unchanged()


def test_cost_is_that_of_the_layers_from_the_first_pruned_one_on():
    net = TinyNet()
    # two operations for each weight of a filter at each place where it is applied, by hand
    of_layer = {"stem": 8 * 75 * 28 * 28, "depthwise": 8 * 9 * 7 * 7, "pointwise": 5 * 8 * 7 * 7, "embedding": 8 * 245}
    assert flops(net) == 2 * sum(of_layer.values())
    for i, layer in enumerate(PRUNABLE):
        after = sum(list(of_layer.values())[i:])
        expected = 1 + len(RATIOS) * after / sum(of_layer.values())
        assert shared_passes(net, prunings(net, (layer,))) == pytest.approx(expected, rel=1e-12)


def test_refuses_networks_that_are_no_unstructured_prunings():
    net = TinyNet()
    with pytest.raises(InputError, match="not an unstructured pruning of tiny-0: stem.weight has another shape"):
        SharedPrefix(net, [prefiqs.prune(net, 0.5, granularity="structured")])
    with pytest.raises(InputError, match="None of the networks differs from"):
        SharedPrefix(net, [net])
