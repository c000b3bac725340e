"""Bootstrap intervals against lists in which pairs really are repeated, drawn by a loop from the same generator."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefiqs.errors import InputError
from prefiqs.evaluation import bootstrap
from prefiqs.evaluation.bootstrap import (
    BootstrapCurves,
    behind_smallest,
    excess_of,
    resampled_weights,
    simultaneous_intervals,
)
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.curve import Curve
from prefiqs.evaluation.discarding import Discarding, QualityOrders, SimilarityRanks, sort_by_quality
from prefiqs.evaluation.edc import EdcProtocol, error_discard_curve
from prefiqs.evaluation.pairs import cosine_similarity, pair_quality
from prefiqs.evaluation.tables import differences_table, intervals_table

GRID = np.arange(20) / 20
TARGETS = [0.001, 0.1, 1 / 3, 0.5, 0.9]
FMR = 0.05
PROTOCOL = EdcProtocol((0.1, 0.01))


def sample(n_pairs=400, seed=0, n_people=12):
    """Few distinct similarities and qualities, so that they tie; two measures, the first one better."""
    rng = np.random.default_rng(seed)
    genuine = rng.random(n_pairs) < 0.4
    quality = rng.integers(0, 30, n_pairs)
    similarity = np.round(rng.normal(size=n_pairs) + genuine * (1 + quality / 10), 1)
    left = rng.integers(0, n_people, n_pairs)
    right = np.where(genuine, left, (left + rng.integers(1, n_people, n_pairs)) % n_people)
    names = np.array([f"person {k}" for k in range(n_people)])
    measures = {"good": quality, "poor": quality + rng.integers(0, 40, n_pairs)}
    return similarity, genuine, measures, names[np.column_stack([left, right])]


def bootstrap_curves(similarity, genuine, qualities, fmrs, people=None, resamples=1000, seed=0, **options):
    """Of pairs not yet sorted."""
    discarding = EdcProtocol(tuple(fmrs), **options).discarding(SimilarityRanks(similarity, genuine))
    orders = {key: sort_by_quality(quality) for key, quality in qualities.items()}
    return list(bootstrap.bootstrap_curves({"verifier": discarding}, orders, people, resamples, seed).values())


def weighted(similarity, genuine, quality, weights, fmrs, threshold="recomputed", rule="nearest"):
    ranks = SimilarityRanks(similarity, genuine)
    discarding = Discarding(ranks, fmrs, GRID, threshold, rule)
    left = discarding.left(QualityOrders([sort_by_quality(quality)], ranks.genuine), weights)
    return discarding.fnmr(left)[:, 0]


def turns(quality):
    """When each pair is discarded, so that those of equal quality keep their turns in a longer list."""
    return np.argsort(sort_by_quality(quality))


def repeated(similarity, genuine, quality, weights, fmrs, **options):
    """The same by what it means: a list in which each pair stands as often as it weighs."""
    rows = [i for i, times in enumerate(weights) for _ in range(times)]
    lists = [np.asarray(values)[rows] for values in (similarity, genuine, turns(quality))]
    return np.array([error_discard_curve(*lists, fmr, GRID, **options).fnmr for fmr in fmrs])


@st.composite
def weighted_comparisons(draw):
    """Small numbers throughout, so that all ties occur; at least one copy of each kind."""
    pair = st.tuples(st.integers(0, 12), st.booleans(), st.integers(0, 6), st.integers(0, 4))
    drawn = draw(st.lists(pair, max_size=40)) + [
        (draw(st.integers(0, 12)), kind, 3, draw(st.integers(1, 3))) for kind in (True, False)
    ]
    similarity, genuine, quality, weights = map(np.array, zip(*draw(st.permutations(drawn)), strict=True))
    return similarity.astype(float), genuine, quality.astype(float), weights


@given(
    data=weighted_comparisons(),
    threshold=st.sampled_from(["recomputed", "fixed"]),
    rule=st.sampled_from(["nearest", "conservative", "cr-fiqa"]),
)
def test_weights_equal_repetition(data, threshold, rule):
    options = {"threshold": threshold, "rule": rule}
    np.testing.assert_array_equal(weighted(*data, TARGETS, **options), repeated(*data, TARGETS, **options))


@pytest.mark.parametrize("rule", ["nearest", "conservative", "cr-fiqa"])
def test_weights_equal_repetition_where_the_most_similar_impostors_go_first(rule):
    # The 600 most similar impostors have the lowest quality, so the first look at some 70 of them finds none left.
    rng = np.random.default_rng(1)
    genuine = np.arange(4000) < 1000
    similarity = rng.normal(size=4000).round(2) + 2 * genuine
    quality = np.where(genuine | (similarity < 0.9), rng.random(4000), -similarity)
    weights = rng.integers(0, 3, 4000)
    data = similarity, genuine, quality, weights
    expected = repeated(*data, [1e-3, 1e-2], rule=rule)
    np.testing.assert_array_equal(weighted(*data, [1e-3, 1e-2], rule=rule), expected)
    assert len(np.unique(expected)) > 20


def drawn_pairs(genuine, people, rng):
    return Counter(rng.integers(0, len(genuine), len(genuine)).tolist())


def drawn_people(genuine, people, rng):
    names = list(dict.fromkeys([*people[:, 0], *people[:, 1]]))
    count = Counter(names[k] for k in rng.integers(0, len(names), len(names)))
    return {
        i: count[a] if same else count[a] * count[b]
        for i, ((a, b), same) in enumerate(zip(people, genuine, strict=True))
    }


@pytest.mark.parametrize(("unit", "draw"), [("pairs", drawn_pairs), ("people", drawn_people)])
@pytest.mark.parametrize("threshold", ["recomputed", "fixed"])
def test_every_resample_equals_the_loop(unit, draw, threshold):
    similarity, genuine, measures, people = sample()
    given_people = people if unit == "people" else None
    results = bootstrap_curves(
        similarity, genuine, measures, [FMR, 0.01], given_people, resamples=8, seed=5, threshold=threshold
    )
    rng = np.random.default_rng(5)
    for resample in range(8):
        times = draw(genuine, people, rng)
        rows = [i for i in range(len(genuine)) for _ in range(times[i])]
        for result, fmr in zip(results, [FMR, 0.01], strict=True):
            assert result.unit == unit
            for method, quality in measures.items():
                lists = [values[rows] for values in (similarity, genuine, turns(quality))]
                curve = error_discard_curve(*lists, fmr, threshold=threshold)
                np.testing.assert_array_equal(result.fnmr[method][resample], curve.fnmr)
                for limit in (0.3, 0.12, 0.95):
                    assert result.pauc(method, limit)[resample] == pytest.approx(curve.pauc(limit), rel=1e-12)


def test_the_curves_are_those_of_the_pairs_as_given():
    similarity, genuine, measures, _ = sample()
    (result,) = bootstrap_curves(similarity, genuine, measures, [FMR], resamples=1, rule="conservative")
    expected = error_discard_curve(similarity, genuine, measures["poor"], FMR, rule="conservative")
    np.testing.assert_array_equal(result.curves["poor"].fnmr, expected.fnmr)


def test_intervals_and_differences_are_percentiles_of_the_areas():
    similarity, genuine, measures, _ = sample()
    (result,) = bootstrap_curves(similarity, genuine, measures, [FMR], resamples=41)
    areas = {method: result.pauc(method) for method in measures}
    # Of 41 sorted values, 2.5 % and 97.5 % fall on the second and on the last but one.
    assert result.interval("good") == tuple(np.sort(areas["good"])[[1, -2]])
    assert result.interval("good", level=0.5) == tuple(np.sort(areas["good"])[[10, -11]])
    found = result.difference("good", "poor")
    assert found.estimate == result.curves["good"].pauc() - result.curves["poor"].pauc()
    assert (found.low, found.high) == pytest.approx(tuple(np.sort(areas["good"] - areas["poor"])[[1, -2]]), rel=1e-12)
    opposite = result.difference("poor", "good")
    assert opposite == pytest.approx((-found.estimate, -found.high, -found.low))
    assert result.difference("good", "good") == (0, 0, 0)


def test_the_seed_alone_decides():
    similarity, genuine, measures, people = sample()

    def areas(names=("good", "poor"), **options):
        np.random.seed(len(names))  # must play no part
        chosen = {name: measures[name] for name in names}
        return bootstrap_curves(similarity, genuine, chosen, [FMR], people, **options)[0].pauc("poor")

    first = areas(resamples=12, seed=3)
    np.testing.assert_array_equal(areas(resamples=12, seed=3), first)
    np.testing.assert_array_equal(areas(["poor"], resamples=12, seed=3), first)
    np.testing.assert_array_equal(areas(resamples=5, seed=3), first[:5])
    assert (areas(resamples=12, seed=4) != first).any()


def test_an_interval_shrinks_with_more_pairs():
    def width(n_pairs):
        similarity, genuine, measures, _ = sample(n_pairs)
        low, high = bootstrap_curves(similarity, genuine, measures, [FMR], resamples=100)[0].interval("good")
        return high - low

    assert 0.3 < width(8000) / width(2000) < 0.75  # four times the pairs: about half


def test_an_interval_over_people_is_wider_where_people_differ():
    rng = np.random.default_rng(2)
    shift = rng.normal(size=40)
    person = np.repeat(np.arange(40), 25)
    other = (person + rng.integers(1, 40, 1000)) % 40
    people = np.concatenate([np.column_stack([person, person]), np.column_stack([person, other])])
    genuine = np.arange(2000) < 1000
    similarity = np.where(genuine, 2 + shift[people[:, 0]], 0) + 0.2 * rng.normal(size=2000)
    widths = []
    for given_people in (None, people):
        (result,) = bootstrap_curves(similarity, genuine, {"q": rng.random(2000)}, [0.01], given_people, resamples=60)
        widths.append(np.diff(result.interval("q")))
    assert widths[1] > 2 * widths[0]


def test_resamples_without_an_area_are_counted_and_left_out():
    # The two impostors have the lowest quality. They last to r = 0.3 where they were drawn often enough.
    genuine = np.arange(12) >= 2
    similarity, quality = np.arange(12.0) % 5, np.arange(12.0)
    (result,) = bootstrap_curves(similarity, genuine, {"q": quality}, [0.4], resamples=50)
    lasts = [w[:2].sum() > math.floor(0.3 * 12) for w in resampled_weights(genuine, None, 50, 0)]
    areas = result.pauc("q")
    assert (~np.isnan(areas)).tolist() == lasts
    assert 0 < sum(lasts) < 50
    assert result.interval("q") == tuple(np.quantile(areas[lasts], [0.025, 0.975]))
    assert result.difference("q", "q")[1:] == (0, 0)
    assert np.isnan(result.pauc("q", 0.95)).all()
    assert np.isnan(result.interval("q", 0.95)).all() and np.isnan(result.difference("q", "q", 0.95)).all()


@pytest.mark.parametrize("people", [None, [["a", "a"], ["a", "b"], ["b", "c"]]])
def test_a_draw_without_one_kind_is_made_anew(people):
    genuine = np.array([True, False, False])
    rng, attempts = np.random.default_rng(1), 0
    for weights in resampled_weights(genuine, people, 200, seed=1):
        expected = [0, 0, 0]
        while not (expected[0] > 0 and expected[1] + expected[2] > 0):
            count = np.bincount(rng.integers(0, 3, 3), minlength=3)
            expected = list(count) if people is None else [count[0], count[0] * count[1], count[1] * count[2]]
            attempts += 1
        assert weights.tolist() == expected
    assert attempts > 200 + 20
    result = bootstrap_curves([1, 0, 2], genuine, {"q": [1, 2, 3]}, [0.5], people, 200, seed=1)[0]
    assert np.isfinite(result.fnmr["q"][:, 0]).all()


@pytest.fixture
def study():
    rng = np.random.default_rng(6)
    subjects = np.repeat(["ann", "bob", "cy", "di", "eve"], 6)
    left, right = np.triu_indices(30, 1)
    pairs = np.column_stack([left, right])
    centre = rng.normal(size=(5, 8))[np.repeat(np.arange(5), 6)]
    embeddings = {name: centre + noise * rng.normal(size=(30, 8)) for name, noise in (("near", 0.8), ("far", 1.5))}
    scores = {"norm": rng.random(30), "drift": rng.random(30), "other": rng.random(30)}
    return scores, embeddings, pairs, subjects[left] == subjects[right], subjects


def test_tables(study):
    scores, embeddings, pairs, genuine, subjects = study
    bootstraps = Comparison(embeddings, pairs, genuine, scores, subjects=subjects).bootstrap(PROTOCOL, 30, seed=2)
    assert list(bootstraps) == [("near", 0.1), ("near", 0.01), ("far", 0.1), ("far", 0.01)]
    qualities = {method: pair_quality(score, pairs) for method, score in scores.items()}
    similarity = cosine_similarity(embeddings["far"], pairs)
    expected = bootstrap_curves(similarity, genuine, qualities, [0.01], subjects[pairs], resamples=30, seed=2)[0]

    table = intervals_table(bootstraps, limit=0.2, level=0.8)
    assert len(table) == 12
    row = table[(table.verifier == "far") & (table.fmr == 0.01) & (table.key == "drift")].iloc[0]
    assert (row.pauc_low, row.pauc_high) == tuple(1e3 * np.array(expected.interval("drift", 0.2, 0.8)))
    assert row.pauc == 1e3 * error_discard_curve(similarity, genuine, qualities["drift"], 0.01).pauc(0.2)
    assert (row.unit, row.undefined) == ("people", 0)

    differences = differences_table(bootstraps, "norm", limit=0.2, level=0.8)
    assert len(differences) == 8
    row = differences[(differences.verifier == "far") & (differences.fmr == 0.01) & (differences.key == "drift")]
    found = expected.difference("drift", "norm", 0.2, 0.8)
    assert row[["difference", "low", "high"]].to_numpy()[0].tolist() == [1e3 * value for value in found]
    assert row["reference"].tolist() == ["norm"]


def test_without_subjects_pairs_are_drawn(study):
    scores, embeddings, pairs, genuine, _ = study
    bootstraps = Comparison(embeddings, pairs, genuine, scores).bootstrap(PROTOCOL, resamples=2)
    table = intervals_table(bootstraps, 0.3)
    assert set(table.unit) == {"pairs"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"qualities": {}}, "needs at least 1 measure and 1 resample, not 0 and 9"),
        ({"resamples": 0}, "needs at least 1 measure and 1 resample, not 2 and 0"),
        ({"genuine": np.ones(400, bool)}, "There are 400 genuine and 0 impostor pairs"),
        ({"rule": "closest"}, "Unknown rule .*; choose one of nearest, conservative, cr-fiqa"),
        ({"fmrs": [0]}, "The target FMR must be above 0 and below 1"),
        ({"people": ["a"] * 400}, r"people must name both sides of each of 400 pairs, not have shape \(400,\)"),
        ({"people": [["a", None]] * 400}, "400 names are missing in people"),
        ({"people": [["a", "b"]] * 400}, "people contradict genuine"),
    ],
)
def test_errors_say_what_was_expected(change, words):
    similarity, genuine, qualities, _ = sample()
    arguments = {"similarity": similarity, "genuine": genuine, "qualities": qualities, "fmrs": [FMR], "resamples": 9}
    with pytest.raises(InputError, match=words):
        bootstrap_curves(**(arguments | change))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("best",), "Unknown quality measure 'best'; choose one of good, poor"),
        (("good", 0.99), "so it has no area from 0 to 0.99"),
        (("good", 0.3, 95), "level must be above 0 and below 1, not 95"),
    ],
)
def test_errors_of_intervals(arguments, words):
    similarity, genuine, qualities, _ = sample()
    (result,) = bootstrap_curves(similarity, genuine, qualities, [FMR], resamples=2)
    with pytest.raises(InputError, match=words):
        result.interval(*arguments)


def areas_only(estimates, resampled):
    """Curves of two steps whose areas up to 0.5 are the given ones."""

    def curve(level):
        ones = np.ones(2)
        return Curve(np.array([0.0, 0.5]), level * 2 * ones, ones, ones, ones, ones, ones, 0.1)

    names = range(len(estimates))
    fnmr = {name: 2 * np.repeat(resampled[name][:, None], 2, axis=1) for name in names}
    return BootstrapCurves({name: curve(estimates[name]) for name in names}, fnmr, "people")


def test_intervals_that_hold_at_once_hold_for_the_best_of_several():
    """Nine equally good measures and a rival as good as they are: the best must seldom look better than it."""
    rng, trials, wrong, naive, anew = np.random.default_rng(0), 400, 0, 0, 0
    for _ in range(trials):
        areas, rival = rng.normal(0, 1, 9), rng.normal(0, 1)
        resampled = areas[:, None] - rival + rng.normal(0, 1, (9, 300)) - rng.normal(0, 1, 300)
        _, high = simultaneous_intervals(areas - rival, resampled)
        best = areas.argmin()
        wrong += high[best] < 0
        naive += np.quantile(resampled[best], 0.975) < 0
        anew += np.quantile(resampled.min(axis=0), 0.975) < 0
    assert wrong / trials < 0.04 and naive / trials > 0.1 and anew / trials > 0.35


def test_intervals_that_hold_at_once_by_hand():
    """Deviations in units of 1 and 10: the first two values stray by −2 … 2, the second by −1 … 3 of its units."""
    unit = np.array([[-2.0, 0, 0, 2], [-1, -1, -1, 3]])
    unit /= unit.std(axis=1, keepdims=True)
    estimates = np.array([5.0, 50])
    low, high = simultaneous_intervals(estimates, estimates[:, None] + unit * [[1], [10]], 0.5)
    ends = np.quantile(unit.min(axis=0), 0.25), np.quantile(unit.max(axis=0), 0.75)
    np.testing.assert_allclose(low, estimates + ends[0] * np.array([1, 10]))
    np.testing.assert_allclose(high, estimates + ends[1] * np.array([1, 10]))
    alone = np.random.default_rng(1).normal(3, 1, (1, 50))
    ends = np.ravel(simultaneous_intervals(np.array([3.0]), alone))
    np.testing.assert_allclose(ends, np.quantile(alone, [0.025, 0.975]))
    assert np.ravel(simultaneous_intervals(np.array([3.0]), np.full((1, 5), 3.0))).tolist() == [3, 3]
    assert np.isnan(simultaneous_intervals(np.array([3.0, 2]), np.array([[3.0], [np.nan]]))).all()
    gap = np.array([[np.nan, 1, 2, 3]])
    np.testing.assert_allclose(np.ravel(simultaneous_intervals(np.array([2.0]), gap, 0.5)), [1.5, 2.5])


def test_those_tied_with_the_best_are_found_in_spite_of_the_choice():
    """Of twelve equally good measures, few are called worse than the best; of the naive differences from it, many."""
    rng, limit, wrong, naive, trials = np.random.default_rng(0), 0.5, 0, 0, 100
    for _ in range(trials):
        estimates = rng.normal(10, 1, 12)
        drawn = areas_only(estimates, estimates[:, None] + rng.normal(0, 1, (12, 300)))
        wrong += sum(difference.low > 0 for difference in drawn.behind_best(limit).values())
        best = int(estimates.argmin())
        naive += sum(drawn.difference(key, best, limit).low > 0 for key in range(12))
    assert wrong / trials / 12 < 0.04 and naive / trials / 12 > 0.08
    clear = areas_only(np.array([10.0, 10.1, 20]), np.array([10.0, 10.1, 20])[:, None] + rng.normal(0, 1, (3, 300)))
    assert list(clear.behind_best(limit)) == [0, 1, 2] and list(clear.behind_best(limit, keys=[2, 1])) == [1, 2]
    best, close, worse = clear.behind_best(limit).values()
    assert best.estimate == best.low == close.low == 0 < best.high and close.estimate == pytest.approx(0.1)
    assert worse.estimate == pytest.approx(10) and 4 < worse.low < 10 < worse.high < 16


def test_a_relative_difference_by_hand():
    areas, others = np.array([1.0, 2, 3, 4, 5, np.nan]), np.array([1.0, 1, 2, 0, 10, 1])
    # 1/1, 2/1, 3/2 and 5/10 minus 1, in order −0.5, 0, 0.5, 1; the percentiles 5 and 95 lie at 0.15 and 2.85 of three.
    np.testing.assert_allclose(excess_of(3, 2, areas, others), [0.5, -0.5 + 0.15 * 0.5, 0.5 + 0.85 * 0.5])
    assert np.isnan(excess_of(1, 0, areas, np.zeros(6))).all()


def test_whoever_looks_for_areas_behind_the_smallest_is_seldom_wrong():
    """Nine equal areas: of their 90 % intervals, in how many trials is any above 0? One by one, it would be many."""
    rng, trials, wrong, one_by_one = np.random.default_rng(0), 300, 0, 0
    for _ in range(trials):
        areas = rng.normal(10, 0.2, 9)
        resampled = areas[:, None] + rng.normal(0, 0.2, (9, 500))
        wrong += (behind_smallest(areas, resampled)[:, 1] > 1e-9).any()
        ratios = zip(areas[:, None] / areas - 1, resampled[:, None] / resampled - 1, strict=True)
        one_by_one += any(simultaneous_intervals(*of, 0.9)[0].max() > 0 for of in ratios)
    assert wrong / trials < 0.08 and one_by_one / trials > 0.1


def test_areas_that_are_alike_are_found_alike_at_the_level_of_one_test():
    """One that is just as much larger as the margin allows is called alike in one trial of 20."""
    rng, trials, margin, within = np.random.default_rng(0), 400, 0.1, 0
    for _ in range(trials):
        areas = rng.normal([10.0, 11.0], 0.2)
        resampled = areas[:, None] + rng.normal(0, 0.2, (2, 300))
        within += (behind_smallest(areas, resampled)[:, 2] < margin).all()
    assert 0.02 < within / trials < 0.08


def test_areas_behind_the_smallest_pair_by_pair():
    rng = np.random.default_rng(0)
    areas = np.array([10.0, 12, 30])
    resampled = areas[:, None] * rng.uniform(0.8, 1.2, (3, 200))
    resampled[1, 0] = 0  # left out
    pairs = [(a, b) for a in range(3) for b in range(3)]
    drawn = np.array([resampled[a, 1:] / resampled[b, 1:] for a, b in pairs])
    ends, _ = simultaneous_intervals(np.log([areas[a] / areas[b] for a, b in pairs]), np.log(drawn), 0.9)
    found = behind_smallest(areas, resampled)
    np.testing.assert_allclose(found[:, 0], [0, 0.2, 2])
    np.testing.assert_allclose(found[:, 1], np.expm1(ends.reshape(3, 3).max(axis=1)))
    np.testing.assert_allclose(found[:, 2], np.quantile(drawn - 1, 0.95, axis=1).reshape(3, 3).max(axis=1), rtol=1e-3)
    assert np.isnan(behind_smallest(np.array([0.0, 1]), np.zeros((2, 5)))).all()
    assert np.isnan(behind_smallest(np.array([1.0, 0, 2]), np.ones((3, 5)))).all()
