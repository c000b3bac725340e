"""Masks on disk: what is read back prunes to the identical network; what is no such file is refused."""

import copy

import numpy as np
import pytest
from small_networks import HandNet, TinyNet, assert_same_state, weights_of

from prefiqs.errors import InputError
from prefiqs.pruning.mask import embedding_layer, load_mask, save_mask
from prefiqs.pruning.prune import apply_mask, select_mask
from prefiqs.pruning.spec import CRITERIA, GRANULARITIES, PruningSpec

SPECS = [
    PruningSpec(ratio, granularity, criterion, seed=3)
    for ratio in (0.1, 0.45)
    for granularity in GRANULARITIES
    for criterion in CRITERIA
] + [PruningSpec(0.5, layers=("stem", "embedding"))]


def saved(model, spec: PruningSpec, folder):
    path = folder / "new" / f"{spec.key}.safetensors"
    mask = select_mask(model, spec)
    save_mask(mask, path)
    return mask, path


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.key}-{spec.layers}")
def test_a_saved_removal_replays_to_the_identical_network(tiny, tmp_path, spec):
    mask, path = saved(tiny, spec, tmp_path)
    loaded = load_mask(path)
    assert loaded.spec == spec
    assert loaded.sparsity == mask.sparsity
    assert loaded.steps == mask.steps
    expected, replayed = apply_mask(tiny, mask), apply_mask(copy.deepcopy(tiny), loaded)
    assert_same_state(replayed.state_dict(), expected.state_dict())
    assert replayed.sparsity == expected.sparsity > 0
    assert len(list(path.parent.iterdir())) == 1  # no temporary file stays


def test_the_real_network_replays_from_a_small_file(sface, tmp_path):
    spec = PruningSpec(0.4, "structured")
    mask, path = saved(sface, spec, tmp_path)
    replayed = apply_mask(sface, load_mask(path))
    assert replayed.embedding.weight.shape[0] == 128
    counts = [
        sum(m.weight.numel() for m in net.modules() if m._get_name() in ("Conv2d", "Linear"))
        for net in (sface, replayed)
    ]
    assert replayed.sparsity == mask.sparsity == pytest.approx(1 - counts[1] / counts[0], abs=1e-12)
    assert path.stat().st_size < 200_000  # the network itself takes 38.7 MB


@pytest.mark.parametrize("criterion", CRITERIA)
def test_an_unstructured_file_takes_one_bit_a_weight(tiny, tmp_path, criterion):
    _, path = saved(tiny, PruningSpec(0.4, "unstructured", criterion), tmp_path)
    assert path.stat().st_size <= len(weights_of(tiny)) / 8 + 400  # and a header


def test_the_mask_is_packed_bits_in_module_order(tiny, tmp_path):
    _, path = saved(tiny, PruningSpec(0.3), tmp_path)
    mask = np.unpackbits(load_mask(path).arrays["mask"], count=len(weights_of(tiny)))
    pruned = apply_mask(tiny, load_mask(path))
    np.testing.assert_array_equal(mask == 1, weights_of(pruned) == 0)


def test_files_that_are_no_removals(tiny, tmp_path):
    _, whole = saved(tiny, PruningSpec(0.3), tmp_path)
    cut, text, foreign = tmp_path / "cut", tmp_path / "text", tmp_path / "foreign"
    cut.write_bytes(whole.read_bytes()[:-20])
    text.write_text("no mask")
    foreign.write_bytes(whole.read_bytes().replace(b'"mask"', b'"another"'))
    for path in (cut, text, foreign, tmp_path / "missing", tmp_path):
        with pytest.raises(InputError, match=f"{path} is not a pruning mask, or is damaged .* run `dvc repro prune`"):
            load_mask(path)


def test_a_removal_of_another_network():
    mask = select_mask(TinyNet(), PruningSpec(0.5))
    with pytest.raises(InputError, match="made for another network: it has about 2672 weights, this one 3"):
        apply_mask(HandNet([[1.0, 2.0, 3.0]]), mask)


def test_the_embedding_layer_is_the_last_with_weights(tiny, sface):
    assert embedding_layer(tiny) == embedding_layer(sface) == "embedding"
    assert embedding_layer(HandNet([[1.0, 2.0, 3.0]])) == "linear"
