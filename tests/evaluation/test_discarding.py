"""Curves of pairs sorted once, bit for bit those of pairs sorted and cut anew at every step."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefiqs.evaluation import comparison as comparison_module
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.discarding import Discarding, QualityOrders, SimilarityRanks, sort_by_quality
from prefiqs.evaluation.edc import EdcProtocol, error_discard_curve
from prefiqs.evaluation.error_rates import false_non_match_rate, threshold_at_fmr, threshold_places
from prefiqs.evaluation.pairs import cosine_similarity, pair_levels, pair_quality

N_PAIRS = 6000
FMRS = (1e-2, 1e-3, 0.2)


def cut_anew(similarity, genuine, quality, fmr, threshold, rule, pairs):
    """One curve, with every similarity that is left sorted at every step: fnmr, threshold, fmr, genuine, impostors."""
    turn = np.argsort(np.random.default_rng(0).permutation(len(genuine)))  # of pairs that tie
    order = np.lexsort([turn, quality])
    order = order[genuine[order]] if pairs == "genuine" else order
    points = []
    for step in range(20):
        left = np.ones(len(genuine), bool)
        left[order[: step * len(order) // 20]] = False
        mates, others = np.sort(similarity[left & genuine]), np.sort(similarity[left & ~genuine])
        if threshold == "recomputed" or step == 0:
            cutoff = threshold_at_fmr(others, fmr, rule)
        rates = false_non_match_rate(mates, cutoff), cutoff, np.mean(others > cutoff) if len(others) else math.nan
        points.append((*rates, len(mates), len(others)))
    return np.array(points).T


def columns(curve):
    return np.array([curve.fnmr, curve.thresholds, curve.fmr, curve.n_genuine, curve.n_impostor])


def comparisons(kind):
    """Similarity, genuine, quality. In each kind, few or many of the most similar impostors are dropped early."""
    rng = np.random.default_rng(5)
    genuine = rng.random(N_PAIRS) < 0.1
    similarity = (rng.normal(size=N_PAIRS) + 2 * genuine).astype(np.float32)
    if kind == "tied":
        return np.round(similarity), genuine, rng.integers(0, 4, N_PAIRS).astype(float)
    quality = {"free": rng.random(N_PAIRS), "best first": -similarity, "worst first": similarity}[kind]
    return similarity, genuine, quality.astype(float)


@pytest.mark.parametrize("kind", ["free", "tied", "best first", "worst first"])
@pytest.mark.parametrize("threshold", ["recomputed", "fixed"])
@pytest.mark.parametrize("rule", ["nearest", "conservative"])
@pytest.mark.parametrize("pairs", ["all", "genuine"])
def test_the_same_bits_as_sorting_anew(kind, threshold, rule, pairs):
    similarity, genuine, quality = comparisons(kind)
    ranks = SimilarityRanks(similarity, genuine)
    together = Discarding(ranks, FMRS, np.arange(20) / 20, threshold, rule)
    curves = together.curves(sort_by_quality(quality)) if pairs == "all" else []
    for i, fmr in enumerate(FMRS):
        expected = cut_anew(similarity, genuine, quality, fmr, threshold, rule, pairs)
        alone = error_discard_curve(similarity, genuine, quality, fmr, None, threshold, rule, pairs)
        np.testing.assert_array_equal(columns(alone), expected)
        if curves:
            np.testing.assert_array_equal(columns(curves[i]), expected)


def test_few_of_the_pairs_are_looked_at():
    """What makes it fast: a verifier reads its most similar impostors only."""
    similarity, genuine, quality = comparisons("free")
    ranks = SimilarityRanks(similarity, genuine)
    discarding = Discarding(ranks, [1e-3], np.arange(20) / 20, "recomputed", "nearest")
    left = discarding.left(QualityOrders([sort_by_quality(quality)], genuine), np.ones(N_PAIRS, int))
    expected = discarding.fnmr(left)
    left.n_steps[:, ranks.impostor_pairs[: -N_PAIRS // 5]] = 0
    np.testing.assert_array_equal(discarding.fnmr(left), expected)
    left.n_steps[:, ranks.impostor_pairs[-5:]] = 0
    assert (discarding.fnmr(left) != expected).any()


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=12), st.integers(0, 100))
def test_levels_order_and_tie_as_qualities_do(scores, seed):
    scores = np.array(scores) / 2
    pairs = np.random.default_rng(seed).integers(0, len(scores), (30, 2))
    levels, qualities = pair_levels(scores, pairs), pair_quality(scores, pairs)
    assert levels.dtype == np.uint8
    for a in (levels, qualities):
        np.testing.assert_array_equal(sort_by_quality(a), sort_by_quality(qualities))
    np.testing.assert_array_equal(
        np.sign(np.subtract.outer(levels.astype(int), levels)), np.sign(np.subtract.outer(qualities, qualities))
    )


def test_levels_of_infinite_scores_and_signed_zeros():
    pairs = np.array([[0, 0], [1, 1], [2, 2], [3, 3]])
    assert pair_levels([np.inf, 0.0, -0.0, -np.inf], pairs).tolist() == [2, 1, 1, 0]


@pytest.fixture
def study():
    rng = np.random.default_rng(8)
    embeddings = {v: rng.normal(size=(60, 5)).astype(np.float32) for v in ("a", "b")}
    pairs = rng.integers(0, 60, (900, 2)).astype(np.int32)
    return embeddings, pairs, rng.random(900) < 0.2


def single_curve(embeddings, pairs, genuine, scores, fmr, **options):
    similarity = cosine_similarity(embeddings, pairs)
    return error_discard_curve(similarity, genuine, pair_quality(scores, pairs), fmr, **options)


@pytest.mark.parametrize("threshold", ["recomputed", "fixed"])
def test_a_comparison_is_its_single_curves(study, threshold):
    embeddings, pairs, genuine = study
    rng = np.random.default_rng(9)
    scores = {("m", 1): rng.random(60), "tied": rng.integers(0, 3, 60)}
    protocol = EdcProtocol(FMRS, threshold)
    comparison = Comparison(embeddings, pairs, genuine, scores)
    curves = comparison.curves(protocol)
    assert list(curves) == [(v, m, fmr) for v in embeddings for m in scores for fmr in FMRS]
    for (verifier, key, fmr), curve in curves.items():
        single = single_curve(embeddings[verifier], pairs, genuine, scores[key], fmr, threshold=threshold)
        np.testing.assert_array_equal(columns(curve), columns(single))
    other = comparison.with_scores({"tied": scores["m", 1]}).curves(protocol)["b", "tied", 1e-2]
    np.testing.assert_array_equal(columns(other), columns(curves["b", ("m", 1), 1e-2]))
    few = comparison.select(keys=["tied"], verifiers=["b"]).curves(protocol)
    assert list(few) == [("b", "tied", fmr) for fmr in FMRS]
    for entry, curve in few.items():
        np.testing.assert_array_equal(columns(curve), columns(curves[entry]))


def test_nothing_is_sorted_or_multiplied_twice(study, monkeypatch):
    """Curves of both thresholds, intervals, and a choice of them: one similarity and one sorting a verifier."""
    calls = Counter()
    for name in ("cosine_similarity", "SimilarityRanks", "sort_by_quality"):
        actual = getattr(comparison_module, name)

        def counted(*arguments, name=name, actual=actual):
            calls[name] += 1
            return actual(*arguments)

        monkeypatch.setattr(comparison_module, name, counted)
    rng = np.random.default_rng(9)
    comparison = Comparison(*study, {"m": rng.random(60), "n": rng.random(60)})
    for threshold in ("recomputed", "fixed"):
        comparison.curves(EdcProtocol((0.1,), threshold))
        comparison.select(keys=["m"]).bootstrap(EdcProtocol((0.1,), threshold), 2)
    comparison.random_orders(EdcProtocol((0.1,)), 3)
    assert calls == {"cosine_similarity": 2, "SimilarityRanks": 2, "sort_by_quality": 2 + 3}


def test_the_top_is_enough():
    """The threshold of many impostors from the most similar of them, down to the next one below those that tie."""
    impostors = np.sort(np.random.default_rng(0).integers(0, 300, 5000)).astype(float)
    for fmr in (1e-3, 0.01, 0.123):
        for rule in ("nearest", "conservative"):
            strict = impostors[-1 - math.floor(fmr * 5000)]
            top = impostors[np.searchsorted(impostors, strict) - 1 :]
            for falling, enough in ((top[::-1], True), (top[::-1][: math.floor(fmr * 5000)], False)):
                counts, n = np.arange(len(falling) + 1)[None], np.array([len(impostors)])
                (place,) = threshold_places(falling, counts, n, fmr, rule)
                assert (place < len(falling)) == enough
                assert not enough or falling[place] == threshold_at_fmr(impostors, fmr, rule)
