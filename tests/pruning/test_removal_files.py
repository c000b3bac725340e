"""Removals on disk: what is read back prunes to the identical network; what is no such file is refused."""

import copy

import numpy as np
import pytest
from small_networks import HandNet, TinyNet, assert_same_state, weights_of

from prefiqs import pruning
from prefiqs.core.errors import InputError
from prefiqs.core.recipe import CRITERIA, GRANULARITIES, Recipe

RECIPES = [
    Recipe(ratio, granularity, criterion, seed=3)
    for ratio in (0.1, 0.45)
    for granularity in GRANULARITIES
    for criterion in CRITERIA
] + [Recipe(0.5, layers=("stem", "embedding"))]


def saved(model, recipe: Recipe, folder):
    path = folder / "new" / f"{recipe.variant}.safetensors"
    removal = pruning.choose(model, recipe)
    pruning.save_removal(removal, path)
    return removal, path


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: f"{recipe.variant}-{recipe.layers}")
def test_a_saved_removal_replays_to_the_identical_network(tiny, tmp_path, recipe):
    removal, path = saved(tiny, recipe, tmp_path)
    loaded = pruning.load_removal(path)
    assert loaded.recipe == recipe
    assert loaded.sparsity == removal.sparsity
    assert loaded.steps == removal.steps
    expected, replayed = pruning.apply(tiny, removal), pruning.apply(copy.deepcopy(tiny), loaded)
    assert_same_state(replayed.state_dict(), expected.state_dict())
    assert replayed.sparsity == expected.sparsity > 0
    assert len(list(path.parent.iterdir())) == 1  # no temporary file stays


def test_the_real_network_replays_from_a_small_file(sface, tmp_path):
    recipe = Recipe(0.4, "structured")
    removal, path = saved(sface, recipe, tmp_path)
    replayed = pruning.apply(sface, pruning.load_removal(path))
    assert replayed.embedding.weight.shape[0] == 128
    counts = [
        sum(m.weight.numel() for m in net.modules() if m._get_name() in ("Conv2d", "Linear"))
        for net in (sface, replayed)
    ]
    assert replayed.sparsity == removal.sparsity == pytest.approx(1 - counts[1] / counts[0], abs=1e-12)
    assert path.stat().st_size < 200_000  # the network itself takes 38.7 MB


@pytest.mark.parametrize("criterion", CRITERIA)
def test_an_unstructured_file_takes_one_bit_a_weight(tiny, tmp_path, criterion):
    _, path = saved(tiny, Recipe(0.4, "unstructured", criterion), tmp_path)
    assert path.stat().st_size <= len(weights_of(tiny)) / 8 + 400  # and a header


def test_the_mask_is_packed_bits_in_module_order(tiny, tmp_path):
    _, path = saved(tiny, Recipe(0.3), tmp_path)
    mask = np.unpackbits(pruning.load_removal(path).arrays["mask"], count=len(weights_of(tiny)))
    pruned = pruning.apply(tiny, pruning.load_removal(path))
    np.testing.assert_array_equal(mask == 1, weights_of(pruned) == 0)


def test_files_that_are_no_removals(tiny, tmp_path):
    _, whole = saved(tiny, Recipe(0.3), tmp_path)
    cut, text, foreign = tmp_path / "cut", tmp_path / "text", tmp_path / "foreign"
    cut.write_bytes(whole.read_bytes()[:-20])
    text.write_text("no removal")
    foreign.write_bytes(whole.read_bytes().replace(b'"removal"', b'"another"'))
    for path in (cut, text, foreign, tmp_path / "missing", tmp_path):
        with pytest.raises(
            InputError, match=f"Expected a pruning file in {path}, got something else .*; run `dvc repro"
        ):
            pruning.load_removal(path)


def test_a_removal_of_another_network():
    removal = pruning.choose(TinyNet(), Recipe(0.5))
    with pytest.raises(InputError, match="Expected the removal of a network with 3 weights, got one for about 2672"):
        pruning.apply(HandNet([[1.0, 2.0, 3.0]]), removal)


def test_the_embedding_layer_is_the_last_with_weights(tiny, sface):
    assert pruning.embedding_layer(tiny) == pruning.embedding_layer(sface) == "embedding"
    assert pruning.embedding_layer(HandNet([[1.0, 2.0, 3.0]])) == "linear"


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        (Recipe(0.1), "unstructured-l1-0.1"),
        (Recipe(0.35, "structured", "random"), "structured-random-0.35"),
    ],
)
def test_names_of_variants(recipe, name):
    assert recipe.variant == name
