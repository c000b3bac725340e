"""Local ranking against a sort of each layer by itself."""

import numpy as np
import pytest
from small_networks import PRUNABLE, Snapshot, TinyNet, assert_same_state

from prefiqs.errors import InputError
from prefiqs.pruning.mask import load_mask, save_mask
from prefiqs.pruning.prune import apply_mask, select_mask
from prefiqs.pruning.spec import PruningSpec


def layerwise(ratio: float, **options) -> PruningSpec:
    return PruningSpec(ratio, ranking="layerwise", **options)


@pytest.mark.parametrize("thousandths", [1, 290, 400, 570, 999])
def test_every_layer_loses_the_floor_of_its_share_smallest_first(thousandths):
    tiny = TinyNet()
    pruned = apply_mask(tiny, select_mask(tiny, layerwise(thousandths / 1000)))
    zeros = 0
    for layer in PRUNABLE:
        before = tiny.get_submodule(layer).weight.detach().numpy().ravel()
        gone = np.argsort(np.abs(before), kind="stable")[: thousandths * before.size // 1000]
        expected = before.copy()
        expected[gone] = 0
        np.testing.assert_array_equal(pruned.get_submodule(layer).weight.detach().numpy().ravel(), expected)
        zeros += len(gone)
    assert pruned.sparsity == pytest.approx(zeros / 2672, abs=1e-12)


def test_it_differs_from_global_ranking_where_layers_differ_in_scale():
    tiny = TinyNet()
    tiny.stem.weight.data *= 100  # ranked over all layers together, none of these would go
    share = {
        spec.ranking: float((apply_mask(tiny, select_mask(tiny, spec)).stem.weight == 0).float().mean())
        for spec in (layerwise(0.5), PruningSpec(0.5))
    }
    assert share["layerwise"] == 0.5
    assert share["global"] < 0.1


def test_the_network_is_untouched_and_the_removal_can_be_kept(tiny, tmp_path):
    before = Snapshot(tiny)
    mask = select_mask(tiny, layerwise(0.4))
    save_mask(mask, tmp_path / "local.safetensors")
    again = load_mask(tmp_path / "local.safetensors")
    assert again.spec == layerwise(0.4)
    assert_same_state(apply_mask(tiny, again).state_dict(), apply_mask(tiny, mask).state_dict())
    before.assert_unchanged()


@pytest.mark.parametrize("other", [{"criterion": "random"}, {"granularity": "structured"}])
def test_layerwise_ranking_is_of_magnitudes_of_single_weights(other):
    with pytest.raises(InputError, match="Layerwise ranking is available for unstructured L1 pruning only, not for"):
        layerwise(0.5, **other)
