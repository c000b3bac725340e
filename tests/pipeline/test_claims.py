"""Claims are decided by the results of the stages, and nothing else decides them."""

from pathlib import Path

import pandas as pd
import pytest

from prefiqs.io.tables import write_table
from prefiqs.pipeline.layout import Layout
from prefiqs.pipeline.params import Params, overlaid, read_yaml
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.studies.claims import judge

ROOT = Path(__file__).parents[2]

RATIOS = [0.1, 0.3, 0.9]
VERIFIERS = ["sface", "other"]


@pytest.fixture
def run(tmp_path):
    one = {"models": {"quality": ["sface"]}}
    return Run(Layout(tmp_path), Params.checked(overlaid(read_yaml(ROOT / "params.yaml"), one)))


def write_areas(run, **pauc):
    """areas.csv of orl-xq with a mean pAUC by strategy and ratio; the two verifiers lie 1 below and above it."""
    means = {"unstructured l1": [1, 2, 3], "structured l1": [4, 5, 6], "unstructured random": [7, 8, 2]} | pauc
    rows = []
    for strategy, column in means.items():
        granularity, criterion = strategy.split()
        for ratio, mean in zip(RATIOS, column, strict=True):
            for verifier, shift in zip(VERIFIERS, (-1, 1), strict=True):
                for fmr, threshold, more in ((1e-3, "recomputed", 0), (1e-4, "recomputed", 50), (1e-3, "fixed", -50)):
                    area = mean + shift + more
                    rows.append(("prefiqs", granularity, criterion, ratio, verifier, fmr, threshold, area))
    rows.append(("norm", None, None, None, "sface", 1e-3, "recomputed", 0.0))
    rows.append(("prefiqs", None, None, 0.6, "sface", 1e-3, "recomputed", 0.0))  # compared under options of its own
    columns = ["method", "granularity", "criterion", "ratio", "verifier", "fmr", "threshold", "pauc"]
    write_table(pd.DataFrame(rows, columns=columns), run.layout.results("edc", "orl-xq", "sface") / "areas.csv")


def numbers(spearman=0.99, jacobian=20.0, ours=10.0, usual_low=-0.5):
    edc = {
        "best_variant": "unstructured-l1-0.1",
        "pauc_best": dict.fromkeys(VERIFIERS, ours),
        "pauc_norm": dict.fromkeys(VERIFIERS, 15.0),
        "pauc_random_min": dict.fromkeys(VERIFIERS, 20.0),
        "difference_to_norm": dict.fromkeys(VERIFIERS, [ours - 15, ours - 18, ours - 11]),
        "usual_ratio": {"ratio": 0.4, "pauc": ours + 1, "difference_to_best": [1.0, usual_low, 2.0]},
    }
    drift = {"spearman": spearman, "pauc_jacobian": jacobian, "pauc_discrete": 20.0, "ratio": 0.1}
    return {"edc-orl-xq-sface": edc, "jacobian-orl-xq-sface": drift}


def verdicts(run, found):
    table = judge(run, found)
    assert set(table["benchmark"]) == {"orl-xq"} and set(table["estimator"]) == {"sface"}
    return table.set_index("claim")


def test_all_claims_hold_where_the_numbers_say_so(run):
    write_areas(run)
    table = verdicts(run, numbers())
    assert table["holds"].to_dict() == dict.fromkeys(
        ["granularity", "criterion", "jacobian", "random-order", "norm", "ratio"], True
    )
    assert table["from_paper"].to_dict() == {
        "granularity": True, "criterion": True, "jacobian": True, "random-order": False, "norm": False, "ratio": True,
    }  # fmt: skip
    assert table.loc["granularity", "evidence"] == "smaller mean pAUC at 3 of 3 ratios; mean 2.00 against 5.00"
    assert "at 2 of 2 ratios; mean 1.50 against 7.50" in table.loc["criterion", "evidence"]  # ρ up to 0.3
    assert "difference −5.00, 95 % interval −8.00 to −1.00" in table.loc["norm", "evidence"]


@pytest.mark.parametrize(
    ("areas", "changes", "claim"),
    [
        ({"structured l1": [4, 5, 2.5]}, {}, "granularity"),
        ({"structured l1": [4, 2, 6]}, {}, "granularity"),  # as good is not better
        ({"unstructured random": [7, 1.5, 9]}, {}, "criterion"),
        ({}, {"spearman": 0.89}, "jacobian"),
        ({}, {"spearman": None}, "jacobian"),
        ({}, {"jacobian": 21.1}, "jacobian"),
        ({}, {"ours": 20.5}, "random-order"),
        ({}, {"ours": 15.5}, "norm"),
        ({}, {"usual_low": 0.1}, "ratio"),
    ],
)
def test_each_claim_fails_where_its_numbers_fail(run, areas, changes, claim):
    write_areas(run, **areas)
    assert not verdicts(run, numbers(**changes)).loc[claim, "holds"]


def test_claims_that_were_not_computed_are_left_out(run):
    write_areas(run)
    found = numbers()
    del found["jacobian-orl-xq-sface"]
    assert set(verdicts(run, found).index) == {"granularity", "criterion", "random-order", "norm", "ratio"}
