"""What methods cost: times by a clock that the test turns, and the rows that come of them."""

import json

import numpy as np
import pandas as pd
import pytest
from small_run import small_run, use_small_networks

from prefiqs.errors import InputError
from prefiqs.pipeline.studies import cost
from prefiqs.pipeline.studies.cost import cost_study, milliseconds_per_image


class Clock:
    """Stands still until somebody turns it."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Work:
    """Takes `start` seconds the first time, `each` a face, and 100 more in its run number `slow`."""

    def __init__(self, clock: Clock, each: float, start: float = 0, slow: int = 0):
        self.clock, self.each, self.start, self.slow, self.runs = clock, each, start, slow, 0

    def __call__(self, images: np.ndarray) -> None:
        self.runs += 1
        self.clock.now += self.each * len(images) + self.start * (self.runs == 1) + 100 * (self.runs == self.slow)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(cost, "time", clock)
    return clock


def test_the_start_is_left_out(clock):
    runs = {"fast": Work(clock, each=0.25, start=7), "slow": Work(clock, each=2)}
    assert milliseconds_per_image(runs, np.zeros((10, 1))) == pytest.approx({"fast": 250, "slow": 2000})


@pytest.mark.parametrize("slow", [1, 2, 3])
def test_one_slow_run_does_not_count(clock, slow):
    assert milliseconds_per_image({"": Work(clock, 0.5, slow=slow)}, np.zeros((8, 1))) == pytest.approx({"": 500})


def test_all_take_turns():
    turns = []
    runs = {"a": lambda _: turns.append("a"), "b": lambda _: turns.append("b")}
    milliseconds_per_image(runs, np.zeros((1, 1)), rounds=2)
    assert turns == ["a", "b", "a", "b"]


def test_no_faces():
    with pytest.raises(InputError, match="no images to time"):
        milliseconds_per_image({"": len}, np.zeros((0, 1)))


def test_every_method_of_the_run_is_timed(tmp_path, monkeypatch):
    run = small_run(tmp_path, {"methods": {"compared": ["ex-fiqa", "froq"]}})
    use_small_networks(monkeypatch, run)
    study = cost_study(run)
    study.write(tmp_path / "results")
    table = pd.read_csv(tmp_path / "results" / "costs.csv")
    assert table["method"].tolist() == ["prefiqs", "norm", "ex-fiqa", "froq"]
    assert table["network"].tolist() == ["sface", "sface", "vit-prefiqs", "sface"]
    assert table.loc[0, "label"] == "PreFIQs, unstructured L1, ρ = 0.4"
    assert (table[["milliseconds", "plain"]] > 0).all(axis=None)
    assert table["plain"].groupby(table["network"]).nunique().eq(1).all()  # one plain pass a network
    kinds = pd.read_csv(tmp_path / "results" / "kinds.csv").set_index("kind of score")
    assert kinds["counted"].is_monotonic_increasing and kinds.loc["two passes", "counted"] == 2
    assert (kinds["measured"] > 0).all()
    shown = study.table.frame.set_index("label")["plain passes"]
    assert f"Most expensive method: {shown.idxmax()} ({shown.max():.2f} plain passes" in study.findings[-1]
    numbers = json.loads((tmp_path / "results" / "numbers.json").read_text())
    assert [cost["key"] for cost in numbers["costs"]] == table["key"].tolist()


def test_without_the_study_of_candidates_its_kinds_are_not_timed(tmp_path, monkeypatch):
    run = small_run(tmp_path, {"methods": {"compared": []}, "candidates": {"benchmarks": []}})
    use_small_networks(monkeypatch, run)
    assert cost_study(run).kinds is None
