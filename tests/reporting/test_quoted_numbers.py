"""Numbers that the documents quote are those of the tables that stages wrote."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_what_one_face_costs():
    figures = json.loads((ROOT / "reports" / "benchmarks" / "latency.json").read_text(encoding="utf-8"))["figures"]
    (times,) = (figure["value"] for figure in figures if figure["work"] == "pruning-margin, sface, one face")
    document = (ROOT / "docs" / "reference" / "methods.md").read_text(encoding="utf-8")
    assert f"took {100 * (times - 1):.0f} % longer on one face" in " ".join(document.split())


def test_what_scaling_was_measured():
    figures = json.loads((ROOT / "reports" / "benchmarks" / "scaling.json").read_text(encoding="utf-8"))["figures"]
    document = (ROOT / "docs" / "how-to" / "scale.md").read_text(encoding="utf-8")
    for figure in figures:
        details = figure["details"]
        if size := re.search(r"sface, ([\d,]+) aligned faces", figure["work"]):
            row = f"| {size[1]} | {details['seconds against']} | {details['seconds']} | {figure['value']:.2f} |"
        else:
            work, ms = figure["work"].removesuffix(", one core"), details["ms an image"]
            row = f"| {work} | {ms:.3g} | {42e6 * ms / 86.4e6:.{1 if ms > 1 else 2}f} |"
        assert row in document
    assert len(figures) == 6
