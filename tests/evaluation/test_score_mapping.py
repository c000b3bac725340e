"""Scores on a scale of 0 … 100: order and range are kept, people are held out whole."""

import numpy as np
import pytest
from scipy.stats import percentileofscore

from prefiqs.errors import InputError
from prefiqs.evaluation.score_mapping import KINDS, fit_mapping, fitting_half


def fitted(kind, scores, **options):
    return fit_mapping(scores, kind, "mine", **options)


SCORES = {
    "normal": lambda rng: rng.normal(0.94, 0.01, 500),
    "many ties": lambda rng: rng.integers(0, 6, 500) / 6,
    "wild": lambda rng: rng.standard_cauchy(500) * 1e6,
    "tiny": lambda rng: -rng.gamma(0.3, 1e-9, 500),
    "few": lambda rng: rng.random(10),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SCORES)
def test_order_and_range_are_kept(kind, shape):
    rng = np.random.default_rng(6)
    scores = SCORES[shape](rng)
    others = np.sort(np.concatenate([scores, SCORES[shape](rng), [-1e300, 0, 1e300]]))
    mapped = fitted(kind, scores).apply(others)
    assert (np.diff(mapped) >= 0).all() and mapped.min() >= 0 and mapped.max() <= 100
    assert len(np.unique(mapped)) > 5  # it is no constant


def test_scores_too_close_for_a_slope():
    with pytest.raises(InputError, match="equal or nearly equal"):
        fitted("percentile", np.arange(20) * 1e-310)


@pytest.mark.parametrize("kind", KINDS)
def test_lower_is_better(kind):
    scores = np.random.default_rng(0).gamma(2, size=300)
    up, down = fitted(kind, scores), fitted(kind, -scores, lower_is_better=True)
    np.testing.assert_allclose(down.apply(-scores), up.apply(scores), rtol=1e-12)
    assert (np.diff(down.apply([0.5, 1, 2])) > 0).sum() == 0
    np.testing.assert_allclose(down.inverse([20, 50]), -up.inverse([20, 50]))


def test_sigmoid_of_quartiles():
    scores = np.linspace(-3, 5, 101)  # median 1, quartiles −1 and 3
    mapped = fitted("sigmoid", scores).apply([-1, 1, 3, 1 + 2 / np.log(3)])
    np.testing.assert_allclose(mapped, [25, 50, 75, 100 / (1 + np.exp(-1))], rtol=1e-12)


def test_percentiles_are_ranks_also_among_ties():
    scores = np.random.default_rng(1).integers(0, 8, 2000) / 8
    mapped = fitted("percentile", scores).apply(np.unique(scores))
    wanted = [percentileofscore(scores, s, "mean") for s in np.unique(scores)]
    np.testing.assert_allclose(mapped, wanted, atol=1)
    smooth = np.random.default_rng(2).normal(size=5000)
    wanted = [percentileofscore(smooth, s) for s in (-1, 0.2, 1.5)]
    np.testing.assert_allclose(fitted("percentile", smooth).apply([-1, 0.2, 1.5]), wanted, atol=0.3)
    assert fitted("percentile", smooth).apply([-99, 99]).tolist() == [0, 100]


@pytest.mark.parametrize("kind", KINDS)
def test_inverse_and_missing_scores(kind):
    mapping = fitted(kind, np.random.default_rng(3).normal(size=500))
    levels = np.array([5, 37.5, 50, 80])
    np.testing.assert_allclose(mapping.apply(mapping.inverse(levels)), levels, rtol=1e-9)
    assert np.isnan(mapping.apply([np.nan, 0.0])).tolist() == [True, False]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.arange(9), "mapping of mine needs at least 10 scores, all finite; there are 9, 0"),
        ([*range(20), np.nan], "there are 21, 1 of them not finite"),
        (np.ones(20), "equal or nearly equal .median 1."),
        ([1.0] * 15 + [2, 3], "equal or nearly equal .median 1."),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_scores_that_cannot_be_mapped(kind, scores, message):
    with pytest.raises(InputError, match=message):
        fitted(kind, scores)


def test_an_unknown_kind():
    with pytest.raises(InputError, match="sigmoid, percentile"):
        fitted("linear", np.arange(20))


def test_people_are_held_out_whole():
    subjects = np.repeat([f"p{i}" for i in range(9)], [1, 5, 2, 2, 2, 3, 3, 1, 4])
    fitting = fitting_half(subjects, seed=1)
    inside, outside = set(subjects[fitting]), set(subjects[~fitting])
    assert not inside & outside and (len(inside), len(outside)) == (4, 5)
    assert (fitting == fitting_half(subjects, seed=1)).all()
    assert any((fitting != fitting_half(subjects, seed=seed)).any() for seed in (2, 3, 4))
    with pytest.raises(InputError, match="at least 4 people, to hold half of them out; there are 3"):
        fitting_half(np.array(["a", "b", "c"]))
