"""Groups of people, against the published formulas and loops over images."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from prefiqs.errors import InputError
from prefiqs.evaluation.bootstrap import people_draws, share_interval
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.groups import (
    QUANTILES,
    Grouping,
    differentials,
    gini,
    group_points,
    group_scores,
    mean_discard_gap,
)
from prefiqs.evaluation.operating_points import percentile_points, similarity_thresholds, target_points
from prefiqs.evaluation.pairs import cosine_similarity

NAMES = ["a", "b", "c"]


def gini_by_the_formula(rates):
    n = len(rates)
    distances = sum(abs(rates[i] - rates[j]) for i in range(n) for j in range(n))
    return n / (n - 1) * distances / (2 * n**2 * (sum(rates) / n)) if sum(rates) else np.nan


def gap_by_the_published_loop(groups):
    """Whole scores: the mean over all whole thresholds above the smallest score, up to the largest one."""
    scores, gaps = [score for group in groups for score in group], []
    for threshold in range(min(scores) + 1, max(scores) + 1):
        shares = [sum(score < threshold for score in group) / len(group) for group in groups]
        gaps.append(max(shares) - min(shares))
    return sum(gaps) / len(gaps)


def rejected_below(levels, groups):
    return np.array([[np.mean(np.array(group) < level) for group in groups] for level in levels])


@given(st.lists(st.floats(0, 1, allow_subnormal=False), min_size=2, max_size=6))
def test_gini(rates):
    np.testing.assert_allclose(gini(np.array(rates)), gini_by_the_formula(rates), atol=1e-12)


def test_gini_of_extremes():
    np.testing.assert_allclose(gini(np.array([[0.2, 0.2, 0.2], [0, 0, 0.3], [0, 0, 0]])), [0, 1, np.nan], atol=1e-12)


@given(st.lists(st.lists(st.integers(0, 100), min_size=1, max_size=9), min_size=2, max_size=4))
def test_the_mean_discard_gap_of_whole_scores_is_the_published_one(groups):
    levels = np.unique(np.concatenate(groups)).astype(float)
    if len(levels) > 1:
        found = mean_discard_gap(levels, rejected_below(levels, groups))
        assert found == pytest.approx(gap_by_the_published_loop(groups))
        assert mean_discard_gap(3 * levels - 7, rejected_below(levels, groups)) == pytest.approx(found)  # any scale


def test_images_without_a_score_are_below_every_threshold():
    levels = np.array([-np.inf, 0, 1])
    assert mean_discard_gap(levels, rejected_below(levels, [[-np.inf, 1], [0, 1]])) == 0  # half of each is below 1
    assert mean_discard_gap(levels, rejected_below(levels, [[-np.inf, 0], [0, 0]])) == 0
    assert mean_discard_gap(levels, rejected_below(levels, [[-np.inf, 1], [1, 1]])) == 0.5


@pytest.fixture(scope="module")
def study():
    rng = np.random.default_rng(3)
    person = np.repeat(np.arange(24), 5)
    of_people = np.array([0] * 12 + [1] * 8 + [2] * 3 + [-1])
    group = of_people[person]
    scores = rng.normal(size=120) + np.array([0.6, 0, 0.3, 0])[group]
    scores[[7, 70]] = -np.inf
    embeddings = rng.normal(size=(24, 9))[person] + np.exp(-np.maximum(scores, -3))[:, None] * rng.normal(size=(120, 9))
    pairs = np.column_stack(np.triu_indices(120, 1))
    genuine = person[pairs[:, 0]] == person[pairs[:, 1]]
    comparison = Comparison({"v": embeddings}, pairs, genuine, {"m": scores, "other": rng.random(120)})
    thresholds = similarity_thresholds(comparison, [0.05])
    points = pd.concat(
        [percentile_points(comparison, thresholds, (0, 10, 40)), target_points(comparison, thresholds, [1e-9])],
        ignore_index=True,
    )
    return comparison, points, Grouping(NAMES, group, person), cosine_similarity(embeddings, pairs), genuine


def drawn_people(resamples):
    rng = np.random.default_rng(1)
    return [rng.integers(0, 24, 24) for _ in range(resamples)]


def test_points_of_groups_against_counting(study):
    comparison, points, grouping, similarity, genuine = study
    draws = people_draws(24, 60, 1)
    table = group_points(comparison, points, grouping, draws)
    assert len(table) == 2 * 3 * 3  # without those that no threshold reaches
    for row in table.itertuples():
        number, scores = NAMES.index(row.group), comparison.scores[row.key]
        lost, errors = {p: [] for p in range(24)}, {p: [] for p in range(24)}
        for image in np.flatnonzero(grouping.group == number):
            lost[grouping.person[image]].append(scores[image] < row.rejection_threshold)
        n_pairs = 0
        for (a, b), same, s in zip(comparison.pairs, genuine, similarity, strict=True):
            if same and grouping.group[a] == number == grouping.group[b]:
                n_pairs += 1
                if min(scores[a], scores[b]) >= row.rejection_threshold:
                    errors[grouping.person[a]].append(s <= row.similarity_threshold)
        assert (row.people, row.images, row.genuine) == ([12, 8, 3][number], [60, 40, 15][number], n_pairs)
        for items, found in (
            (lost, (row.rejected, row.rejected_low, row.rejected_high)),
            (errors, (row.fnmr, row.fnmr_low, row.fnmr_high)),
        ):
            of_all = [item for of in items.values() for item in of]
            assert found[0] == pytest.approx(np.mean(of_all))
            if 0 < np.mean(of_all) < 1:
                resampled = [[item for p in people for item in items[p]] for people in drawn_people(60)]
                ends = np.quantile([np.mean(of) for of in resampled if of], [0.025, 0.975])
                assert found[1:] == pytest.approx(tuple(ends))
            else:
                people = sum(bool(of) for of in items.values())
                exact = binomtest(int(people * np.mean(of_all)), people).proportion_ci(method="exact")
                assert found[1:] == pytest.approx(tuple(exact))


def test_shares_without_resamples_or_items():
    draws = people_draws(3, 0, 0)
    assert draws.shape == (0, 3)
    assert np.isnan(share_interval(np.array([1, 0, 0]), np.array([2, 1, 0]), draws)).all()
    assert np.isnan(share_interval(np.zeros(3), np.zeros(3), people_draws(3, 9, 0))).all()


def test_draws_of_many_people_take_little_memory():
    tracemalloc.start()
    draws = people_draws(50_000, 100, 1)
    drawn = tracemalloc.get_traced_memory()[1]
    total = np.full(50_000, 3)
    tracemalloc.reset_peak()
    low, high = share_interval(total // 2, total, draws)
    used = tracemalloc.get_traced_memory()[1] - draws.nbytes
    tracemalloc.stop()
    assert draws.sum(axis=1).tolist() == [50_000] * 100 and draws.nbytes == 100 * 50_000 * 2
    assert drawn < 1.2 * draws.nbytes and used < 1.5 * 2**20 * 8 + 4 * total.nbytes
    assert low == high == pytest.approx(1 / 3)


def test_spread_of_scores(study):
    comparison, _, grouping, *_ = study
    table = group_scores(comparison, grouping, people_draws(24, 60, 1)).set_index(["key", "group"])
    for number, name in enumerate(NAMES):
        row, own = table.loc[("m", name)], grouping.group == number
        values = comparison.scores["m"][own]
        scored = np.isfinite(values)
        assert row["without_score"] == pytest.approx(1 - scored.mean())
        for q in QUANTILES:
            column = f"q{100 * q:g}"
            assert row[column] == np.quantile(values[scored], q, method="inverted_cdf")
            resampled = []
            for people in drawn_people(60):
                of = [comparison.scores["m"][own & (grouping.person == p)] for p in people]
                of = np.concatenate(of)
                if np.isfinite(of).any():
                    resampled.append(np.quantile(of[np.isfinite(of)], q, method="inverted_cdf"))
            ends = np.quantile(resampled, [0.025, 0.975])
            assert (row[f"{column}_low"], row[f"{column}_high"]) == pytest.approx(tuple(ends))


def test_differentials_against_loops(study):
    comparison, points, grouping, *_ = study
    table = differentials(comparison, points, grouping, people_draws(24, 60, 1), seed=4)
    assert len(table) == 6
    scores, rng = comparison.scores["m"], np.random.default_rng(4)
    of_people = np.array([0] * 12 + [1] * 8 + [2] * 3)

    def by_loops(level, people, of_people):
        groups = [np.concatenate([scores[grouping.person == p] for p in people if p < 23 and of_people[p] == g] or [[]])
                  for g in range(3)]  # fmt: skip
        if any(len(group) == 0 for group in groups):
            return np.nan
        return gini_by_the_formula([np.mean(group < level) for group in groups])

    exchanged = [rng.permutation(of_people) for _ in range(60)]
    for row in table[table["key"] == "m"].itertuples():
        level = row.rejection_threshold
        assert row.fta_dd == pytest.approx(by_loops(level, range(24), of_people))
        resampled = [by_loops(level, people, of_people) for people in drawn_people(60)]
        assert (row.fta_dd_low, row.fta_dd_high) == pytest.approx(tuple(np.nanquantile(resampled, [0.025, 0.975])))
        by_chance = [by_loops(level, range(24), groups) for groups in exchanged]
        assert row.fta_dd_chance == pytest.approx(np.nanquantile(by_chance, 0.95))
    # The discard gap as a sum over a fine grid of thresholds.
    labelled = grouping.group >= 0
    finite = scores[labelled & np.isfinite(scores)]
    grid = np.linspace(finite.min(), finite.max(), 20_001)[1:]
    groups = [scores[grouping.group == g] for g in range(3)]
    assert row.mdg_dd == pytest.approx(np.ptp(rejected_below(grid, groups), axis=1).mean(), abs=1e-4)
    assert row.mdg_dd_low < row.mdg_dd < row.mdg_dd_high and 0 < row.mdg_dd_chance < 1


@pytest.mark.parametrize(("shift", "differs"), [(0.0, False), (2.0, True)])
def test_chance_tells_a_difference_from_none(shift, differs):
    rng, above = np.random.default_rng(9), []
    person, pairs = np.repeat(np.arange(40), 5), np.array([[0, 1], [0, 5]])
    group = (person >= 25).astype(int)
    for _ in range(20):
        scores = rng.normal(size=40)[person] + rng.normal(size=200) - shift * group
        comparison = Comparison({"v": rng.normal(size=(200, 4))}, pairs, [True, False], {"m": scores})
        points = pd.DataFrame({"key": ["m"], "rejection_threshold": [np.quantile(scores, 0.2)]})
        row = differentials(comparison, points, Grouping(["a", "b"], group, person), people_draws(40, 100, 0)).iloc[0]
        above.append((row["fta_dd"] > row["fta_dd_chance"], row["mdg_dd"] > row["mdg_dd_chance"]))
    assert (np.mean(above, axis=0) > 0.9).all() if differs else (np.mean(above, axis=0) <= 0.15).all()


def test_without_resamples_and_with_people_in_two_groups(study):
    comparison, points, grouping, *_ = study
    alone = differentials(comparison, points, grouping, people_draws(24, 0, 0))
    assert alone["fta_dd"].notna().any() and alone.filter(regex="low|high|chance").isna().all(axis=None)
    glasses = Grouping(["no", "yes"], np.arange(120) % 2, grouping.person)
    assert glasses.of_people() is None and grouping.of_people().tolist() == [0] * 12 + [1] * 8 + [2] * 3 + [-1]
    mixed = differentials(comparison, points, glasses, people_draws(24, 20, 0))
    assert mixed["mdg_dd_high"].notna().all() and mixed["mdg_dd_chance"].isna().all()
    # Of the five images of a person, two or three are in each group: one or three pairs.
    assert (group_points(comparison, points, glasses, people_draws(24, 0, 0))["genuine"] == 12 * 1 + 12 * 3).all()


def test_one_group_cannot_be_compared(study):
    comparison, points, grouping, *_ = study
    with pytest.raises(InputError, match="at least two are needed, not 1"):
        differentials(comparison, points, Grouping(["a"], grouping.group * 0, grouping.person), people_draws(24, 0, 0))
