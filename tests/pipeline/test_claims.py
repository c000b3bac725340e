"""The claims are decided by the tables, and the README says what the files say."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from prefiqs.pipeline.report import paper_claims, report_text

from prefiqs.errors import ConfigError
from prefiqs.pipeline.headline import BEGIN, END, render, replace_block
from prefiqs.pipeline.params import load_params

ROOT = Path(__file__).parents[2]
PARAMS = load_params(ROOT / "params.yaml")
RATIOS = [0.1, 0.3, 0.9]


def numbers(spearman=0.99, jacobian=20.0, ours=10.0, usual_low=-0.5):
    verifiers = ["sface", "other"]
    edc = {
        "best_variant": "unstructured-l1-0.1",
        "fnmr_without_discard": dict.fromkeys(verifiers, 0.1),
        "pauc_best": dict.fromkeys(verifiers, ours),
        "pauc_norm": dict.fromkeys(verifiers, 15.0),
        "pauc_random_mean": dict.fromkeys(verifiers, 21.0),
        "pauc_random_min": dict.fromkeys(verifiers, 20.0),
        "pauc_best_interval": dict.fromkeys(verifiers, [ours - 1, ours + 2]),
        "difference_to_norm": dict.fromkeys(verifiers, [ours - 15, ours - 18, ours - 11]),
        "usual_ratio": {"ratio": 0.3, "pauc": ours + 1, "difference_to_best": [1.0, usual_low, 2.0]},
        "resampled": "people",
        "resamples": 100,
    }
    drift = {"spearman": spearman, "pauc_jacobian": jacobian, "pauc_discrete": 20.0, "ratio": 0.1}
    inside = {
        "pauc": {"ViTNT-FIQA": {"sface": 19.0, "other": 20.5}, "EX-FIQA-FW": {"sface": 22.0, "other": 23.0}},
        "pauc_random_mean": dict.fromkeys(verifiers, 21.0),
        "pauc_random_min": dict.fromkeys(verifiers, 20.0),
        "points": {"EX-FIQA": {"best": "exit 12", "recommended": "exit 7", "block": 7}},
        "gflops": {"EX-FIQA": 0.3, "all": 0.5},
        "seen": False,
    }
    accuracy = {"unpruned": 98.125, "flip_test": True, "unpruned_without_flip_test": 97.5, "pairs": 3600}
    return {
        "edc-orl-xq-sface": edc,
        "edc-orl-sface": edc,
        "jacobian-orl-xq-sface": drift,
        "verification-orl-xq-sface": accuracy,
        "transformer-orl-xq-vit-prefiqs": inside,
        "verification-orl-sface": accuracy | {"unpruned": 97.5, "flip_test": False},
    }


def reports(folder, **pauc):
    """A folder with a Table 3 of mean pAUC by strategy."""
    means = {"unstructured_l1": [1, 2, 3], "structured_l1": [4, 5, 6], "unstructured_random": [7, 8, 2]} | pauc
    rows = [(s.replace("_", " "), r, m) for s, column in means.items() for r, m in zip(RATIOS, column, strict=True)]
    (folder / "tables").mkdir()
    pd.DataFrame(rows, columns=["strategy", "ratio", "mean"]).to_csv(
        folder / "tables" / "table3-orl-xq-sface.csv", index=False
    )
    return folder


def outcomes(folder, found):
    return list(paper_claims(folder, found, PARAMS)["holds"])


def test_claims_that_hold(tmp_path):
    assert outcomes(reports(tmp_path), numbers()) == ["yes"] * 6


def test_structured_winning_at_one_ratio_refutes_the_first_claim(tmp_path):
    assert outcomes(reports(tmp_path, structured_l1=[4, 5, 2.9]), numbers())[0] == "no"


def test_only_small_ratios_count_for_the_second_claim(tmp_path):
    # random wins at 0.9 in the default table, which claim two does not look at
    assert outcomes(reports(tmp_path, unstructured_random=[7, 1.9, 2]), numbers())[1] == "no"


@pytest.mark.parametrize("found", [numbers(spearman=0.89), numbers(jacobian=21.1), numbers(jacobian=18.9)])
def test_drifts_that_differ_refute_the_third_claim(tmp_path, found):
    assert outcomes(reports(tmp_path), found)[2] == "no"


def test_one_better_random_order_refutes_the_fourth_claim(tmp_path):
    found = numbers()
    found["edc-orl-xq-sface"]["pauc_random_min"]["other"] = 9.9
    assert outcomes(reports(tmp_path), found)[3] == "no"


def test_a_better_norm_is_reported(tmp_path):
    assert outcomes(reports(tmp_path), numbers(ours=15.5))[4] == "no"


def test_the_report_states_a_failed_claim(tmp_path):
    folder = reports(tmp_path, structured_l1=[0, 0, 0])
    claims = paper_claims(folder, numbers(), PARAMS)
    text = report_text(folder, numbers(), claims, PARAMS)
    assert "* **no** – Unstructured L1 beats structured L1" in text
    assert "smaller mean pAUC at 0 of 3 ratios" in text


def test_the_readme_shows_the_committed_results():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert replace_block(readme, render(ROOT / "reports")) == readme, "run `make readme`"


def test_rendering_takes_numbers_from_the_files(tmp_path):
    (tmp_path / "numbers.json").write_text(json.dumps(numbers(ours=12.345)))
    paper_claims(reports(tmp_path), numbers(), PARAMS).to_csv(tmp_path / "claims.csv", index=False)
    assert "| orl-xq-sface (unstructured-l1-0.1) | other | 10.00 | 12.35 | 15.00 | 21.00 |" in render(tmp_path)


def test_missing_markers_are_an_error():
    with pytest.raises(ConfigError, match="once each"):
        replace_block(f"{BEGIN} only", "block")
    assert replace_block(f"a {BEGIN} old {END} b", "new") == f"a {BEGIN}\nnew\n{END} b"


def test_a_ratio_is_as_good_as_the_best_while_the_interval_of_the_difference_holds_zero(tmp_path):
    assert outcomes(reports(tmp_path), numbers(usual_low=0.1))[5] == "no"


def test_intervals_stand_in_the_report(tmp_path):
    folder, found = reports(tmp_path), numbers(ours=12.0)
    text = report_text(folder, found, paper_claims(folder, found, PARAMS), PARAMS)
    assert "| other | 10.00 | 12.00, 95 % 11.00 to 14.00 | 15.00 |" in text
    assert "difference −3.00, 95 % −6.00 to +1.00" in text
    assert "bootstrap over people (100 resamples)" in text


def test_accuracy_stands_in_the_report_with_and_without_flip_test(tmp_path):
    folder = reports(tmp_path)
    text = report_text(folder, numbers(), paper_claims(folder, numbers(), PARAMS), PARAMS)
    assert "over 3,600 pairs in folds: 98.12 % with the flip test, 97.50 % without flip test." in text
    assert "over 3,600 pairs in folds: 97.50 % without flip test." in text


def test_a_run_without_claims_says_so(tmp_path):
    claims = paper_claims(reports(tmp_path), numbers(), replace(PARAMS, report=replace(PARAMS.report, claims=[])))
    assert claims.empty
    assert "None is judged in this run." in report_text(tmp_path, numbers(), claims, PARAMS)


def test_methods_inside_a_transformer_are_held_against_random_orders(tmp_path):
    folder, found = reports(tmp_path), numbers()
    text = report_text(folder, found, paper_claims(folder, found, PARAMS), PARAMS)
    assert "| ViTNT-FIQA | 19.00 | 20.50 | sface |" in text
    assert "| EX-FIQA-FW | 22.00 | 23.00 | for none |" in text
    assert "best is exit 12; exit 7 cannot be told from it, and costs 60% of a pass" in text
    assert "§" not in text


def test_a_benchmark_that_the_transformer_was_trained_on_is_marked(tmp_path):
    folder, found = reports(tmp_path), numbers()
    found["transformer-orl-xq-vit-prefiqs"]["seen"] = True
    text = report_text(folder, found, paper_claims(folder, found, PARAMS), PARAMS)
    assert "## orl-xq-vit-prefiqs §" in text and "trained on images of this benchmark" in text
