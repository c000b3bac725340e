"""Structured pruning against torch-pruning called directly, with sizes and weights counted by hand."""

import copy

import numpy as np
import pytest
import torch
import torch_pruning as tp
from small_networks import PRUNABLE, TinyNet, assert_same_state, prepared_by_hand, weights_of

import prefiqs
from prefiqs.errors import InputError
from prefiqs.pruning.spec import CRITERIA


def pruned_by_torch_pruning(model, ratio: float):
    """What torch-pruning itself makes of a network, in its documented way."""
    model = copy.deepcopy(model)
    pruner = tp.pruner.BasePruner(
        model,
        torch.randn(2, 3, 112, 112),
        importance=tp.importance.MagnitudeImportance(p=1),
        pruning_ratio=ratio,
        global_pruning=True,
        ignored_layers=[model.embedding],
    )
    pruner.step()
    return model.eval()


@pytest.mark.parametrize("ratio", [0.2, 0.35, 0.5])
def test_equals_torch_pruning(tiny, faces, ratio):
    """Below the ratio at which all channels of a layer are among the smallest, where torch-pruning leaves it whole."""
    ours, theirs = prefiqs.prune(tiny, ratio, "structured"), pruned_by_torch_pruning(tiny, ratio)
    assert_same_state(ours.state_dict(), theirs.state_dict())
    prepared = torch.from_numpy(prepared_by_hand(faces))
    with torch.no_grad():
        torch.testing.assert_close(ours(prepared), theirs(prepared), rtol=0, atol=0)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("ratio", [0.1, 0.4, 0.7])
def test_embedding_size_and_sparsity(tiny, faces, criterion, ratio):
    pruned = prefiqs.prune(tiny, ratio, "structured", criterion)
    assert prefiqs.embed(pruned, faces).shape == (len(faces), 8)
    assert pruned.sparsity == pytest.approx(1 - len(weights_of(pruned)) / len(weights_of(tiny)), abs=1e-12)
    assert not pruned.training
    assert pruned.embedding.out_features == 8
    # Every channel that a layer gives is one that the next layer takes.
    stem, depthwise, pointwise = (pruned.get_submodule(layer) for layer in PRUNABLE[:3])
    assert stem.out_channels == depthwise.groups == depthwise.out_channels == pointwise.in_channels
    assert pruned.embedding.in_features == 7 * 7 * pointwise.out_channels


def test_the_channels_that_stay_are_copies(tiny):
    """Pruning removes and never changes: each channel left in the first layer is one of the network's own."""
    own = tiny.stem.weight.detach().flatten(1).numpy()
    for left in prefiqs.prune(tiny, 0.5, "structured").stem.weight.detach().flatten(1).numpy():
        assert (own == left).all(1).sum() == 1


@pytest.mark.parametrize(("ratio", "gone"), [(0.1, 2), (0.3, 4), (0.5, 7)])
def test_the_share_of_channels_that_goes(tiny, ratio, gone):
    """Of thirteen channels in two groups (stem with depthwise, pointwise), ranked globally; DepGraph rounds up."""
    pruned = prefiqs.prune(tiny, ratio, "structured")
    assert 8 + 5 - pruned.stem.out_channels - pruned.pointwise.out_channels == gone


def test_random_channels_are_repeatable_and_differ_by_seed(tiny):
    first, again, *others = (prefiqs.prune(tiny, 0.5, "structured", "random", seed) for seed in (1, 1, 2, 3, 4))
    assert_same_state(first.state_dict(), again.state_dict())
    stems = {tuple(np.sort(model.stem.bias.detach().numpy())) for model in (first, *others)}
    assert len(stems) > 1


@pytest.mark.parametrize("criterion", CRITERIA)
def test_more_goes_at_a_larger_ratio(tiny, criterion):
    ratios = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
    reached = [prefiqs.prune(tiny, ratio, "structured", criterion).sparsity for ratio in ratios]
    assert all(smaller < larger for smaller, larger in zip(reached, reached[1:], strict=False))


@pytest.mark.parametrize("criterion", CRITERIA)
def test_every_layer_keeps_a_channel(tiny, criterion):
    """Eleven of thirteen go: one channel stays in each of the two groups, whichever have the smallest weights."""
    pruned = prefiqs.prune(tiny, 0.8, "structured", criterion)
    assert (pruned.stem.out_channels, pruned.pointwise.out_channels) == (1, 1)


def test_a_ratio_that_leaves_nothing_to_rank_is_refused(tiny):
    with pytest.raises(prefiqs.PrefiqsError, match="A ratio of 0.99 removes no channel, or would remove nearly all"):
        prefiqs.prune(tiny, 0.99, "structured")


class Regrouped(TinyNet):
    """Its channels go through a reshape whose sizes are written down, as in some ONNX files."""

    def forward(self, prepared):
        features = self.stem_prelu(self.stem_bn(self.stem(prepared))).reshape(-1, 8, 784).reshape(-1, 8, 28, 28)
        features = self.pointwise_prelu(self.pointwise_bn(self.pointwise(self.depthwise_bn(self.depthwise(features)))))
        return self.embedding_bn(self.embedding(features.flatten(1)))


def test_channels_that_cannot_be_followed_are_refused():
    with pytest.raises(InputError, match="Structured pruning does not support tiny-0: DepGraph cannot follow"):
        prefiqs.prune(Regrouped(), 0.5, granularity="structured")
