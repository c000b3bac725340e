"""A part of a benchmark keeps what belongs together."""

import numpy as np
import pandas as pd
import pytest

from prefiqs.datasets.benchmark import Benchmark, keep_people
from prefiqs.errors import InputError


@pytest.fixture
def benchmark():
    subjects = ["b", "a", "b", "c", "a"]
    images = np.stack([np.full((112, 112, 3), i, np.uint8) for i in range(5)])
    index = pd.DataFrame({"name": [f"{s}{i}" for i, s in enumerate(subjects)], "subject": subjects})
    pairs = np.array([[0, 2], [1, 4], [0, 3], [2, 4], [1, 3]], np.int32)
    return Benchmark("x", images, index, pairs, np.array([1, 1, 0, 0, 0], bool), np.array([0, 1, 0, 1, -1], np.int8))


def test_the_first_people_stay_with_the_pairs_among_them(benchmark):
    part = keep_people(benchmark, 2)
    assert list(part.names) == ["b0", "a1", "b2", "a4"]
    assert part.images[:, 0, 0, 0].tolist() == [0, 1, 2, 4]
    # in names: b0-b2, a1-a4, b2-a4
    assert [(part.names[i], part.names[j]) for i, j in part.pairs] == [("b0", "b2"), ("a1", "a4"), ("b2", "a4")]
    assert part.genuine.tolist() == [True, True, False]
    assert part.folds.tolist() == [0, 1, 1]


def test_all_people_are_the_whole_benchmark(benchmark):
    part = keep_people(benchmark, 99)
    np.testing.assert_array_equal(part.pairs, benchmark.pairs)
    np.testing.assert_array_equal(part.images, benchmark.images)


def test_templates_do_not_say_who_they_show(benchmark):
    from dataclasses import replace

    with pytest.raises(InputError, match="single images"):
        keep_people(replace(benchmark, templates=object()), 2)
