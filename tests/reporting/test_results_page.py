"""What the page of all results says of the candidates, on areas that are written down."""

import importlib.util
from pathlib import Path

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
    assert "in 2 of 4 combinations of benchmark and estimator; 1 are undecided, 1 say no." in text
    below = "the interval of the difference lies below 0 for 2 of 4 pairs"
    assert f"0.700 times the norm's on data that did not choose it (orl-xq, cfp-ff; {below}" in text
    assert f"0.700 times the norm's on data that chose it (lfw-all, cfp-fp-all; {below}" in text
