"""The measurements of `python -m benchmarks` are too slow for a test, but what they import must exist."""

import importlib
import json
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_group_can_be_run(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    groups = importlib.import_module("benchmarks.__main__").GROUPS
    assert groups and all(callable(importlib.import_module(f"benchmarks.{group}").run) for group in groups)


def test_every_missed_target_is_explained():
    records = (json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "reports/benchmarks").glob("*.json"))
    missed = {figure["work"] for record in records for figure in record["figures"] if figure["met"] is False}
    page = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    flowing = " ".join(page.split())
    assert not [work for work in missed if f"**{work}**" not in flowing]
