"""The measurements of `python -m benchmarks` are too slow for a test, but what they import must exist."""

import importlib
from pathlib import Path


def test_every_group_can_be_run(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    groups = importlib.import_module("benchmarks.__main__").GROUPS
    assert groups and all(callable(importlib.import_module(f"benchmarks.{group}").run) for group in groups)
