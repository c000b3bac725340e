"""params.yaml is checked before anything runs, and an error names the key."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
import yaml

from prefiqs.errors import ConfigError
from prefiqs.pipeline.params import load_params

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture
def edited(tmp_path):
    """Write params.yaml with one value changed; gives the path."""

    def edit(block, key, value):
        content = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
        content[block][key] = value
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    return edit


def test_the_committed_file_is_the_default_run():
    params = load_params(PARAMS)
    assert params.prune.ratios == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert params.degrade.copies * 400 >= 2000 and params.align.people is None
    assert params.degrade.impostors >= 200_000
    assert params.edc.random_orders == 20


def test_params_cannot_be_changed_by_a_stage():
    with pytest.raises(FrozenInstanceError):
        load_params(PARAMS).align.people = 3


@pytest.mark.parametrize(
    ("block", "key", "value"),
    [
        ("prune", "ratios", [0.1, 1.0]),
        ("prune", "ratios", []),
        ("prune", "criteria", ["l3"]),
        ("edc", "threshold", "floating"),
        ("edc", "fmr", [0]),
        ("align", "people", 1),
        ("folds", "count", 1),
        ("degrade", "copeis", 3),
        ("embed", "batch_size", 0),
    ],
)
def test_a_wrong_value_is_refused_by_name(edited, block, key, value):
    with pytest.raises(ConfigError, match=rf"`{block}\.{key}"):
        load_params(edited(block, key, value))


def test_degraded_faces_are_flipped_with_their_source(edited):
    with pytest.raises(ConfigError, match="Expected blocks of .* orl-xq in `verification.flip_test` needs orl there"):
        load_params(edited("verification", "flip_test", ["orl-xq"]))
    load_params(edited("verification", "flip_test", ["orl-xq", "orl"]))


def test_a_missing_file_says_where_to_run(tmp_path):
    with pytest.raises(ConfigError, match="root of the compendium"):
        load_params(tmp_path / "params.yaml")


def test_no_yaml_at_all_is_one_sentence(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("prune: [", encoding="utf-8")
    with pytest.raises(ConfigError, match="Expected YAML"):
        load_params(path)
    path.write_text("prune:\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="Expected"):
        load_params(path)
