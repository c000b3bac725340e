"""What rejecting images costs and brings, counted pair by pair."""

import numpy as np
import pandas as pd
import pytest

import prefiqs
from prefiqs.evaluation.bootstrap import people_draws
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.operating_points import (
    operating_points,
    percentile_points,
    similarity_thresholds,
    target_points,
)
from prefiqs.evaluation.pairs import cosine_similarity

SUBJECTS = np.repeat(np.arange(30), 4)


@pytest.fixture
def data():
    rng = np.random.default_rng(8)
    pairs = rng.permutation(np.column_stack(np.triu_indices(120, 1)))
    scores = rng.normal(size=120)
    embeddings = rng.normal(size=(30, 9))[SUBJECTS] + np.exp(-scores)[:, None] * rng.normal(size=(120, 9))
    return embeddings, pairs, SUBJECTS[pairs[:, 0]] == SUBJECTS[pairs[:, 1]], scores


def compared(embeddings, pairs, genuine, scores):
    return Comparison({"v": embeddings}, pairs, genuine, {"m": scores})


def points(comparison, levels, fmrs, rule="nearest", resamples=0, n_lost=0):
    """At rejection thresholds chosen here."""
    of = similarity_thresholds(comparison, fmrs, rule).assign(key="m")
    of = of.merge(pd.DataFrame({"rejection_threshold": levels}), "cross").drop(columns="fnmr")
    return operating_points(comparison, of, SUBJECTS, people_draws(30, resamples, 0), n_lost)


def cutoff_by_hand(similarity, genuine, fmr):
    """Conservative rule: the smallest impostor similarity that at most fmr of them exceed; none are equal."""
    impostors = sorted(similarity[~genuine])
    return impostors[-1 - int(fmr * len(impostors))]


def test_against_counting(data):
    embeddings, pairs, genuine, scores = data
    similarity = cosine_similarity(embeddings, pairs)
    levels = [-9, *np.quantile(scores, [0.1, 0.5]), scores[17]]
    table = points(compared(*data), levels, (0.05, 0.01), "conservative")
    for row in table.itertuples():
        left = [bool(scores[a] >= row.rejection_threshold and scores[b] >= row.rejection_threshold) for a, b in pairs]
        assert row.similarity_threshold == pytest.approx(cutoff_by_hand(similarity, genuine, row.fmr))
        own = [s for s, g, kept in zip(similarity, genuine, left, strict=True) if g and kept]
        assert row.pairs_rejected == pytest.approx(1 - sum(left) / len(pairs))
        assert row.images_rejected == pytest.approx(sum(scores < row.rejection_threshold) / 120)
        assert row.fnmr == pytest.approx(sum(s <= row.similarity_threshold for s in own) / len(own))
    assert len(table["fnmr"].unique()) > 5 and table["fnmr_low"].isna().all()


def test_an_operating_point_is_a_point_of_the_curve_at_a_fixed_threshold(data):
    """The cut-off of a recogniser in use does not move with the images that are rejected before it."""
    embeddings, pairs, genuine, scores = data
    quality, threshold = scores[pairs].min(1), np.quantile(scores, 0.3)
    share = float((quality < threshold).sum() / len(quality))
    similarity = cosine_similarity(embeddings, pairs)
    fixed = prefiqs.error_discard_curve(similarity, genuine, quality, 0.01, [0, share], "fixed")
    row = points(compared(*data), [threshold], [0.01]).iloc[0]
    assert row["fnmr"] == pytest.approx(fixed.fnmr[1]) and row["pairs_rejected"] == pytest.approx(share)
    recomputed = prefiqs.error_discard_curve(similarity, genuine, quality, 0.01, [0, share])
    assert row["fnmr"] != recomputed.fnmr[1]


def test_what_to_set_in_the_recogniser(data):
    embeddings, pairs, genuine, _ = data
    similarity = cosine_similarity(embeddings, pairs)
    table = similarity_thresholds(compared(*data), [0.01, 0.001], "conservative")
    for row in table.itertuples():
        cutoff = cutoff_by_hand(similarity, genuine, row.fmr)
        assert row.similarity_threshold == pytest.approx(cutoff)
        assert row.fmr_realised == pytest.approx((similarity[~genuine] > cutoff).mean())
        assert row.fnmr == pytest.approx((similarity[genuine] <= cutoff).mean())
        assert row.false_matches == pytest.approx((~genuine).sum() * row.fmr)
    assert table["reliable"].tolist() == [True, False]  # 69.6 and 6.96 expected


def test_nothing_left_and_pairs_that_could_not_be_compared(data):
    table = points(compared(*data), [99, -99], [0.001], n_lost=860)
    assert table["images_rejected"].tolist() == [1, 0]
    assert table["pairs_rejected"].tolist() == [1, pytest.approx(860 / (len(data[1]) + 860))]
    assert table["fnmr"].isna().tolist() == [True, False]


def test_images_without_a_score_are_always_rejected_and_make_no_percentile(data):
    embeddings, pairs, genuine, scores = data
    scores = np.where(np.arange(120) % 10 == 3, -np.inf, scores)
    comparison = compared(embeddings, pairs, genuine, scores)
    at = percentile_points(comparison, similarity_thresholds(comparison, [0.05, 0.01]), (0, 25))
    assert at["percentile"].tolist() == [0, 0, 25, 25] and at["fmr"].tolist() == [0.05, 0.01] * 2
    scored = scores[np.isfinite(scores)]
    assert at["rejection_threshold"].tolist() == [scored.min()] * 2 + [np.quantile(scored, 0.25)] * 2
    found = operating_points(comparison, at, SUBJECTS, people_draws(30, 0, 0))
    lost = (~np.isfinite(scores)[pairs].all(axis=1)).mean()
    assert found["images_rejected"].iloc[0] == 0.1 and found["pairs_rejected"].iloc[0] == pytest.approx(lost)
    met = target_points(comparison, similarity_thresholds(comparison, [0.05]), [0.999])
    assert met["rejection_threshold"].tolist() == [scored.min()]  # nothing else needs to be rejected


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("target", [0.5, 0.3, 0.1, 0.05, 0.01, 0.001])
def test_the_lowest_threshold_for_a_wanted_fnmr(data, target, tied):
    embeddings, pairs, genuine, scores = data
    scores = np.round(scores, 1) if tied else scores
    similarity = cosine_similarity(embeddings, pairs)
    comparison = compared(embeddings, pairs, genuine, scores)
    row = target_points(comparison, similarity_thresholds(comparison, [0.05], "conservative"), [target]).iloc[0]
    cutoff, expected = cutoff_by_hand(similarity, genuine, 0.05), None
    for level in sorted(set(scores)):
        own = similarity[genuine & (scores[pairs].min(1) >= level)]
        if expected is None and len(own) * target >= 1 - 1e-9 and (own <= cutoff).sum() <= len(own) * target + 1e-9:
            expected, left = level, len(own)
    assert row["target_fnmr"] == target
    if expected is None:
        assert np.isnan(row["rejection_threshold"]) and not row["reliable"]
        found = operating_points(comparison, row.to_frame().T.infer_objects(), SUBJECTS, people_draws(30, 5, 0))
        assert found[["images_rejected", "pairs_rejected", "fnmr", "fnmr_high"]].isna().all(axis=None)
    else:
        assert row["rejection_threshold"] == expected
        assert row["reliable"] == (left * target >= 10)


def test_targets_are_sometimes_out_of_reach(data):
    comparison = compared(*data)
    found = target_points(comparison, similarity_thresholds(comparison, [0.05, 0.01]), [0.5, 0.001])
    assert found["rejection_threshold"].notna().tolist() == [True, True, False, False]
    assert found["fmr"].tolist() == [0.05, 0.01] * 2


def test_intervals_repeat_people(data):
    embeddings, pairs, genuine, scores = data
    similarity, level = cosine_similarity(embeddings, pairs), np.quantile(scores, 0.2)
    row = points(compared(*data), [level], [0.01], resamples=200).iloc[0]
    rng, rates = np.random.default_rng(0), []
    errors = {person: [] for person in range(30)}
    for (a, b), same, s in zip(pairs, genuine, similarity, strict=True):
        if same and min(scores[a], scores[b]) >= level:
            errors[SUBJECTS[a]].append(s <= row["similarity_threshold"])
    for _ in range(200):
        drawn = [error for person in rng.integers(0, 30, 30) for error in errors[person]]
        rates.append(np.mean(drawn))
    assert (row["fnmr_low"], row["fnmr_high"]) == pytest.approx(tuple(np.quantile(rates, [0.025, 0.975])))


def test_a_recogniser_has_one_rule_for_all_pairs():
    rng = np.random.default_rng(3)
    embeddings, subjects = rng.normal(size=(30, 4)), np.repeat(np.arange(10), 3)
    pairs = np.array([(i, j) for i in range(30) for j in range(i)])
    comparison = Comparison({"v": embeddings}, pairs, subjects[pairs[:, 0]] == subjects[pairs[:, 1]], {})
    tables = [similarity_thresholds(comparison, [0.01, 0.1], rule) for rule in ("cr-fiqa", "nearest")]
    pd.testing.assert_frame_equal(*tables)
