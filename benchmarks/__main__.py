"""Measure the figures and write them to reports/benchmarks: `python -m benchmarks [embedding quality …]`.

Each group runs in a process of its own, so that its memory is its own. Leave the machine alone meanwhile.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from prefiqs.reporting.tables import Table

GROUPS = (
    "embedding", "imported", "quality", "latency", "photos", "lost", "detection", "pruning", "curves", "evaluate",
    "scaling",
)  # fmt: skip
FOLDER = Path("reports/benchmarks")


def main(groups: list[str]) -> None:
    """Run groups that are named, or all; the others keep what was measured last."""
    for group in groups or GROUPS:
        code = f"from benchmarks.__main__ import measure; measure({group!r})"
        subprocess.run([sys.executable, "-c", code], check=True)
    write_page()


def measure(group: str) -> None:
    """Write the figures of one group as JSON, as they come."""
    figures = []
    for figure in importlib.import_module(f"benchmarks.{group}").run():
        print(f"{figure.work}: {figure.value:.3g} × {figure.against} (wanted {figure.wanted or '–'})", flush=True)
        figures.append(asdict(figure) | {"met": figure.met})
        FOLDER.mkdir(parents=True, exist_ok=True)
        record = {"cores": os.cpu_count(), "figures": figures}
        (FOLDER / f"{group}.json").write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")


def write_page() -> None:
    """One table of all groups, and one of the latencies, which are absolute."""
    records = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
    table = pd.DataFrame([figure for record in records.values() for figure in record["figures"]])
    table["met"] = table["met"].map({True: "yes", False: "no"}).fillna("–")
    table = table[["work", "against", "value", "low", "high", "wanted", "met"]]
    table = table.rename(columns={"against": "reference", "wanted": "target"})
    caption = (
        "Speed relative to the reference if the target is a minimum (≥), otherwise time or memory relative to it, "
        "unless the line names another quantity"
    )
    cores = {record["cores"] for record in records.values()}
    notes = (
        f"Median, lowest and highest value over the turns; {', '.join(map(str, cores))} CPU cores. The JSON files in "
        "this folder have the details."
    )
    Table(table, caption, digits=2, notes=notes).write(FOLDER / "benchmarks")
    figures = records["latency"]["figures"]
    calls = pd.DataFrame(
        [{"method and network": figure["work"].removesuffix(", one face")} | figure["details"] for figure in figures]
    )
    caption = "One face at a time: a warm call, the preparation of the scorer, and its first call"
    Table(
        calls,
        caption,
        digits={"ms per call": 0, "s to prepare": 1, "s first call": 1},
        notes=f"{records['latency']['cores']} CPU cores.",
    ).write(FOLDER / "latency")


if __name__ == "__main__":
    main(sys.argv[1:])
