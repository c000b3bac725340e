"""ViTNT-FIQA against the same formula in loops over faces, blocks and patches, in float64."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from slow_transformer import arrays, layer_norm, slow_blocks
from small_networks import Snapshot, TinyNet, small_vit, small_vit_fiqa, synthetic_faces

import prefiqs
from prefiqs.embedding import embedder as extract
from prefiqs.embedding.engines import torch_engine
from prefiqs.errors import InputError
from prefiqs.methods.vitnt_fiqa import vitnt_depths
from prefiqs.models.vit import Block

NETWORKS = {"vit": small_vit, "with quality token": small_vit_fiqa, "without": lambda: small_vit_fiqa(False)}
FACES = synthetic_faces(4, seed=11)


@cache
def block_outputs(name: str) -> list:
    return [slow_blocks(NETWORKS[name](), face) for face in FACES]


def slow_scores(name: str, numbers, alpha: float = 8.0, attention: str | None = None) -> np.ndarray:
    """Blocks by their numbers, in order; `numbers[-1]` is the last."""
    model = NETWORKS[name]()
    leading = name == "with quality token"
    scores = []
    for outputs in block_outputs(name):
        normed = [layer_norm(arrays(model), "norm", outputs[number - 1][0])[leading:] for number in numbers]
        qualities = []
        for patch in range(64):
            directions = [tokens[patch] / math.sqrt((tokens[patch] ** 2).sum()) for tokens in normed]
            steps = [math.dist(after, before) for before, after in zip(directions, directions[1:], strict=False)]
            qualities.append(2 / (1 + math.exp(alpha * sum(steps) / len(steps))))
        weights = np.zeros(64)
        for number in {None: [], "last": numbers[-1:], "mean": numbers}[attention]:
            received = np.zeros(64)
            for query_row in outputs[number - 1][1].mean(0):  # of every token, a leading one too
                received += query_row[leading:]
            weights += received / received.sum()
        weights = np.full(64, 1 / 64) if attention is None else weights / weights.sum()
        scores.append(float(weights @ qualities))
    return np.array(scores)


@pytest.mark.parametrize("attention", [None, "last", "mean"])
@pytest.mark.parametrize("name", NETWORKS)
def test_equals_the_formula_in_loops(name, attention):
    for alpha in (1.0, 8.0):
        scores = prefiqs.score(FACES, "vitnt-fiqa", NETWORKS[name](), attention=attention, alpha=alpha)
        np.testing.assert_allclose(scores, slow_scores(name, [1, 2, 3, 4], alpha, attention), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_all_depths_and_attentions_in_one_pass(name):
    depths = vitnt_depths(NETWORKS[name](), FACES, alpha=2)
    assert depths.keys() == {None, "last", "mean"}
    for attention, found in depths.items():
        expected = [slow_scores(name, range(1, depth + 1), 2, attention) for depth in (2, 3, 4)]
        np.testing.assert_allclose(found, np.transpose(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize("attention", [None, "last", "mean"])
@pytest.mark.parametrize(
    ("blocks", "numbers"),
    [(2, [1, 2]), (np.int64(3), [1, 2, 3]), ([2, 4], [2, 4]), ((4, 1, 3), [1, 3, 4]), (range(2, 5), [2, 3, 4])],
)
def test_selected_blocks(blocks, numbers, attention):
    """All blocks run up to the last selected one; distances are taken between those that are selected."""
    options = dict(blocks=blocks, alpha=1, attention=attention)
    scores = prefiqs.score(FACES, "vitnt-fiqa", small_vit_fiqa(), **options)
    expected = slow_scores("with quality token", numbers, 1, attention)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)
    assert np.abs(scores - slow_scores("with quality token", [1, 2, 3, 4], 1, attention)).max() > 1e-3


def test_by_default_all_blocks_count_alike_with_the_published_alpha():
    options = dict(blocks=4, alpha=8.0, attention=None)
    expected = prefiqs.score(FACES, "vitnt-fiqa", small_vit(), **options)
    np.testing.assert_array_equal(prefiqs.score(FACES, "vitnt-fiqa", small_vit()), expected)


@pytest.mark.parametrize("attention", [None, "last", "mean"])
def test_later_blocks_are_not_run_and_attention_is_held_only_where_it_weighs(monkeypatch, attention):
    calls = []
    model = small_vit()
    number = {block: i for i, block in enumerate(model.blocks, start=1)}
    for name in ("forward", "with_attention"):
        original = getattr(Block, name)

        def counted(self, tokens, name=name, original=original):
            calls.append((number[self], name))
            return original(self, tokens)

        monkeypatch.setattr(Block, name, counted)
    prefiqs.score(FACES, "vitnt-fiqa", model, blocks=[1, 3], attention=attention)
    weighing = {None: set(), "last": {3}, "mean": {1, 3}}[attention]
    assert calls == [(i, "with_attention" if i in weighing else "forward") for i in (1, 2, 3)]


@pytest.mark.parametrize("attention", [pytest.param(None, marks=pytest.mark.long), "mean"])
def test_neither_company_nor_batch_size_matters(attention):
    faces = synthetic_faces(9, seed=12)
    model = small_vit_fiqa()
    before = Snapshot(model)

    def scored(images, **options):
        return prefiqs.score(images, "vitnt-fiqa", model, alpha=1, attention=attention, **options)

    expected = scored(faces)
    for batch_size in (1, 4, 16):
        np.testing.assert_allclose(scored(faces, batch_size=batch_size), expected, atol=1e-6)
    np.testing.assert_allclose(scored(faces[::-1]), expected[::-1], atol=1e-6)
    np.testing.assert_allclose(scored(faces[[3, 3, 0]]), expected[[3, 3, 0]], atol=1e-6)
    before.assert_unchanged()


def test_a_network_that_moves_no_patch_gives_one():
    """Blocks whose last layers are zero pass their tokens on; the quality of a patch that stays is 2/(1 + 1)."""
    model = small_vit()
    with torch.no_grad():
        for block in model.blocks:
            for layer in (block.attn.proj, block.mlp.fc2):
                layer.weight.zero_()
                layer.bias.zero_()
    for attention in (None, "last", "mean"):
        scores = prefiqs.score(FACES, "vitnt-fiqa", model, attention=attention)
        np.testing.assert_allclose(scores, 1, atol=1e-5)


def test_a_steep_alpha_does_not_overflow():
    scores = prefiqs.score(FACES, "vitnt-fiqa", small_vit(), alpha=1e6)
    np.testing.assert_array_equal(scores, 0)


@pytest.mark.parametrize("attention", [None, "last", "mean"])
def test_the_engine_of_the_gpu_gives_the_same(monkeypatch, attention):
    """That is PyTorch, here on the CPU."""
    monkeypatch.setattr(extract, "model_engines", lambda models, *_: [torch_engine(model) for model in models])
    scores = prefiqs.score(FACES, "vitnt-fiqa", small_vit_fiqa(), alpha=1, attention=attention)
    expected = slow_scores("with quality token", [1, 2, 3, 4], 1, attention)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("blocks", [0, 1, 5, [1, 5], [0, 1], [2], [], [1, 1], [1.0, 2.0], [1, None]])
def test_blocks_that_do_not_exist_or_are_too_few(blocks):
    with pytest.raises(InputError, match="two or more different numbers from 1 to 4, .* not .*. Leave it out"):
        prefiqs.score(FACES, "vitnt-fiqa", small_vit(), blocks=blocks)


@pytest.mark.parametrize("alpha", [0, -1, math.nan, math.inf])
def test_an_alpha_that_makes_no_sense(alpha):
    with pytest.raises(InputError, match=f"alpha must be a number above 0, not {alpha}; the published value is 8"):
        prefiqs.score(FACES, "vitnt-fiqa", small_vit(), alpha=alpha)


def test_an_unknown_attention():
    with pytest.raises(InputError, match="attention of vitnt-fiqa must be 'last' or 'mean' or None, not 'cls'"):
        prefiqs.score(FACES, "vitnt-fiqa", small_vit(), attention="cls")


def test_a_network_without_patches():
    with pytest.raises(InputError, match=r"which tiny-0 \(TinyNet\) is not. Load one"):
        prefiqs.score(FACES, "vitnt-fiqa", TinyNet())


def test_a_network_in_training_mode():
    with pytest.raises(InputError, match="is in training mode; call .eval()"):
        prefiqs.score(FACES, "vitnt-fiqa", small_vit().train())
