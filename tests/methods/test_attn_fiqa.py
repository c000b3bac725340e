"""ATTN-FIQA against the same formula in loops over heads, queries and keys, in float64."""

import math
from functools import cache

import numpy as np
import pytest
from slow_transformer import arrays, first_tokens, layer_norm, slow_blocks
from small_networks import RGB, Snapshot, TinyNet, randomise, small_vit, small_vit_fiqa, synthetic_faces

import prefiqs
from prefiqs.embedding import embedder as extract
from prefiqs.embedding.engines import torch_engine
from prefiqs.errors import InputError
from prefiqs.methods.attn_fiqa import attention_by_block
from prefiqs.models.registry import MODELS
from prefiqs.models.vit import Block

NETWORKS = {"vit": small_vit, "with quality token": small_vit_fiqa, "without": lambda: small_vit_fiqa(False)}
FACES = synthetic_faces(4, seed=11)
DEPTH = 4


def slow_attention(model, face: np.ndarray, number: int) -> np.ndarray:
    """q·k/√d in a block for one face, heads×queries×keys, before any softmax."""
    weights, heads = arrays(model), model.blocks[0].attn.heads
    entering = [first_tokens(weights, face), *(tokens for tokens, _ in slow_blocks(model, face))]
    normed = layer_norm(weights, f"blocks.{number - 1}.norm1", entering[number - 1])
    query, key, _ = np.split(normed @ weights[f"blocks.{number - 1}.attn.qkv.weight"].T, 3, axis=1)
    size = query.shape[1] // heads
    attention = np.empty((heads, len(normed), len(normed)))
    for head, i, j in np.ndindex(attention.shape):
        own = slice(head * size, (head + 1) * size)
        attention[head, i, j] = query[i, own] @ key[j, own] / math.sqrt(size)
    return attention


@cache
def attention_of(name: str) -> list[list[np.ndarray]]:
    model = NETWORKS[name]()
    return [[slow_attention(model, face, number) for number in range(1, DEPTH + 1)] for face in FACES]


def slow_scores(name: str) -> np.ndarray:
    """n×blocks."""
    return np.array([[attention.mean() for attention in of_face] for of_face in attention_of(name)])


@pytest.mark.parametrize("name", NETWORKS)
def test_equals_the_formula_in_loops(name):
    model, expected = NETWORKS[name](), slow_scores(name)
    np.testing.assert_allclose(prefiqs.score(FACES, "attn-fiqa", model), expected[:, -1], rtol=0, atol=1e-5)
    for block in (1, np.int64(3), 4):
        found = prefiqs.score(FACES, "attn-fiqa", model, block=block)
        np.testing.assert_allclose(found, expected[:, block - 1], rtol=0, atol=1e-5)
    assert np.ptp(expected, axis=1).min() > 1e-3  # no block stands for another


@pytest.mark.long
def test_equals_the_formula_on_the_build_of_cvlface():
    model = randomise(MODELS["cvlface-vit-s"].network(name="cvlface-vit-s", input_spec=RGB), 0)
    expected = [slow_attention(model, face, 12).mean() for face in FACES[:2]]
    assert abs(expected[0] - expected[1]) > 1e-3
    np.testing.assert_allclose(prefiqs.score(FACES[:2], "attn-fiqa", model), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_all_blocks_and_their_maps_in_one_pass(name):
    scores, maps = attention_by_block(NETWORKS[name](), FACES)
    np.testing.assert_allclose(scores, slow_scores(name), rtol=0, atol=1e-5)
    assert (maps.shape, maps.dtype) == ((len(FACES), DEPTH, 8, 8), np.float32)
    leading = name == "with quality token"
    for face, number in np.ndindex(maps.shape[:2]):
        received = attention_of(name)[face][number].mean((0, 1))[leading:]
        np.testing.assert_allclose(maps[face, number].ravel(), received, rtol=0, atol=1e-5)


def test_later_blocks_are_not_run(monkeypatch):
    calls = []
    original = Block.forward
    monkeypatch.setattr(Block, "forward", lambda self, tokens: calls.append(self) or original(self, tokens))
    model = small_vit()
    prefiqs.score(FACES, "attn-fiqa", model, block=3)
    assert [list(model.blocks).index(block) for block in calls] == [0, 1]  # of the third, the queries and keys alone


def test_neither_company_nor_batch_size_matters():
    faces, model = synthetic_faces(9, seed=12), small_vit_fiqa()
    before, expected = Snapshot(model), prefiqs.score(faces, "attn-fiqa", model)
    for batch_size in (1, 4, 16):
        np.testing.assert_allclose(prefiqs.score(faces, "attn-fiqa", model, batch_size=batch_size), expected, atol=2e-6)
    before.assert_unchanged()


def test_the_engine_of_the_gpu_gives_the_same(monkeypatch):
    """That is PyTorch, here on the CPU."""
    monkeypatch.setattr(extract, "model_engines", lambda models, *_: [torch_engine(model) for model in models])
    found = prefiqs.score(FACES, "attn-fiqa", small_vit_fiqa())
    np.testing.assert_allclose(found, slow_scores("with quality token")[:, -1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("block", [0, -1, 5])
def test_blocks_that_do_not_exist(block):
    with pytest.raises(InputError, match=f"must be a number from 1 to 4 for small-vit-0, not {block}"):
        prefiqs.score(FACES, "attn-fiqa", small_vit(), block=block)


def test_a_network_without_patches():
    with pytest.raises(InputError, match=r"ATTN-FIQA needs a vision transformer .* which tiny-0 \(TinyNet\) is not"):
        prefiqs.score(FACES, "attn-fiqa", TinyNet())
