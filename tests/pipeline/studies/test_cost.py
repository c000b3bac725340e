"""What methods cost: times by a clock that the test turns, and the rows that come of them."""

import numpy as np
import pandas as pd
import pytest
from small_run import small_run, use_small_networks

from prefiqs.errors import InputError
from prefiqs.pipeline.studies import cost
from prefiqs.pipeline.studies.cost import ROUNDS, cost_study, measure


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
    plain = Work(clock, each=0.25, start=7)
    found = measure({"fast": (plain, plain), "slow": (plain, Work(clock, each=2, start=9))}, np.zeros((10, 1)))
    assert found["milliseconds"].to_dict() == pytest.approx({"fast": 250, "slow": 2000})
    assert found["plain passes"].to_dict() == pytest.approx({"fast": 1, "slow": 8})
    assert (found["plain passes_high"] - found["plain passes_low"]).abs().max() < 1e-9


@pytest.mark.parametrize("slow", [1, 2, 3])
def test_one_slow_run_does_not_count_and_is_told(clock, slow):
    (row,) = measure({"": (Work(clock, 0.25), Work(clock, 0.5, slow=slow))}, np.zeros((8, 1))).to_dict("records")
    assert row["milliseconds"] == pytest.approx(500) and row["plain passes"] == pytest.approx(2)
    assert row["plain passes_high"] == pytest.approx(2 if slow == 1 else 52)  # 104 seconds to 2
    late = Work(clock, 0.25, slow=slow)
    (row,) = measure({"": (late, Work(clock, 0.5))}, np.zeros((8, 1))).to_dict("records")
    assert row["plain"] == pytest.approx(250)
    assert row["plain passes_low"] == pytest.approx(2 if slow == 1 else 4 / 102)


def test_a_machine_that_slows_down_changes_no_ratio(clock):
    """Both halves of a round become slower alike; the medians of the times say less than those of the ratios."""
    own, plain = Work(clock, 0.5), Work(clock, 0.25)

    def slower(images):
        plain(images)
        own.each *= 3
        plain.each *= 3

    (row,) = measure({"": (slower, own)}, np.zeros((1, 1))).to_dict("records")
    assert row["plain passes"] == pytest.approx(6)


def test_each_comes_right_after_its_plain_pass():
    turns = []
    a, b, p, q = (lambda _, name=name: turns.append(name) for name in "abpq")
    measure({"a": (p, a), "b": (q, b)}, np.zeros((1, 1)))
    assert "".join(turns) == (1 + ROUNDS) * "paqb"


def test_no_faces():
    with pytest.raises(InputError, match="no images to time"):
        measure({"": (len, len)}, np.zeros((0, 1)))


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
    kinds = pd.read_csv(tmp_path / "results" / "kinds.csv").set_index("kind of score")
    assert kinds["counted"].is_monotonic_increasing and kinds.loc["two passes", "counted"] == 2
    measured = kinds[["plain passes_low", "plain passes", "plain passes_high"]]
    assert measured.loc["two passes"].tolist() == table.loc[0, measured.columns].tolist(), "timed once"
    assert (measured > 0).all(axis=None) and (measured.diff(axis=1).dropna(axis=1) >= 0).all(axis=None)
    shown = study.table.frame.set_index("label")["plain passes"]
    assert f"Most expensive method: {shown.idxmax()} ({shown.max():.2f} plain passes" in study.findings[-1]


def test_without_the_study_of_candidates_its_kinds_are_not_timed(tmp_path, monkeypatch):
    run = small_run(tmp_path, {"methods": {"compared": []}, "candidates": {"benchmarks": []}})
    use_small_networks(monkeypatch, run)
    assert cost_study(run).kinds is None
