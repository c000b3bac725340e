"""Committed accuracies are those that other code computed of the same networks and pairs."""

import json
from pathlib import Path

import pandas as pd
import pytest

from prefiqs.models.registry import MODELS

REPORTS = Path(__file__).parents[2] / "reports"
EXPECTED = {(name, benchmark) for name, card in MODELS.items() for benchmark in card.accuracy}
TOLERANCE = 0.2  # points
OTHER_FACES = ("sface", "cfp-fp")  # the other code used the former detector, which missed 13 profiles more


def found(model: str, benchmark: str) -> float:
    table = pd.read_csv(REPORTS / "wild" / "verification" / benchmark / model / "table4.csv")
    return table.loc[(table["ratio"] == 0) & ~table["flip_test"], "accuracy"].item()


def test_every_network_of_the_run_is_expected_somewhere():
    assert {model for model, _ in EXPECTED} == {"sface", "mobilefacenet-y1", "mobilefacenet-512"}


@pytest.mark.parametrize(("model", "benchmark"), sorted(EXPECTED - {OTHER_FACES}))
def test_accuracy_is_as_expected(model, benchmark):
    assert found(model, benchmark) == pytest.approx(MODELS[model].accuracy[benchmark], abs=TOLERANCE)


def test_with_the_former_detector_the_last_one_is_too():
    figures = json.loads((REPORTS / "benchmarks" / "detection.json").read_text(encoding="utf-8"))["figures"]
    details = next(figure["details"] for figure in figures if figure["work"].startswith("accuracy lost, cfp-fp, sface"))
    assert details["accuracy before, %"] == pytest.approx(MODELS["sface"].accuracy["cfp-fp"], abs=TOLERANCE)
    assert details["accuracy, %"] == pytest.approx(found(*OTHER_FACES), abs=0.001)
    assert details["accuracy, %"] > MODELS["sface"].accuracy["cfp-fp"] + TOLERANCE  # otherwise it is no exception
