"""SER-FIQ against a loop over faces, passes and pairs, and what its options do."""

import math

import numpy as np
import pytest
import torch
from small_networks import RGB, HandNet, TinyNet, prepared_by_hand, small_vit, small_vit_fiqa
from torch import nn

import prefiqs
from prefiqs.errors import InputError
from prefiqs.methods import ser_fiq
from prefiqs.models.face_model import FaceModel


def by_hand(model: TinyNet, faces: np.ndarray, passes: int, dropout: float, seed: int) -> list[float]:
    """Every face, pass and pair in turn, with masked features and the embedding layer in float64."""
    random = np.random.default_rng(seed)
    masks = [random.random(5 * 7 * 7) >= dropout for _ in range(passes)]
    weight, bias = (p.detach().numpy().astype(np.float64) for p in (model.embedding.weight, model.embedding.bias))
    norm = model.embedding_bn
    scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach().numpy()
    scores = []
    for face in torch.from_numpy(prepared_by_hand(faces)):
        with torch.no_grad():
            inner = model.depthwise_bn(model.depthwise(model.stem_prelu(model.stem_bn(model.stem(face[None])))))
            features = model.pointwise_prelu(model.pointwise_bn(model.pointwise(inner))).flatten().numpy()
        embeddings = []
        for mask in masks:
            raw = weight @ np.where(mask, features / (1 - dropout), 0) + bias
            raw = (raw - norm.running_mean.numpy()) * scale + norm.bias.detach().numpy()
            embeddings.append(raw / math.sqrt(sum(raw**2)))
        distances = [math.dist(embeddings[i], embeddings[j]) for i in range(passes) for j in range(i)]
        scores.append(2 / (1 + math.exp(sum(distances) / len(distances))))
    return scores


@pytest.mark.parametrize(("passes", "dropout", "seed"), [(2, 0.5, 0), (7, 0.2, 3), (20, 0.9, 1)])
def test_equals_every_pass_and_pair_in_turn(tiny, faces, passes, dropout, seed):
    options = {"passes": passes, "dropout": dropout, "seed": seed}
    scores = prefiqs.score(faces, "ser-fiq", tiny, **options)
    np.testing.assert_allclose(scores, by_hand(tiny, faces, **options), atol=1e-5)


@pytest.mark.parametrize("network", [small_vit, small_vit_fiqa])
def test_transformers_drop_what_enters_their_last_layer_but_one(network, faces):
    """Behind a linear layer and a batch norm; the quality head of ViT-FIQA is no embedding layer."""
    model, random, drawn = network(), np.random.default_rng(0), []
    masks = [torch.from_numpy(random.random(32) >= 0.5) for _ in range(4)]
    with torch.no_grad():
        tokens = model.tokens(torch.from_numpy(prepared_by_hand(faces)))
        for block in model.blocks:
            tokens = block(tokens)
        features = model.feature[:2](model.norm(tokens[:, model.leading_tokens :]).flatten(1))
        for mask in masks:
            drawn.append(nn.functional.normalize(model.feature[2:](2 * features * mask)))
    distances = [(drawn[i] - drawn[j]).norm(dim=1) for i in range(4) for j in range(i)]
    expected = 2 / (1 + torch.exp(sum(distances) / 6))
    np.testing.assert_allclose(prefiqs.score(faces, "ser-fiq", model, passes=4), expected, atol=1e-5)


def test_by_default_a_hundred_passes_drop_one_half(tiny, faces):
    np.testing.assert_allclose(prefiqs.score(faces, "ser-fiq", tiny), by_hand(tiny, faces, 100, 0.5, 0), atol=1e-5)


def test_distance_of_pairs_by_hand():
    half = math.sqrt(0.5)
    passes = [[[1.0, 0], [2, 0]], [[0, 3], [5, 0]], [[half, half], [1, 0]]]  # T=3, two faces: three directions; one
    side, diagonal = 2 * math.sin(math.pi / 8), math.sqrt(2)
    distances = ser_fiq.mean_pairwise_distance(torch.tensor(passes))
    np.testing.assert_allclose(distances, [(diagonal + 2 * side) / 3, 0], atol=1e-7)


def test_small_distances_keep_their_digits():
    angles = torch.tensor([0, 1e-4, 3e-4], dtype=torch.float64)
    rows = torch.stack([angles.cos(), angles.sin()], 1)[:, None].float()
    np.testing.assert_allclose(ser_fiq.mean_pairwise_distance(rows), [2e-4], rtol=1e-3)


def test_batches_do_not_matter(tiny, faces):
    expected = prefiqs.score(faces, "ser-fiq", tiny, passes=10)
    for batch_size in (1, 5, 100):
        scores = prefiqs.score(faces, "ser-fiq", tiny, passes=10, batch_size=batch_size)
        np.testing.assert_allclose(scores, expected, atol=2e-6)


def test_more_passes_leave_less_to_the_seed(tiny, faces):
    def spread(passes):
        return np.std([prefiqs.score(faces, "ser-fiq", tiny, passes=passes, seed=s) for s in range(8)], axis=0).mean()

    few, many = spread(5), spread(80)
    assert 0 < many < few / 2  # 1/√16 of it, if the passes were independent pairs


def test_the_published_map_keeps_the_order(tiny, faces):
    plain, mapped = (prefiqs.score(faces, "ser-fiq", tiny, dropout=0.05, alpha=a, r=0.8) for a in (None, 30))
    np.testing.assert_allclose(mapped, 1 / (1 + np.exp(-30 * (plain.astype(float) - 0.8))), atol=1e-5)
    np.testing.assert_array_equal(np.argsort(mapped), np.argsort(plain))


def test_a_network_that_ends_with_its_embedding_layer(faces):
    """One feature of three is dropped or not: the embedding is one of a few directions."""
    scores = prefiqs.score(faces, "ser-fiq", HandNet([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]), passes=50)
    assert np.isfinite(scores).all() and ((scores > 0.2) & (scores < 1)).all()


def test_nothing_that_moves_scores_one(faces):
    still = HandNet([[0.0, 0, 0], [0, 0, 0]])  # silent: no bias, no weights
    np.testing.assert_array_equal(prefiqs.score(faces, "ser-fiq", still), 1)


@pytest.mark.parametrize("options", [{"passes": 1}, {"dropout": 0}, {"dropout": 1.0}])
def test_options_out_of_range(tiny, faces, options):
    with pytest.raises(InputError, match="SER-FIQ needs at least 2 passes and a dropout between 0 and 1"):
        prefiqs.score(faces, "ser-fiq", tiny, **options)


class EndsWithConvolution(TinyNet):
    """TinyNet with its embedding layer as a convolution over the whole map."""

    def __init__(self):
        super().__init__()
        linear, self.embedding = self.embedding, nn.Conv2d(5, 8, 7)
        self.embedding.weight.data, self.embedding.bias.data = linear.weight.data.view(8, 5, 7, 7), linear.bias.data

    def forward(self, prepared):
        inner = self.depthwise_bn(self.depthwise(self.stem_prelu(self.stem_bn(self.stem(prepared)))))
        features = self.pointwise_prelu(self.pointwise_bn(self.pointwise(inner)))
        return self.embedding_bn(self.embedding(features).flatten(1))


def test_a_convolution_over_the_whole_map_is_a_linear_layer(tiny, faces):
    scores = prefiqs.score(faces, "ser-fiq", EndsWithConvolution(), passes=7)
    np.testing.assert_allclose(scores, by_hand(tiny, faces, 7, 0.5, 0), atol=1e-5)


class WithSpareLayers(FaceModel):
    """Its last layer has no part in the embedding, or makes a map of it."""

    def __init__(self, last: nn.Module):
        super().__init__("spare", RGB, 4)
        self.linear, self.last = nn.Linear(3, 4), last
        self.eval()

    def forward(self, prepared):
        return self.linear(prepared.mean((2, 3)))


class MeanOfMap(WithSpareLayers):
    def forward(self, prepared):
        return self.last(prepared).mean((2, 3))


def test_networks_without_a_linear_embedding_layer(faces):
    convolution = nn.Conv2d(3, 4, 1)
    for network in (WithSpareLayers(nn.Linear(4, 1)), WithSpareLayers(convolution), MeanOfMap(convolution)):
        with pytest.raises(InputError, match="makes the embedding from a vector of features, but last of spare does"):
            prefiqs.score(faces, "ser-fiq", network)
