"""Keys and labels of specs: a key stands for one spec and is a file name everywhere."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefiqs.errors import InputError
from prefiqs.pruning.spec import CRITERIA, GRANULARITIES, PruningSpec

ratios = st.floats(0, 1, exclude_min=True, exclude_max=True)
seeds = st.integers(0, 2**32)
layers = st.just("all") | st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3)
specs = (
    st.builds(PruningSpec, ratios, st.sampled_from(GRANULARITIES), st.sampled_from(CRITERIA), seeds)
    | st.builds(PruningSpec, ratios, criterion=st.sampled_from(CRITERIA), seed=seeds, layers=layers)
    | st.builds(PruningSpec, ratios, seed=seeds, layers=layers, ranking=st.just("layerwise"))
)
# Some that differ in one value only, where a key that rounds or leaves something out would be the same.
near = st.builds(
    PruningSpec,
    st.sampled_from([0.4, 0.4000001, 0.40000000000000002, 0.1 + 0.3]),
    seed=st.sampled_from([0, 1, 11]),
    layers=st.sampled_from(["all", ("all",), ("fc",), ("fc", "stem"), ("fc, stem",)]),
    ranking=st.sampled_from(["global", "layerwise"]),
)


@given(specs | near, specs | near)
def test_different_specs_have_different_keys(a, b):
    assert (a.key == b.key) == (a == b)


@given(specs)
def test_a_key_is_a_file_name_on_every_system(spec):
    assert len(spec.key) < 120 and spec.key == spec.key.lower()  # some systems take upper for lower case
    assert set(spec.key) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")


@pytest.mark.parametrize(
    ("spec", "key", "label"),
    [
        (PruningSpec(0.1), "unstructured-l1-0.1", "unstructured L1, ρ = 0.1"),
        (PruningSpec(0.35, "structured", "random"), "structured-random-0.35", "structured random, ρ = 0.35"),
        (
            PruningSpec(1 / 3, criterion="random", seed=3),
            "unstructured-random-0.3333333333333333-seed3",
            "unstructured random, ρ = 0.3333333333333333, seed 3",
        ),
        (
            PruningSpec(0.4, ranking="layerwise"),
            "unstructured-l1-0.4-layerwise",
            "unstructured L1, ρ = 0.4, ranked within each layer",
        ),
        (
            PruningSpec(0.4, layers=["stem", "fc"]),
            # printf '["fc", "stem"]' | sha256sum
            "unstructured-l1-0.4-layers-77a08086b580",
            "unstructured L1, ρ = 0.4, layers fc, stem",
        ),
    ],
)
def test_keys_and_labels(spec, key, label):
    assert (spec.key, spec.label) == (key, label)


def test_the_order_of_the_layers_makes_no_difference():
    assert PruningSpec(0.4, layers=("b", "a", "b")) == PruningSpec(0.4, layers=["a", "b"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratio": "0,4"}, "The pruning ratio must be between 0 and 1 .* not '0,4'"),
        ({"seed": -1}, "The seed must be a whole number of at least 0, not -1"),
        ({"seed": 0.5}, "The seed must be a whole number"),
        ({"layers": ()}, "Name at least one layer"),
        ({"ranking": "local"}, "Unknown ranking 'local'; choose one of global, layerwise"),
    ],
)
def test_values_that_make_no_spec(options, message):
    with pytest.raises(InputError, match=message):
        PruningSpec(**{"ratio": 0.4} | options)


def test_specs_need_no_torch():
    code = "import sys, prefiqs.pruning.spec; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
