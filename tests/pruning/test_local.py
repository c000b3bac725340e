"""Local ranking against a sort of each layer by itself."""

import numpy as np
import pytest
from small_networks import PRUNABLE, Snapshot, TinyNet, assert_same_state

from prefiqs.core.errors import InputError
from prefiqs.core.recipe import Recipe
from prefiqs.pruning import apply, choose, choose_locally, load_removal, save_removal


@pytest.mark.parametrize("thousandths", [1, 290, 400, 570, 999])
def test_every_layer_loses_the_floor_of_its_share_smallest_first(thousandths):
    tiny = TinyNet()
    pruned = apply(tiny, choose_locally(tiny, thousandths / 1000))
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
        name: float((apply(tiny, removal).stem.weight == 0).float().mean())
        for name, removal in [("local", choose_locally(tiny, 0.5)), ("global", choose(tiny, Recipe(0.5)))]
    }
    assert share["local"] == 0.5
    assert share["global"] < 0.1


def test_the_network_is_untouched_and_the_removal_can_be_kept(tiny, tmp_path):
    before = Snapshot(tiny)
    removal = choose_locally(tiny, 0.4)
    save_removal(removal, tmp_path / "local.safetensors")
    again = load_removal(tmp_path / "local.safetensors")
    assert_same_state(apply(tiny, again).state_dict(), apply(tiny, removal).state_dict())
    before.assert_unchanged()


def test_a_ratio_that_does_not_exist(tiny):
    with pytest.raises(InputError, match=r"Expected a pruning ratio between 0 and 1 \(exclusive\), got 1"):
        choose_locally(tiny, 1)
