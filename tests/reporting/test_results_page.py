"""What the page of all results says of the candidates, on areas that are written down."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from shutil import copy, copytree

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
NORM, MARGIN = "norm ‖e‖", "pruning-margin ‖e‖·κ²"
SCORES = [("one pass", NORM, 1.0), ("one pass", MARGIN, 1.01), ("two passes", "PreFIQs, ρ = 0.4", 2.0),
          ("two passes", "PreFIQs, ρ = 0.2", 2.0), ("compared, supervised", "SER-FIQ", np.nan)]  # fmt: skip
# pAUC by data set and estimator, in the order of the scores; both verifiers have the same, the second twice as much.
AREAS = {
    ("wild", "lfw", "sface"): [1.0, 0.9, 1.5, 1.2],
    ("wild", "lfw", "mobilefacenet-y1"): [2.0, 1.6, 2.0, 2.0],
    ("wild", "lfw", "mobilefacenet-512"): [1.0, 0.1, 0.1, 9.0],  # must not choose
    ("wild", "cfp-fp", "sface"): [1.0, 1.0, 1.0, 1.1],
    ("default", "orl-xq", "sface"): [1.0, 0.8, 2.0, 3.0],
    ("wild", "cfp-ff", "sface"): [2.0, 1.0, 2.0, 2.0],
}


@pytest.fixture
def page(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("readme_results", ROOT / "docs" / "readme_results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    for (run, benchmark, estimator), areas in AREAS.items():
        rows = []
        for (group, key, passes), pauc in zip(SCORES, [*areas, 0.01], strict=True):
            for times, verifier in ((1, "v"), (2, "w")):
                low, high = {NORM: (np.nan, np.nan), MARGIN: (-2, -1 + 2 * (times == 2))}.get(key, (1, 2))
                rows.append((key, group, passes, verifier, times * pauc, low, high, low, high))
        ends = [f"from {rival}{end}" for rival in ("the norm", "PreFIQs") for end in ("_low", "_high")]
        table = pd.DataFrame(rows, columns=["key", "group", "passes", "verifier", "pauc", *ends])
        table["method"] = table["key"].map({NORM: "norm", MARGIN: "pruning-margin"}).fillna("prefiqs")
        for rival in ("the norm", "PreFIQs"):
            table[f"from {rival}"] = table[f"from {rival}_low"]
        folder = tmp_path / "reports" / run / "candidates" / benchmark / estimator
        folder.mkdir(parents=True)
        table.to_csv(folder / "areas.csv", index=False)
    return module


@pytest.mark.long
def test_the_published_pages_hold_the_numbers_of_the_published_runs(tmp_path):
    """`make readme` would change nothing."""
    for folder in ("docs", "reports"):
        copytree(ROOT / folder, tmp_path / folder)
    copy(ROOT / "README.md", tmp_path)
    subprocess.run([sys.executable, tmp_path / "docs" / "readme_results.py"], check=True)
    for page in sorted(tmp_path.rglob("*.md")):
        name = page.relative_to(tmp_path)
        assert page.read_text(encoding="utf-8") == (ROOT / name).read_text(encoding="utf-8"), name


def test_scores_are_chosen_on_some_data_and_judged_on_others(page):
    lines = page.candidates().splitlines()
    assert lines[0].endswith(f"one pass: {MARGIN}; two passes: PreFIQs, ρ = 0.2.")
    rows = {cells[0]: cells for cells in ([c.strip() for c in line.strip("|").split("|")] for line in lines[4:])}
    # Over that of the norm: 0.9, 0.8 and 1.0 choose; 0.1 and 0.8 are other data.
    assert rows[f"**{MARGIN}**"] == [
        *(f"**{MARGIN}**", "1.01", "0.900", "0.800", "0.500", "0.100"), *["2 of 4, worse 0"] * 2
    ]  # fmt: skip
    assert rows["PreFIQs, ρ = 0.4"][1:] == ["2.00", "1.167", "2.000", "1.000", "0.100", *["0 of 4, worse 4"] * 2]
    assert rows[NORM][2:] == ["1.000", "1.000", "1.000", "1.000", "–", "–"]


def test_the_figure_has_a_panel_for_each_data_set_and_network(page, tmp_path):
    page.price()
    assert (tmp_path / "reports" / "price.png").stat().st_size > 10_000


@pytest.fixture
def margins(page, tmp_path):
    """The margin and the norm by two verifiers, one of which is the estimator."""
    for benchmark, (run, interval) in {
        "lfw-all": ("wild", (-3, -1)), "cfp-fp-all": ("wild", (-3, 1)),
        "orl-xq": ("default", (1, 2)), "cfp-ff": ("wild", (-2, -1)),
    }.items():  # fmt: skip
        rows = [
            (verifier, method, pauc, *interval, 0.001, "recomputed")
            for verifier, paucs in (("sface", (2.0, 1.8)), ("other", (4.0, 2.0)))
            for method, pauc in zip(("norm", "pruning-margin"), paucs, strict=True)
        ]
        columns = ["verifier", "method", "pauc", "from_norm_low", "from_norm_high", "fmr", "threshold"]
        folder = tmp_path / "reports" / run / "edc" / benchmark / "sface"
        folder.mkdir(parents=True)
        pd.DataFrame(rows, columns=columns).to_csv(folder / "areas.csv", index=False)
    return page


def test_data_that_chose_the_margin_are_told_from_others(margins, tmp_path):
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in margins.margin().splitlines()[2:]]
    assert rows == [
        ["lfw-all", "yes", "sface", "0.900", "0.500", "2", "0", "2"],
        ["cfp-fp-all", "yes", "sface", "0.900", "0.500", "0", "0", "2"],
        ["orl-xq", "no", "sface", "0.900", "0.500", "0", "2", "2"],
        ["cfp-ff", "no", "sface", "0.900", "0.500", "2", "0", "2"],
    ]
    for run, verdicts in (("default", ["yes", "no"]), ("wild", ["yes", "undecided"])):
        (tmp_path / "reports" / run / "manifest.json").write_text("{}")
        claims = pd.DataFrame({"claim": ["criterion"] * 2 + ["norm"], "verdict": [*verdicts, "no"]})
        claims.to_csv(tmp_path / "reports" / run / "claims.csv", index=False)
    text = margins.summary()
    text = " ".join(text.split())
    assert "in 2 of 4 cases (1 undecided, 1 no)." in text
    assert "0.700 on other data (orl-xq, cfp-ff), with 2 of 4 intervals below 0" in text
    assert "0.700 on data that chose it (§), with 2 of 4 intervals below 0" in text


@pytest.fixture
def run(page, tmp_path):
    """The page, with one published run: PreFIQs at three ratios on two verifiers, and the numbers of its stages."""
    folder = tmp_path / "reports" / "default"
    item = folder / "edc" / "orl-xq" / "sface"
    item.mkdir(parents=True)
    paucs = {0.2: (4.0, 9.0), 0.4: (5.0, 12.0), 0.6: (8.0, 21.0)}  # norm: 4.5 and 11; best random orders: 8 and 20
    areas = pd.DataFrame(
        [(ratio, v, p, p - n, p - n - 0.6) for ratio, of in paucs.items()
         for v, p, n in zip(("v", "w"), of, (4.5, 11.0), strict=True)],
        columns=["ratio", "verifier", "pauc", "from_norm", "from_norm_low"],
    )  # fmt: skip
    here = dict(method="prefiqs", granularity="unstructured", criterion="l1", fmr=0.001, threshold="recomputed")
    areas.assign(**here).to_csv(item / "areas.csv", index=False)
    (item / "intervals.png").touch()
    numbers = {
        "pauc_best": {"v": 4.0, "w": 9.0},
        "pauc_random_min": {"v": 8.0, "w": 20.0},
        "difference_to_random": {"v": [-4, -5, -3], "w": [-11, -20, 1]},
        "difference_to_norm": {"v": [-0.5, -1, 0.1], "w": [0.4, 0.1, 0.9]},
        "to_structured": {"0.2": [-1, -2, 0.5], "mean": [-1, -2, -0.5]},
        "to_random_pruning": {},
    }
    (folder / "numbers.json").write_text(json.dumps({"edc-orl-xq-sface": numbers}))
    made = {"processor": "a chip", "cores": 2, "gpu": None, "date": "2026-11-30", "commit": "0123abc", "seconds": 600}
    made["versions"] = {"python": "3.11", "torch": "2", "openvino": "3"}
    (folder / "manifest.json").write_text(json.dumps(made))
    claims = pd.DataFrame({"claim": ["jacobian"], "benchmark": ["orl-xq"], "estimator": ["sface"]})
    claims.assign(text="They rank alike", verdict="no", evidence="Spearman 0.5").to_csv(folder / "claims.csv")
    return page


def test_each_question_has_sentences_from_the_numbers_and_a_figure(run):
    assert run.run_by_run().split("\n\n") == [
        "### orl-xq, quality from sface (run [default](default/README.md))",
        "**Is PreFIQs better than random order, and than the norm?** At its best ratio, PreFIQs is better than random "
        "order with 1 of 2 verifiers. At ρ = 0.4, the norm is better with 2 (1 intervals exclude 0). At the best "
        "ratio, the norm is better with 1, and the comparison is undecided with 1.",
        "![Is PreFIQs better than random order, and than the norm? orl-xq, quality from sface]"
        "(default/edc/orl-xq/sface/intervals.png)",
        "**How should one prune?** The area is smallest at ρ = 0.2 (mean over the verifiers). From ρ = 0.6 on, PreFIQs "
        "is no better than the best random order, whatever the verifier. Unstructured beats structured at no ratio.",
        "**Is drift a derivative?** They rank alike: no. Spearman 0.5.",
    ]


def test_printed_numbers_that_can_be_compared_are_counted(run, tmp_path):
    folder = tmp_path / "reports" / "default" / "paper"
    folder.mkdir()
    cells = [("Table 1", 2, 2, ""), ("Table 1", 1, None, "not counted"), ("Table 3", 9.1, None, "no results on LFW"),
             ("Table 3", 9.2, None, "no results on LFW"), ("Table 5", 9.3, 9.4, "")]  # fmt: skip
    pd.DataFrame(cells, columns=["table", "printed", "ours", "why"]).to_csv(folder / "companion.csv", index=False)
    lines = run.comparability().splitlines()
    assert lines[0] == "Of the 3 areas and accuracies that the paper prints, 1 (run default) can be compared."
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[4:]]
    assert rows == [
        ["Table 1", "2", "1", "not counted"], ["Table 3", "2", "0", "no results on LFW"], ["Table 5", "1", "1", ""],
    ]  # fmt: skip


def test_what_was_run_comes_from_the_manifest(run):
    row = run.what_was_run().splitlines()[-1]
    assert "| 2026-11-30 | 0123abc" in row and "| a chip, 2 cores | python 3.11, torch 2, openvino 3 |" in row
    assert re.search(r"\|\s+10 \|", row)
