"""What the page of all results says of the candidates, on areas that are written down."""

import importlib.util
import json
import re
import subprocess
import sys
from itertools import product
from pathlib import Path
from shutil import copy, copytree

import numpy as np
import pandas as pd
import pytest

from prefiqs.methods.registry import METHODS
from prefiqs.pipeline.studies.candidate_formulas import chosen_on

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
    ("wild", "cfp-ff", "sface"): [2.0, 1.0, 2.0, 2.0],  # not reliable
}


@pytest.fixture
def page(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("readme_results", ROOT / "docs" / "readme_results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    for name in ("params.yaml", "presets"):
        (tmp_path / name).symlink_to(ROOT / name)
    for (run, benchmark, estimator), areas in AREAS.items():
        rows = []
        for (group, key, passes), pauc in zip(SCORES, [*areas, 0.01], strict=True):
            for times, verifier in ((1, "v"), (2, "w")):
                low, high = {NORM: (np.nan, np.nan), MARGIN: (-2, -1 + 2 * (times == 2))}.get(key, (1, 2))
                rows.append((key, group, passes, verifier, times * pauc, low, high, low, high))
        ends = [f"from {rival}{end}" for rival in ("the norm", "PreFIQs") for end in ("_low", "_high")]
        table = pd.DataFrame(rows, columns=["key", "group", "passes", "verifier", "pauc", *ends])
        table = table.assign(reliable=benchmark != "cfp-ff", trained_on=benchmark == "lfw")
        table["method"] = table["key"].map({NORM: "norm", MARGIN: "pruning-margin"}).fillna("prefiqs")
        for end in ("_low", "_high"):
            table[f"from pruning-margin{end}"] = table["pauc"] - table.groupby("verifier")["pauc"].transform("mean")
        for rival in ("the norm", "PreFIQs", "pruning-margin"):
            table[f"from {rival}"] = table[f"from {rival}_low"]
        folder = tmp_path / "reports" / run / "candidates" / benchmark / estimator
        folder.mkdir(parents=True)
        table.to_csv(folder / "areas.csv", index=False)
    folder = tmp_path / "reports" / "default" / "cost"
    folder.mkdir(parents=True)
    kinds = pd.DataFrame({"kind of score": ["one pass", "two passes"], "plain passes": [0.9, 1.8]})
    kinds["plain passes_low"], kinds["plain passes_high"] = kinds["plain passes"] - 0.1, kinds["plain passes"] + 0.2
    kinds.to_csv(folder / "kinds.csv", index=False)
    costs = pd.DataFrame({"method": ["prefiqs", "norm"], "plain passes": [1.7, 0.8]})
    costs.assign(**{"plain passes_low": 0.7, "plain passes_high": 2.3}).to_csv(folder / "costs.csv", index=False)
    return module


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.long
def test_the_published_pages_hold_the_numbers_of_the_published_runs(tmp_path):
    """`make readme` would change nothing."""
    for folder in ("docs", "presets", "reports"):
        copytree(ROOT / folder, tmp_path / folder)
    for name in ("README.md", "params.yaml"):
        copy(ROOT / name, tmp_path)
    subprocess.run([sys.executable, tmp_path / "docs" / "readme_results.py"], check=True)
    for page in sorted(tmp_path.rglob("*.md")):
        name = page.relative_to(tmp_path)
        assert page.read_text(encoding="utf-8") == (ROOT / name).read_text(encoding="utf-8"), name


def test_scores_are_chosen_on_some_data_and_judged_on_others(page):
    lines = page.candidates().splitlines()
    assert lines[0].startswith("LFW and CFP-FP stand for the pair sets `lfw-all` and `cfp-fp-all`. Best on both")
    assert lines[0].endswith(f"one pass: {MARGIN}; two passes: PreFIQs, ρ = 0.2.")
    rows = {cells(line)[0]: cells(line)[1:] for line in lines[4:]}
    # Over that of the norm: 0.9, 0.8 and 1.0 choose; 0.1 and 0.8 are other data. LFW chose all scores of this table.
    counts = ["1 of 2 (1 of 2)", "0 of 2 (0 of 2)"]
    assert rows[f"**{MARGIN}**"] == [
        "1.01",
        "0.90 [0.80, 1.10]",
        "0.900 §",
        "0.800",
        "0.50",
        "0.100 §",
        *counts,
        *counts,
    ]
    counts = ["0 of 2 (0 of 2)", "2 of 2 (2 of 2)"]
    assert rows["PreFIQs, ρ = 0.4"] == [
        "2.00",
        "1.80 [1.70, 2.00]",
        "1.167 §",
        "2.000",
        "1.0",
        "0.100 §",
        *counts,
        *counts,
    ]
    assert rows[NORM] == ["1.00", "0.80 [0.70, 2.30]", "1.000 §", "1.000", "1.0", "1.000 §", *["–"] * 4]


def test_rivals_that_beat_the_margin_are_named_with_where(page):
    rows = {row[0]: row[1:] for row in map(cells, page.rivals().splitlines()[2:])}
    better = "CFP-FP with sface; orl-xq with sface; CFP-FF with sface"
    assert rows["SER-FIQ"] == ["4 of 4 (2 of 2)", "0 of 4 (0 of 2)", better]
    # Marked where LFW chose it; there are three estimators with two verifiers each.
    assert rows["SER-FIQ §"] == ["6 of 6", "0 of 6", "; ".join(
        f"LFW with {name}" for name in ("mobilefacenet-512", "mobilefacenet-y1", "sface")
    )]  # fmt: skip


def test_the_best_scores_of_each_price_are_marked_on_the_data_that_chose_them():
    """On the published areas, by the rule that the page states."""
    parts = []
    for benchmark, estimator in product(("lfw", "cfp-fp"), ("sface", "mobilefacenet-y1")):
        folder = ROOT / "reports" / "wild" / "candidates" / benchmark / estimator
        areas = pd.read_csv(folder / "areas.csv").dropna(subset="passes")
        norm = areas["verifier"].map(areas[areas["key"] == NORM].set_index("verifier")["pauc"])
        parts.append(areas.assign(relative=areas["pauc"] / norm))
    means = pd.concat(parts).groupby(["group", "key"])["relative"].mean()
    best = {key for _, key in means.groupby("group").idxmin()}
    assert len(best) == 3
    marked = chosen_on([0.4])
    assert all(marked[key] == ("lfw", "cfp-fp") == METHODS["pruning-margin"].chosen_on for key in best)
    assert marked["e_ρ·ê, ρ = 0.4"] == marked["last layer pruned, e_ρ·ê, ρ = 0.6"] == ("orl-xq", "lfw")
    assert NORM not in marked


def test_the_figure_of_prices_marks_the_front_and_the_data_that_chose_a_score(page, monkeypatch):
    drawn = []
    monkeypatch.setattr(page, "forest", lambda table, *_: drawn.append(table))
    monkeypatch.setattr(page, "save_figure", lambda *_: None)
    page.price()
    (table,) = drawn
    assert set(table["verifier"]) == {
        *(f"LFW\nquality from {name}" for name in ("sface", "mobilefacenet-y1")),
        *(f"{data}\nquality from sface" for data in ("CFP-FP", "orl-xq")),
    }
    assert set(table["label"]) == {f"{key} § LFW" for _, key, passes in SCORES[1:] if passes > 0}
    front = table[table["front"]].groupby("verifier")["key"].agg(set)
    # The margin is never worse than the norm; PreFIQs is nowhere better than the margin, but as good as it once.
    assert front.to_dict() == {
        "LFW\nquality from sface": {MARGIN},
        "LFW\nquality from mobilefacenet-y1": {MARGIN},
        "CFP-FP\nquality from sface": {MARGIN, "PreFIQs, ρ = 0.4"},
        "orl-xq\nquality from sface": {MARGIN},
    }


@pytest.fixture
def margins(page, tmp_path):
    """The margin, the norm and PreFIQs at three ratios by two verifiers, one of which is the estimator."""
    for benchmark, (run, interval, reliable) in {
        "lfw-all": ("wild", (-3, -1), True), "cfp-fp-all": ("wild", (-3, 1), True),
        "orl-xq": ("default", (1, 2), True), "cfp-ff": ("wild", (-2, -1), False),
    }.items():  # fmt: skip
        rows = [
            (verifier, method, ratio, pauc, *interval)
            for verifier, paucs in (("sface", (2.0, 1.8, 3.0, 2.0, 9.0)), ("other", (4.0, 2.0, 2.0, 2.2, 10.5)))
            for method, ratio, pauc in zip(
                ("norm", "pruning-margin", *["prefiqs"] * 3), (np.nan, np.nan, 0.2, 0.4, 0.6), paucs, strict=True
            )
        ]
        areas = pd.DataFrame(rows, columns=["verifier", "method", "ratio", "pauc", "from_norm_low", "from_norm_high"])
        of_prefiqs = areas["method"] == "prefiqs"
        areas = areas.assign(
            **dict(network="sface", fmr=0.001, threshold="recomputed", reliable=reliable),
            random=areas["verifier"].map(len) * 2.0,
            granularity=np.where(of_prefiqs, "unstructured", ""), criterion=np.where(of_prefiqs, "l1", ""),
            from_norm=areas["pauc"] - areas["verifier"].map({"sface": 2.0, "other": 4.0}),
            trained_on=benchmark in ("lfw-all", "cfp-fp-all"),
        )  # fmt: skip
        folder = tmp_path / "reports" / run / "edc" / benchmark / "sface"
        folder.mkdir(parents=True)
        areas.to_csv(folder / "areas.csv", index=False)
    for run, rows in {
        "default": [("criterion", "orl-xq", "yes", True), ("norm", "orl-xq", "no", True)],
        "wild": [
            ("criterion", "lfw-all", "yes", True), ("criterion", "lfw", "undecided", False),
            ("criterion", "cfp-ff", "no", False), ("norm", "lfw", "undecided", False),
        ],
    }.items():  # fmt: skip
        (tmp_path / "reports" / run / "manifest.json").write_text("{}")
        claims = pd.DataFrame(rows, columns=["claim", "benchmark", "verdict", "reliable"]).assign(estimator="sface")
        claims.to_csv(tmp_path / "reports" / run / "claims.csv", index=False)
    return page


def test_data_that_chose_the_margin_are_told_from_others(margins):
    rows = list(map(cells, margins.margin().splitlines()[2:]))
    assert rows == [
        ["lfw-all", "yes", "sface", "0.900", "0.500", "2 of 2", "0 of 2"],
        ["cfp-fp-all", "yes", "sface", "0.900", "0.500", "0 of 2", "0 of 2"],
        ["orl-xq", "no", "sface", "0.900", "0.500", "0 of 2", "2 of 2"],
        ["cfp-ff", "no", "sface", "0.9", "0.5", "(2 of 2)", "(0 of 2)"],
    ]
    text = " ".join(margins.summary().split())
    assert "in 2 of 2 (0 of 2) combinations of benchmark and estimator, and loses in 1 of 4." in text
    # At ρ = 0.4, PreFIQs is as good as the norm with sface and better with the other.
    assert "the norm, at half the price, has a smaller area than PreFIQs in 0 of 6 (0 of 2) combinations" in text
    assert "the interval of the difference excludes 0 in 2 of 6 (0 of 2)" in text
    assert "0.700 on lfw-all and cfp-fp-all §, 2 of 4; 0.700 on orl-xq, 0 of 2; (0.70) on cfp-ff, (2 of 2)." in text


def test_claims_on_areas_that_are_not_reliable_are_in_brackets(margins):
    overview, _, details, _ = margins.claims().split("\n\n")
    assert list(map(cells, overview.splitlines()[2:])) == [
        ["L1 beats random at small ρ", "2 (0)", "0 (1)", "0 (1)"],
        ["beats the embedding norm", "0 (0)", "0 (1)", "1 (0)"],
    ]
    assert list(map(cells, details.splitlines()[2:])) == [
        ["orl-xq", "sface", "yes", "no"], ["lfw-all", "sface", "yes", "–"],
        ["lfw", "sface", "(undecided)", "(undecided)"], ["cfp-ff", "sface", "(no)", "–"],
    ]  # fmt: skip


def test_where_two_runs_have_a_benchmark_the_one_with_more_verifiers_counts(margins, tmp_path):
    old = tmp_path / "reports" / "default" / "edc" / "orl-xq" / "sface" / "areas.csv"
    new = tmp_path / "reports" / "wild" / "edc" / "orl-xq" / "sface" / "areas.csv"
    new.parent.mkdir(parents=True)
    pd.read_csv(old).query("verifier == 'sface'").to_csv(new, index=False)
    assert margins.margins().query("data == 'orl-xq'")["verifier"].tolist() == ["sface"]


def test_the_valley_is_where_the_area_is_at_most_a_tenth_above_the_smallest(margins):
    """Means over the verifiers: 2.5, 2.1 and 9.75 at 0.2, 0.4 and 0.6; 10 in random order."""
    rows = list(map(cells, margins.valleys().splitlines()[2:]))
    assert rows[0] == ["lfw-all", "sface", "0.4", "0.4", "–", "yes"] and rows[-1][-1] == "no"


def test_ablations_and_precision_come_from_the_run_study(page, tmp_path):
    for name, table in {
        "ablation": pd.DataFrame(
            [("layers", "stem", 0.4, 0.1, 0.2), ("ranking", "within", 0.4, -0.3, -0.1), ("layers", "all", 0.4, -1, 1),
             ("layers", "late", 0.8, 1, 2)],
            columns=["question", "variant", "ratio", "difference_low", "difference_high"],
        ),
        "precision": pd.DataFrame(
            [("fp32", 0.1, 0.012, 0, 1, 14.361), ("fp32", 0.4, 0.11, 0, 1, 13.4),
             ("bf16", 0.1, 0.5, 0.0022, 0.86, 16.2), ("bf16", 0.4, 0.5, 0.0007, 0.9967, 13.429)],
            columns=["precision", "ratio", "median drift", "median change of drift", "spearman with fp32", "pauc"],
        ),
    }.items():  # fmt: skip
        folder = tmp_path / "reports" / "study" / name / "orl-xq" / "sface"
        folder.mkdir(parents=True)
        table.to_csv(folder / f"{name}.csv", index=False)
    assert "Larger area: layers: stem. Smaller area: ranking: within.\n" in page.study()
    table, text = page.precision().split("\n\n")
    assert list(map(cells, table.splitlines()[2:])) == [
        ["0.1", "0.0120", "0.0022", "0.8600", "14.36", "16.20"],
        ["0.4", "0.1100", "0.0007", "0.9967", "13.40", "13.43"],
    ]
    assert text.startswith("Rounding distorts the ranking most at ρ = 0.1 (Spearman 0.86). From ρ = 0.4 on,")


@pytest.fixture
def run(page, tmp_path):
    """The page, with one published run: PreFIQs at three ratios on two verifiers, and the numbers of its stages."""
    folder = tmp_path / "reports" / "default"
    item = folder / "edc" / "orl-xq" / "sface"
    item.mkdir(parents=True)
    paucs = {0.2: (4.7, 9.0), 0.4: (4.6, 12.0), 0.6: (8.0, 21.0)}  # norm: 4.5 and 11; best random orders: 8 and 20
    areas = pd.DataFrame(
        [(ratio, v, p, p - n, p - n - 0.6) for ratio, of in paucs.items()
         for v, p, n in zip(("sface", "w"), of, (4.5, 11.0), strict=True)],
        columns=["ratio", "verifier", "pauc", "from_norm", "from_norm_low"],
    )  # fmt: skip
    here = dict(method="prefiqs", granularity="unstructured", criterion="l1", fmr=0.001, threshold="recomputed")
    others = areas.assign(network="another", pauc=1 / areas["ratio"], from_norm=9)  # not of the estimator
    pd.concat([areas.assign(network="sface"), others]).assign(**here).to_csv(item / "areas.csv", index=False)
    (item / "intervals.png").touch()
    numbers = {
        "unreliable": ["w"],
        "pauc_best": {"sface": 4.0, "w": 9.0},
        "pauc_random_min": {"sface": 8.0, "w": 20.0},
        "difference_to_random": {"sface": [-4, -5, -3], "w": [-11, -20, 1]},
        "difference_to_norm": {"sface": [-0.5, -1, 0.1], "w": [0.4, 0.1, 0.9]},
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
        "order with 1 of 2 verifiers. At ρ = 0.4, the norm has a smaller area with 2; 1 interval excludes 0. At the "
        "best ratio, the norm is better with 1, and the comparison is undecided with 1. Areas are not reliable with w.",
        "![Is PreFIQs better than random order, and than the norm? orl-xq, quality from sface]"
        "(default/edc/orl-xq/sface/intervals.png)",
        "**How should one prune?** The mean area over the verifiers is smallest at ρ = 0.2; the same-model area, by "
        "which the claims choose the best ratio, at ρ = 0.4. At ρ = 0.6, PreFIQs is no better than the best random "
        "order, whatever the verifier. Unstructured beats structured at no ratio.",
        "**Is drift a derivative?** They rank alike: no. Spearman 0.5.",
    ]


def test_numbers_of_official_pairs_are_named(run, tmp_path):
    claims = pd.DataFrame({"claim": ["jacobian"], "benchmark": ["cfp-fp"], "estimator": ["sface"]})
    folder = tmp_path / "reports" / "wild"
    folder.mkdir(exist_ok=True)
    claims.assign(text="They rank alike", verdict="yes", evidence="Spearman 1").to_csv(folder / "claims.csv")
    answers = [list(run.derivative("wild", data, "sface")) for data in ("cfp-fp-all", "cfp-fp")]
    sentence = "They rank alike: yes. Spearman 1."
    assert answers == [[f"On the official pairs, `cfp-fp`: {sentence}"], [sentence]]
    claims.assign(text="They rank alike", verdict="–", evidence="not tested").to_csv(folder / "claims.csv")
    assert list(run.derivative("wild", "cfp-fp", "sface")) == ["They rank alike: not tested."]


def test_other_methods_are_compared_with_the_norm(page, tmp_path):
    folder = tmp_path / "reports" / "wild-methods" / "edc" / "cfp-fp-all" / "sface"
    folder.mkdir(parents=True)
    rows = [
        ("a", "norm", "embedding norm", np.nan, False, 10.0, np.nan, np.nan),
        ("b", "norm", "embedding norm", np.nan, False, 20.0, np.nan, np.nan),
        ("a", "froq", "FROQ", np.nan, False, 9.0, -2, -0.5),  # 0.9 and 0.8 of the norm
        ("b", "froq", "FROQ", np.nan, False, 16.0, -5, 1),
        ("a", "vit-fiqa", "ViT-FIQA", np.nan, True, 8.0, -3, -1),  # 0.8 and 0.7
        ("b", "vit-fiqa", "ViT-FIQA", np.nan, True, 14.0, -9, -1),
        ("a", "prefiqs", "PreFIQs, ρ = 0.4", 0.4, False, 12.0, 1, 3),  # 1.2 and 1.0
        ("b", "prefiqs", "PreFIQs, ρ = 0.4", 0.4, False, 20.0, -1, 1),
        ("a", "prefiqs", "PreFIQs, ρ = 0.2", 0.2, False, 1.0, -9, -8),
    ]
    columns = ["verifier", "method", "label", "ratio", "trained_on", "pauc", "from_norm_low", "from_norm_high"]
    areas = pd.DataFrame(rows, columns=columns).assign(fmr=0.001, threshold="recomputed", reliable=True)
    areas.to_csv(folder / "areas.csv", index=False)
    (text,) = page.other_methods("wild-methods", "cfp-fp-all", "sface")
    assert "how many of 2 intervals of the difference" in text.partition("\n")[0]
    assert list(map(cells, text.splitlines()[4:])) == [
        ["ViT-FIQA §", "0.750", "2", "0"], ["FROQ", "0.850", "1", "0"], ["PreFIQs, ρ = 0.4", "1.100", "0", "1"],
    ]  # fmt: skip


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
