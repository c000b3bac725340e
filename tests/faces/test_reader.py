"""Photos are read ahead by threads, but not too far."""

from threading import Semaphore
from types import SimpleNamespace

import pytest

from prefiqs.faces import reader
from prefiqs.faces.reader import prefetch


@pytest.mark.parametrize(("seconds", "ahead"), [(1 / 64, 20), (1 / 8, 4), (1 / 4, 2), (3, 1)])
def test_no_more_is_worked_on_ahead_than_takes_half_a_second(monkeypatch, seconds, ahead):
    """At most 20 items; one thread works only when it may, on a clock of its own."""
    clock, may_work, taken, given, unfinished = SimpleNamespace(now=0.0), Semaphore(0), [], [], []
    monkeypatch.setattr(reader, "time", SimpleNamespace(monotonic=lambda: clock.now))

    def items():
        for item in range(100):
            taken.append(item)
            yield item

    def work(item):
        may_work.acquire()
        clock.now += seconds
        return item

    for result in prefetch(work, items(), 1, 20, patience=0.01, ahead=0.5):
        if result is not None:
            given.append(result)
        else:
            if 10 < len(given) < 70:  # before, the work is not known yet; in the end, there are fewer items
                unfinished.append(len(taken) - len(given))
            may_work.release()
    assert given == list(range(100))
    assert set(unfinished) == {ahead + 1}  # and the one that is waited for
