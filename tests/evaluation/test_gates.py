"""What a gate discards and brings, counted pair by pair."""

import numpy as np
import pytest

import prefiqs
from prefiqs.errors import InputError
from prefiqs.evaluation.operating_points import operating_points


@pytest.fixture
def data():
    rng = np.random.default_rng(8)
    subjects = np.repeat(np.arange(30), 4)
    pairs = np.column_stack(np.triu_indices(120, 1))
    genuine = subjects[pairs[:, 0]] == subjects[pairs[:, 1]]
    scores = rng.normal(size=120)
    similarity = rng.normal(size=len(pairs)) + 3 * genuine + 0.5 * scores[pairs].min(1)
    return scores, similarity, pairs, genuine


def counted(scores, similarity, pairs, genuine, gate, fmr, fixed):
    """Conservative rule, by hand: the smallest impostor similarity that at most fmr of them exceed; none are equal."""
    passed = [bool(scores[a] >= gate and scores[b] >= gate) for a, b in pairs]
    impostors = sorted(s for s, g, p in zip(similarity, genuine, passed, strict=True) if not g and (p or fixed))
    threshold = impostors[-1 - int(fmr * len(impostors))]
    own = [s for s, g, p in zip(similarity, genuine, passed, strict=True) if g and p]
    return 1 - sum(passed) / len(passed), sum(s <= threshold for s in own) / len(own)


@pytest.mark.parametrize("threshold", ["fixed", "recomputed"])
def test_against_counting(data, threshold):
    gates = [-9, *np.quantile(data[0], [0.1, 0.5]), data[0][17]]
    table = operating_points(*data, gates, (0.05, 0.01), threshold, "conservative")
    assert len(table) == 8
    for row in table.itertuples():
        discarded, fnmr = counted(*data, row.gate, row.fmr, threshold == "fixed")
        assert row.pairs_discarded == pytest.approx(discarded)
        assert row.fnmr == pytest.approx(fnmr)
        assert row.images_discarded == pytest.approx(sum(data[0] < row.gate) / 120)
        assert row.reliable


@pytest.mark.parametrize("threshold", ["fixed", "recomputed"])
def test_a_gate_is_a_point_of_the_curve(data, threshold):
    scores, similarity, pairs, genuine = data
    quality = scores[pairs].min(1)
    gate = np.quantile(scores, 0.3)
    share = float((quality < gate).sum() / len(quality))
    curve = prefiqs.error_discard_curve(similarity, genuine, quality, 0.01, [0, share], threshold)
    row = operating_points(*data, [gate], [0.01], threshold).iloc[0]
    assert row["fnmr"] == pytest.approx(curve.fnmr[1]) and row["pairs_discarded"] == pytest.approx(share)


def test_a_gate_that_nothing_passes_and_one_that_too_few_impostors_set(data):
    table = operating_points(*data, [-9, 2.0, 99], [0.001], "recomputed")
    assert table["reliable"].tolist() == [True, False, False]
    assert table["images_discarded"].iloc[2] == table["pairs_discarded"].iloc[2] == 1
    assert np.isnan(table["fnmr"].iloc[2])
    with pytest.raises(InputError, match="threshold: expected one of fixed, recomputed"):
        operating_points(*data, [0], threshold="best")
    with pytest.raises(InputError, match="scores: expected numbers only"):
        operating_points(np.full(120, np.nan), *data[1:], [0])
