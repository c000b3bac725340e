"""The numbers that text quotes: rounded, sorted, plain."""

import json

import numpy as np
import pytest

from prefiqs.reporting.study import write_numbers


def test_numbers_are_rounded_sorted_and_plain(tmp_path):
    values = {"b": np.float32(1 / 3), "a": {"x": float("nan"), 0.4: np.int64(200_001)}, "c": [True, None, "t", np.inf]}
    write_numbers(values, tmp_path)
    text = (tmp_path / "numbers.json").read_text()
    assert json.loads(text) == {"a": {"0.4": 200001, "x": None}, "b": 0.333333, "c": [True, None, "t", None]}
    assert text.index('"a"') < text.index('"b"') < text.index('"c"')


def test_arrays_become_lists(tmp_path):
    write_numbers({"a": np.array([[1.0000004, 2e-7]]), "b": (1, 2)}, tmp_path)
    assert json.loads((tmp_path / "numbers.json").read_text()) == {"a": [[1.0, 2e-7]], "b": [1, 2]}


def test_what_json_does_not_know_is_refused(tmp_path):
    with pytest.raises(TypeError, match="set"):
        write_numbers({"a": {1, 2}}, tmp_path)
    assert not list(tmp_path.iterdir())
