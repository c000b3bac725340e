"""The measurements of `python -m benchmarks` are too slow for a test, but they must not rot."""

import importlib
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[1] / "benchmarks").glob("[a-z]*.py")), ids=lambda p: p.stem
)
def test_each_module_can_be_imported(path, monkeypatch):
    monkeypatch.syspath_prepend(path.parents[1])
    importlib.import_module(f"benchmarks.{path.stem}")
