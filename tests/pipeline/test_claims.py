"""Claims are decided by the results of the stages, and nothing else decides them."""

from pathlib import Path

import pandas as pd
import pytest

from prefiqs.pipeline.params import Params, overlaid, read_yaml
from prefiqs.pipeline.run import Layout, Run
from prefiqs.pipeline.studies.claims import judge, verdicts, verdicts_table

ROOT = Path(__file__).parents[2]
VERIFIERS = ["sface", "other"]
CLAIMS = ["granularity", "criterion", "jacobian", "random-order", "norm", "stable", "ratio"]


@pytest.fixture
def run(tmp_path):
    one = {"models": {"quality": ["sface"]}}
    return Run(Layout(tmp_path), Params.checked(overlaid(read_yaml(ROOT / "params.yaml"), one)))


def numbers(edc=None, jacobian=None):
    """All claims hold, but for what is changed; a difference is its estimate, and both ends of its interval."""
    better = {"0.1": [-3.0, -4, -2], "0.3": [-3, -5, -1], "mean": [-2.5, -3, -2]}
    found = {
        "best_variant": "unstructured L1, ρ = 0.1",
        "unreliable": [],
        "pauc_best": dict.fromkeys(VERIFIERS, 10.0),
        "pauc_norm": dict.fromkeys(VERIFIERS, 15.0),
        "pauc_random_mean": dict.fromkeys(VERIFIERS, 20.0),
        "difference_to_norm": dict.fromkeys(VERIFIERS, [-5.0, -8, -1]),
        "difference_to_random": dict.fromkeys(VERIFIERS, [-10.0, -12, -8]),
        "to_structured": better | {"0.9": [-4.0, -5, -3]},
        "to_random_pruning": better | {"0.9": [4.0, 2, 9]},  # but there ρ is not small
        "usual_ratio": {"ratio": 0.4, "pauc": 10.2},
        "excess": {"0.1": [0.0, 0, 0.03], "0.4": [0.02, 0.0, 0.04], "0.7": [0.06, 0.04, 0.09], "0.9": [0.9, 0.8, 1.0]},
    }
    drift = {"spearman": 0.99, "pauc_jacobian": 20.2, "pauc_discrete": 20.0, "ratio": 0.1}
    drift |= {"spearman_interval": [0.98, 0.995], "pauc_change": [0.01, -0.02, 0.03]}
    return {"edc-orl-xq-sface": found | (edc or {}), "jacobian-orl-xq-sface": drift | (jacobian or {})}


def judged(run, found):
    table = judge(run, found)
    assert set(table["benchmark"]) == {"orl-xq"} and set(table["estimator"]) == {"sface"}
    return table.set_index("claim")


def test_all_claims_hold_where_the_numbers_say_so(run):
    table = judged(run, numbers())
    assert table["verdict"].to_dict() == dict.fromkeys(CLAIMS, "yes")
    assert table["from_paper"].to_dict() == {
        "granularity": True, "criterion": True, "jacobian": True, "random-order": False, "norm": False, "ratio": True,
        "stable": True,
    }  # fmt: skip
    of = table["evidence"]
    assert of["granularity"].endswith(
        "at 3 of 3 ratios (with an interval below 0 at 3, above 0 at 0); mean difference over all ratios −2.50, 95 % "
        "interval −3.00 to −2.00"
    )
    assert of["criterion"].endswith(  # ρ up to 0.3, and nothing else
        "at 2 of 2 ratios (with an interval below 0 at 2, above 0 at 0); mean difference at ρ = 0.1 −3.00, 95 % "
        "interval −4.00 to −2.00; at ρ = 0.3 −3.00, 95 % interval −5.00 to −1.00"
    )
    assert table["reliable"].all() and not of.str.contains("reliable").any()
    assert "other 10.00 (norm 15.00, difference −5.00, 95 % interval −8.00 to −1.00)" in of["norm"]
    assert "(+2.0 %, 90 % interval +0.0 to +4.0 %)" in of["ratio"]
    assert of["jacobian"].startswith("Spearman 0.9900, 95 % interval 0.9800 to 0.9950; pAUC 20.20 and 20.00 at ρ = 0.1")


@pytest.mark.parametrize(
    ("edc", "jacobian", "claim", "verdict"),
    [
        ({"to_structured": {"0.1": [-1.0, -2, 0.5], "0.9": [-4.0, -5, -3], "mean": [-2, -3, -1]}}, {}, "granularity",
         "undecided"),
        ({"to_structured": {"0.1": [1.0, 0.5, 2], "0.9": [-4.0, -5, -3], "mean": [-2, -3, -1]}}, {}, "granularity",
         "no"),
        ({"to_random_pruning": {"0.1": [1.0, 0.5, 2], "mean": [1, 0.5, 2]}}, {}, "criterion", "no"),
        ({}, {"spearman_interval": [0.88, 0.899]}, "jacobian", "no"),
        ({}, {"spearman_interval": [0.899, 0.95]}, "jacobian", "undecided"),
        ({}, {"spearman_interval": [0.899, 0.95], "pauc_change": [-0.08, -0.1, -0.06]}, "jacobian", "no"),
        ({}, {"spearman": None, "spearman_interval": [None, None]}, "jacobian", "–"),
        ({}, {"pauc_change": [0.04, 0.02, 0.06]}, "jacobian", "undecided"),
        ({}, {"pauc_change": [-0.08, -0.1, -0.06]}, "jacobian", "no"),
        ({"difference_to_random": {"sface": [-1.0, -2, 0], "other": [-9.0, -10, -8]}}, {}, "random-order", "undecided"),
        ({"difference_to_norm": {"sface": [1.0, 0.1, 2], "other": [-9.0, -10, -8]}}, {}, "norm", "no"),
        ({"excess": {"0.1": [0.0, 0, 0], "0.4": [0.04, 0.01, 0.07]}}, {}, "ratio", "undecided"),
        ({"excess": {"0.4": [0.04, 0.01, 0.05], "0.6": [0.3, 0.2, 0.4]}}, {}, "stable", "no"),
        ({"excess": {"0.4": [0.04, 0.01, 0.05], "0.6": [0.09, 0.05, 0.11]}}, {}, "stable", "undecided"),
        ({"excess": {"0.1": [0.0, 0, 0], "0.4": [0.08, 0.06, 0.1]}}, {}, "ratio", "no"),
    ],
)  # fmt: skip
def test_each_claim_is_decided_by_its_own_numbers(run, edc, jacobian, claim, verdict):
    table = judged(run, numbers(edc, jacobian))
    assert table["verdict"].to_dict() == dict.fromkeys(CLAIMS, "yes") | {claim: verdict}


def test_a_ratio_that_is_worse_is_named(run):
    changes = {"0.1": [-4.0, -5, -3], "0.8": [1.0, 0.5, 2], "0.9": [1.0, -0.5, 2], "mean": [-1.5, -3, 3]}
    evidence = judged(run, numbers({"to_structured": changes}))["evidence"]["granularity"]
    assert evidence.endswith(
        "at 1 of 3 ratios (with an interval below 0 at 1, above 0 at 1); mean difference over all ratios −1.50, 95 % "
        "interval −3.00 to +3.00; at ρ = 0.8 +1.00, 95 % interval +0.50 to +2.00"
    )


@pytest.mark.parametrize(
    ("margins", "named", "verdict"),
    [
        # The largest difference is uncertain, and a smaller one is clear.
        ({"0.4": [0.02, 0, 0.4], "0.6": [0.9, 0.44, 1.8], "0.7": [1.2, 0.0, 2.8]}, "0.6 against the best, unstructured "
         "L1, ρ = 0.1: +90.0 %, 90 % interval +44.0 to +180.0 %", "no"),
        ({"0.4": [0.08, 0, 0.09], "0.6": [0.05, 0, 0.14], "0.7": [0.06, 0.05, 0.12]}, "0.6 against the best, "
         "unstructured L1, ρ = 0.1: +5.0 %, 90 % interval +0.0 to +14.0 %", "undecided"),
        ({"0.4": [0.06, 0, 0.07], "0.7": [0.05, 0.01, 0.09]}, "0.7 against the best, unstructured L1, ρ = 0.1: +5.0 %, "
         "90 % interval +1.0 to +9.0 %", "yes"),
    ],
)  # fmt: skip
def test_the_ratio_that_decides_whether_areas_are_stable_is_named(run, margins, named, verdict):
    row = judged(run, numbers({"excess": {**margins, "0.8": [5.0, 4, 6]}})).loc["stable"]
    assert (row["evidence"], row["verdict"]) == (f"same-model pAUC at ρ = {named}", verdict)


def test_drifts_that_are_all_zero_do_not_test_the_claim(run):
    row = judged(run, numbers({"unreliable": ["sface"]}, {"spearman": None, "spearman_interval": [None] * 2}))
    assert row.loc["jacobian", "evidence"].endswith("every drift is the same at ρ = 0.1")
    assert row.loc["jacobian", "reliable"]


def test_nothing_is_decided_without_errors(run):
    table = judged(run, numbers({"excess": dict.fromkeys(["0.1", "0.4"], [None, None, None])}))
    assert table.loc[["ratio", "stable"], "verdict"].tolist() == ["undecided"] * 2


def test_claims_that_were_not_computed_are_left_out(run):
    found = numbers({"to_structured": {}})
    del found["jacobian-orl-xq-sface"]
    assert set(judged(run, found).index) == set(CLAIMS) - {"granularity", "jacobian"}


@pytest.mark.parametrize(
    ("ratios", "claims"),
    [
        (["0.4"], ["granularity", "jacobian", "random-order", "norm"]),
        (["0.8"], ["granularity", "jacobian", "random-order", "norm"]),
        (["0.8", "0.9"], ["granularity", "jacobian", "random-order", "norm", "ratio"]),
        (["0.2"], ["granularity", "criterion", "jacobian", "random-order", "norm"]),
    ],
)
def test_no_claim_is_made_about_ratios_that_were_not_run(run, ratios, claims):
    """Such as small ratios if there are none, or that one is as good as the best of one."""
    changes = {ratio: [-1.0, -2, -0.5] for ratio in [*ratios, "mean"]}
    excess = {ratio: [0.0, 0, 0] for ratio in ratios}
    usual = {"ratio": float(ratios[0]), "pauc": 10.0}
    found = {"to_structured": changes, "to_random_pruning": changes, "excess": excess, "usual_ratio": usual}
    assert judged(run, numbers(found)).index.tolist() == claims


def test_a_claim_on_few_errors_says_so(run):
    """The claims about ratios and derivatives are verified by the estimator, the others also by other networks."""
    table = judged(run, numbers({"unreliable": ["other"]}))
    same_model = ["jacobian", "stable", "ratio"]
    assert table.index[table["reliable"]].tolist() == same_model
    evidence = table["evidence"]
    assert evidence.drop(same_model).str.contains("; not reliable with other: fewer than ten").all()
    assert not evidence[same_model].str.contains("reliable").any()
    assert "sface 10.00 (norm 15.00, difference −5.00" in evidence["norm"]
    assert "other 10 (norm 15, difference −5, 95 % interval −8 to −1)" in evidence["norm"]
    assert "ρ = 0.1 −3, 95 % interval −4 to −2" in evidence["criterion"]
    own = judged(run, numbers({"unreliable": ["sface"]}))
    assert not own["reliable"].any()
    assert "pAUC 20 and 20 at ρ = 0.1 (+1 %, 90 % interval −2 to +3 %)" in own.loc["jacobian", "evidence"]
    assert "pAUC 10; best" in own.loc["ratio", "evidence"] and "pAUC 10.20; best" in evidence["ratio"]
    notes = verdicts_table(judge(run, numbers({"unreliable": ["other"]}))).notes
    assert notes.endswith("at a discard fraction up to the limit): orl-xq with sface (4).")
    assert verdicts_table(judge(run, numbers())).notes == ""


def test_verdicts_side_by_side(run):
    table = judge(run, numbers(edc={"to_structured": {}}, jacobian={"spearman_interval": [0.4, 0.6]}))
    other = table.assign(estimator="other").query("claim != 'jacobian'")
    wide = verdicts(pd.concat([table, other]))
    assert wide[["benchmark", "estimator"]].values.tolist() == [["orl-xq", "sface"], ["orl-xq", "other"]]
    assert wide["Jacobian drift ranks as drift"].tolist() == ["no", "–"]
    assert wide["beats random order"].tolist() == ["yes", "yes"]
    assert "unstructured beats structured" not in wide  # tested nowhere
