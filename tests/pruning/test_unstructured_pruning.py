"""Unstructured pruning against a stable sort in numpy, and what must stay as it was."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_networks import PRUNABLE, HandNet, Snapshot, TinyNet, assert_same_state, weights_of

import prefiqs
from prefiqs.errors import InputError
from prefiqs.pruning.prune import select_mask, select_masks
from prefiqs.pruning.spec import GRANULARITIES, PruningSpec

RATIOS = [tenth / 10 for tenth in range(1, 10)]


def smallest_by_sorting(weights: np.ndarray, count: int) -> np.ndarray:
    """Mask of the `count` smallest magnitudes; a stable sort keeps equals in the order of their positions."""
    pruned = np.zeros(len(weights), bool)
    pruned[np.argsort(np.abs(weights), kind="stable")[:count]] = True
    return pruned


def zeros(model) -> np.ndarray:
    return weights_of(model) == 0


@st.composite
def tied_weights(draw) -> list[list[float]]:
    """A linear layer whose weights have few distinct magnitudes, none of them zero."""
    magnitude = st.sampled_from([0.5, 1.0, 2.0, 3.5][: draw(st.integers(1, 4))])
    weight = st.tuples(magnitude, st.sampled_from([-1, 1])).map(lambda pair: pair[0] * pair[1])
    return draw(st.lists(st.lists(weight, min_size=3, max_size=3), min_size=1, max_size=70))


@given(tied_weights(), st.integers(1, 999), st.sampled_from(["l1", "random"]))
def test_exactly_the_floor_of_the_share_becomes_zero(weight, thousandths, criterion):
    pruned = prefiqs.prune(HandNet(weight), thousandths / 1000, criterion=criterion)
    count = thousandths * 3 * len(weight) // 1000
    assert int((pruned.linear.weight == 0).sum()) == count
    assert pruned.sparsity == count / (3 * len(weight))


def test_the_ratio_is_the_decimal_that_was_typed():
    """In floats 0.57 * 300 is a little less than 171."""
    assert int(0.57 * 300) == 170
    for criterion in ("l1", "random"):
        pruned = prefiqs.prune(HandNet([[1.0, 2.0, 3.0]] * 100), 0.57, criterion=criterion)
        assert int((pruned.linear.weight == 0).sum()) == 171


@given(tied_weights(), st.integers(1, 999))
def test_l1_takes_the_smallest_and_of_equals_the_first(weight, thousandths):
    flat = np.array(weight).ravel()
    pruned = prefiqs.prune(HandNet(weight), thousandths / 1000).linear.weight.detach().numpy().ravel()
    gone = smallest_by_sorting(flat, thousandths * len(flat) // 1000)
    np.testing.assert_array_equal(pruned, np.where(gone, 0, flat))


def test_l1_by_hand():
    pruned = prefiqs.prune(HandNet([[0.5, -0.1, 2.0], [-0.3, 0.2, -4.0], [0.3, 1.0, -0.2]]), 0.5)
    # Four of nine go: 0.1, both 0.2 and, of the two 0.3, the first.
    np.testing.assert_allclose(pruned.linear.weight.detach(), [[0.5, 0, 2], [0, 0, -4], [0.3, 1, 0]])


def test_several_recipes_at_once_are_those_one_by_one(tiny):
    specs = [
        PruningSpec(ratio, granularity, criterion, seed)
        for ratio in (0.7, 0.1, 0.4)
        for granularity in GRANULARITIES
        for criterion, seed in [("l1", 0), ("random", 1), ("random", 2)]
    ]
    specs += [PruningSpec(0.4), PruningSpec(0.5, layers=("embedding",))]
    for spec, mask in zip(specs, select_masks(tiny, specs), strict=True):
        alone = select_mask(tiny, spec)
        assert (mask.spec, mask.sparsity, mask.steps) == (spec, alone.sparsity, alone.steps)
        assert mask.arrays.keys() == alone.arrays.keys()
        for name, array in mask.arrays.items():
            np.testing.assert_array_equal(array, alone.arrays[name])


@pytest.mark.parametrize("ratio", RATIOS)
def test_l1_ranks_over_all_layers_together(tiny, ratio):
    weights = weights_of(tiny)
    gone = smallest_by_sorting(weights, round(10 * ratio) * len(weights) // 10)
    np.testing.assert_array_equal(weights_of(prefiqs.prune(tiny, ratio)), np.where(gone, 0, weights))


def test_l1_of_the_real_network(sface):
    layers = [name for name, m in sface.named_modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    pruned = prefiqs.prune(sface, 0.7)
    before, after = (
        np.abs(torch.cat([model.get_submodule(name).weight.detach().flatten() for name in layers]).numpy())
        for model in (sface, pruned)
    )
    assert (after == 0).sum() == 7 * len(before) // 10
    assert before[after == 0].max() <= before[after != 0].min()


@pytest.mark.parametrize("granularity", ["unstructured", "structured"])
@pytest.mark.parametrize("criterion", ["l1", "random"])
def test_the_given_network_is_untouched(tiny, granularity, criterion):
    before = Snapshot(tiny)
    prefiqs.prune(tiny, 0.5, granularity, criterion)
    before.assert_unchanged()
    assert tiny.sparsity == 0


@pytest.mark.parametrize("criterion", ["l1", "random"])
def test_biases_batch_norm_and_slopes_are_untouched(tiny, criterion):
    pruned = prefiqs.prune(tiny, 0.9, criterion=criterion)
    kept = [name for name in tiny.state_dict() if name not in {f"{layer}.weight" for layer in PRUNABLE}]
    assert len(kept) == 3 + 2 + 4 * 5  # biases, slopes, four batch norms
    assert_same_state(
        {name: pruned.state_dict()[name] for name in kept}, {name: tiny.state_dict()[name] for name in kept}
    )
    assert not pruned.training


def test_random_is_repeatable_and_differs_by_seed(tiny):
    first, again, other = (zeros(prefiqs.prune(tiny, 0.3, criterion="random", seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    # Two independent draws of 30 % share about 30 % of their positions.
    assert 0.2 < (first & other).sum() / first.sum() < 0.4


def test_random_does_not_touch_the_global_generators(tiny):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    for granularity in ("unstructured", "structured"):
        prefiqs.prune(tiny, 0.3, granularity, "random", seed=1)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)


@pytest.mark.parametrize("criterion", ["l1", "random"])
def test_what_is_pruned_stays_pruned_at_a_larger_ratio(tiny, criterion):
    masks = [zeros(prefiqs.prune(tiny, ratio, criterion=criterion)) for ratio in RATIOS]
    for smaller, larger in zip(masks, masks[1:], strict=False):
        assert not (smaller & ~larger).any()


def test_random_spares_no_layer(tiny):
    """Half of the positions, wherever they are: within five standard deviations of half in each layer."""
    pruned = prefiqs.prune(tiny, 0.5, criterion="random")
    for layer in PRUNABLE:
        gone = (pruned.get_submodule(layer).weight == 0).float()
        assert abs(float(gone.mean()) - 0.5) < 5 * 0.5 / gone.numel() ** 0.5


@pytest.mark.parametrize("layers", [("embedding",), "embedding", ("stem", "embedding")])
def test_single_layers(tiny, layers):
    pruned = prefiqs.prune(tiny, 0.5, layers=layers)
    chosen = [layer for layer in PRUNABLE if layer in layers]
    weights = np.concatenate([tiny.get_submodule(layer).weight.detach().numpy().ravel() for layer in chosen])
    result = np.concatenate([pruned.get_submodule(layer).weight.detach().numpy().ravel() for layer in chosen])
    np.testing.assert_array_equal(result == 0, smallest_by_sorting(weights, len(weights) // 2))
    assert zeros(pruned).sum() == len(weights) // 2


def test_a_network_by_name_is_loaded_and_pruned(monkeypatch, tiny):
    monkeypatch.setattr("prefiqs.pruning.prune.as_model", lambda model: tiny if model == "some-name" else model)
    assert_same_state(
        prefiqs.prune("some-name", 0.4).state_dict(), prefiqs.prune(copy.deepcopy(tiny), 0.4).state_dict()
    )


@pytest.mark.parametrize("ratio", [0, 1, -0.1, 1.5, float("nan"), float("inf")])
def test_ratios_that_do_not_exist(tiny, ratio):
    with pytest.raises(InputError, match=rf"pruning ratio must be between 0 and 1 \(exclusive\), not {ratio}"):
        prefiqs.prune(tiny, ratio)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"granularity": "semi"}, "Unknown granularity 'semi'; choose one of unstructured, structured"),
        ({"criterion": "l2"}, "Unknown criterion 'l2'; choose one of l1, random"),
        ({"layers": ("embedding", "head")}, "Unknown layer 'head'; choose from stem, depthwise, pointwise, embedding"),
        ({"layers": ("stem_bn",)}, "Unknown layer 'stem_bn'"),
        ({"layers": ("stem",), "granularity": "structured"}, "Structured pruning cannot be limited to some layers"),
    ],
)
def test_options_that_do_not_exist(tiny, options, words):
    with pytest.raises(InputError, match=words):
        prefiqs.prune(tiny, 0.4, **options)


@pytest.mark.parametrize("granularity", ["unstructured", "structured"])
def test_a_network_without_weights(granularity):
    class Weightless(TinyNet):
        def __init__(self):
            super().__init__()
            self._modules.clear()

    with pytest.raises(InputError, match="a TFLite network cannot be pruned"):
        prefiqs.prune(Weightless(), 0.4, granularity)
