"""Numbers that the documents quote are those of the tables that stages wrote."""

import json
import re
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]


def test_what_one_face_costs():
    figures = json.loads((ROOT / "reports" / "benchmarks" / "latency.json").read_text(encoding="utf-8"))["figures"]
    (times,) = (figure["value"] for figure in figures if figure["work"] == "pruning-margin, sface, one face")
    document = (ROOT / "docs" / "reference" / "methods.md").read_text(encoding="utf-8")
    assert f"took {100 * (times - 1):.0f} % longer on one face" in " ".join(document.split())


def test_what_performance_was_measured():
    folder, document = ROOT / "reports" / "benchmarks", (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    measured = {group: json.loads((folder / f"{group}.json").read_text(encoding="utf-8"))["figures"]
                for group in ("photos", "evaluate", "detection")}  # fmt: skip
    of_photos = measured["photos"][0]
    ratios = (
        f"{of_photos['value']:.3f} times as long ({of_photos['low']:.2f} to {of_photos['high']:.2f} over the turns)"
    )
    assert ratios in document
    memory = [f"{figure['details']['peak memory of the process, GB']:.1f}" for figure in measured["evaluate"]]
    assert re.findall(r"([\d.]+) GB with (?:one verifier|the default|that)", document) == memory
    searched = [re.search(r"([\d,]+) photos", figure["work"]) for figure in measured["detection"]]
    assert all(match[1] in document for match in searched if match) and any(searched)


def test_how_many_pairs_are_tied():
    document = (ROOT / "docs" / "determinism.md").read_text(encoding="utf-8")
    for run, benchmark in (("default", "orl-xq"), ("wild", "lfw-all")):
        numbers = json.loads((ROOT / "reports" / run / "numbers.json").read_text(encoding="utf-8"))
        ties = numbers[f"edc-{benchmark}-sface"]["ties"]
        assert re.search(rf"{100 * ties:.3f} % of those of\s`{benchmark}`", document)


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


def test_how_grafiqs_does_on_lfw():
    document = " ".join((ROOT / "docs" / "limits.md").read_text(encoding="utf-8").split())
    assert "about that of a random order with `sface`, and two thirds of it with `mobilefacenet-y1`" in document
    for model, quoted in (("sface", 1), ("mobilefacenet-y1", 2 / 3)):
        areas = pd.read_csv(ROOT / "reports" / "wild" / "edc" / "lfw-all" / model / "areas.csv")
        areas = areas.query("method == 'grafiqs' and network == @model and fmr == 0.001 and threshold == 'recomputed'")
        assert len(areas) == 4 and abs((areas["pauc"] / areas["random"]).mean() - quoted) < 0.07
