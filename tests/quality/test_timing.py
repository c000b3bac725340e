"""Time per image, on a clock that the test turns."""

import numpy as np
import pytest

from prefiqs.core.errors import InputError
from prefiqs.quality import milliseconds_per_image, timing


class Clock:
    """Work takes `start` seconds the first time and `each` a face."""

    def __init__(self, start: float, each: float):
        self.now, self.start, self.each, self.runs = 0.0, start, each, []

    def perf_counter(self) -> float:
        return self.now

    def run(self, images: np.ndarray) -> None:
        self.runs.append(len(images))
        self.now += self.start * (len(self.runs) == 1) + self.each * len(images)


def test_the_start_is_left_out(monkeypatch):
    clock = Clock(start=7, each=0.25)
    monkeypatch.setattr(timing, "time", clock)
    assert milliseconds_per_image(clock.run, np.zeros((10, 1)), repeats=3) == pytest.approx(250)
    assert clock.runs == [10] * 3


@pytest.mark.parametrize("slow", [1, 2, 3])
def test_one_slow_run_does_not_count(monkeypatch, slow):
    clock = Clock(start=0, each=0.5)
    monkeypatch.setattr(timing, "time", clock)

    def run(images):
        clock.run(images)
        clock.now += 100 if len(clock.runs) == slow else 0

    assert milliseconds_per_image(run, np.zeros((8, 1))) == pytest.approx(500)


def test_no_faces():
    with pytest.raises(InputError, match="images to time a method on, got none"):
        milliseconds_per_image(len, np.zeros((0, 1)))
