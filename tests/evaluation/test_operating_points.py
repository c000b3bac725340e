"""What rejecting images costs and brings, counted pair by pair."""

import numpy as np
import pytest

import prefiqs
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.operating_points import operating_points
from prefiqs.evaluation.pairs import cosine_similarity


@pytest.fixture
def data():
    rng = np.random.default_rng(8)
    subjects = np.repeat(np.arange(30), 4)
    pairs = rng.permutation(np.column_stack(np.triu_indices(120, 1)))
    scores = rng.normal(size=120)
    embeddings = rng.normal(size=(30, 9))[subjects] + np.exp(-scores)[:, None] * rng.normal(size=(120, 9))
    return embeddings, pairs, subjects[pairs[:, 0]] == subjects[pairs[:, 1]], scores


def points(embeddings, pairs, genuine, scores, thresholds, fmrs, rule="nearest"):
    return operating_points(Comparison({"v": embeddings}, pairs, genuine, {"m": scores}), {"m": thresholds}, fmrs, rule)


def test_against_counting(data):
    embeddings, pairs, genuine, scores = data
    similarity = cosine_similarity(embeddings, pairs)
    thresholds = [-9, *np.quantile(scores, [0.1, 0.5]), scores[17]]
    table = points(*data, thresholds, (0.05, 0.01), "conservative")
    assert table["rejection_threshold"].tolist() == np.repeat(thresholds, 2).tolist()
    assert (table["verifier"] == "v").all() and (table["key"] == "m").all()
    impostors = sorted(similarity[~genuine])
    for row in table.itertuples():
        left = [bool(scores[a] >= row.rejection_threshold and scores[b] >= row.rejection_threshold) for a, b in pairs]
        # Conservative rule, by hand: the smallest impostor similarity that at most fmr of them exceed; none are equal.
        cutoff = impostors[-1 - int(row.fmr * len(impostors))]
        own = [s for s, g, kept in zip(similarity, genuine, left, strict=True) if g and kept]
        assert row.pairs_rejected == pytest.approx(1 - sum(left) / len(pairs))
        assert row.images_rejected == pytest.approx(sum(scores < row.rejection_threshold) / 120)
        assert row.fnmr == pytest.approx(sum(s <= cutoff for s in own) / len(own))
        assert row.fmr_resolvable
    assert len(table["fnmr"].unique()) > 5


def test_an_operating_point_is_a_point_of_the_curve_at_a_fixed_threshold(data):
    """The cut-off of a recogniser in use does not move with the images that are rejected before it."""
    embeddings, pairs, genuine, scores = data
    quality, threshold = scores[pairs].min(1), np.quantile(scores, 0.3)
    share = float((quality < threshold).sum() / len(quality))
    similarity = cosine_similarity(embeddings, pairs)
    fixed = prefiqs.error_discard_curve(similarity, genuine, quality, 0.01, [0, share], "fixed")
    row = points(*data, [threshold], [0.01]).iloc[0]
    assert row["fnmr"] == pytest.approx(fixed.fnmr[1]) and row["pairs_rejected"] == pytest.approx(share)
    recomputed = prefiqs.error_discard_curve(similarity, genuine, quality, 0.01, [0, share])
    assert row["fnmr"] != recomputed.fnmr[1]


def test_nothing_left_and_too_few_impostors(data):
    table = points(*data, [99], [0.001, 1e-5])
    assert table["fmr_resolvable"].tolist() == [True, False]
    assert (table["images_rejected"] == 1).all() and (table["pairs_rejected"] == 1).all()
    assert table["fnmr"].isna().all()
