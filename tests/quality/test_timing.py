"""Time per image, on a clock that the test turns."""

import numpy as np
import pytest

from prefiqs.core.errors import InputError
from prefiqs.quality import milliseconds_per_image, timing


class Clock:
    """Work takes `start` seconds at once and `each` a face."""

    def __init__(self, start: float, each: float):
        self.now, self.start, self.each, self.runs = 0.0, start, each, []

    def perf_counter(self) -> float:
        return self.now

    def run(self, images: np.ndarray) -> None:
        self.runs.append(len(images))
        self.now += self.start + self.each * len(images)


def test_the_start_is_left_out(monkeypatch):
    clock = Clock(start=7, each=0.25)
    monkeypatch.setattr(timing, "time", clock)
    assert milliseconds_per_image(clock.run, np.zeros((10, 1)), few=3, repeats=3) == pytest.approx(250)
    assert clock.runs == [3, 10] * 3


@pytest.mark.parametrize("slow", [1, 2, 3, 4])
def test_one_slow_run_does_not_count(monkeypatch, slow):
    clock = Clock(start=1, each=0.5)
    monkeypatch.setattr(timing, "time", clock)

    def run(images):
        clock.run(images)
        clock.now += 100 if len(clock.runs) == slow else 0

    assert milliseconds_per_image(run, np.zeros((8, 1)), few=2) == pytest.approx(500)


@pytest.mark.parametrize("few", [0, 3, 4])
def test_too_few_faces(few):
    with pytest.raises(InputError, match=f"more than {few} images, at least 1, to time a method on, got 3"):
        milliseconds_per_image(len, np.zeros((3, 1)), few)
