"""The error-versus-discard curve against numbers worked by hand and against a loop written from the definition."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefiqs.errors import InputError
from prefiqs.evaluation.discarding import Discarding, SimilarityRanks, sort_by_quality
from prefiqs.evaluation.edc import EdcProtocol, discard_grid, error_discard_curve

# Four genuine and six impostor pairs. Impostor similarities in falling order: .7 .5 .4 .2 .1 0.
SIMILARITY = [0.9, 0.8, 0.3, 0.45, 0.7, 0.2, 0.1, 0.0, 0.4, 0.5]
GENUINE = [True, True, True, True, False, False, False, False, False, False]
QUALITY = [0.9, 0.1, 0.2, 0.8, 0.05, 0.5, 0.6, 0.7, 0.3, 0.4]
GRID = [0, 0.1, 0.2, 0.3]


def loop_threshold(impostors, target, rule):
    """Try every impostor similarity; rates are exact fractions."""
    rates = {t: Fraction(sum(s > t for s in impostors), len(impostors)) for t in set(impostors)}
    if rule == "conservative":
        return max((t for t in rates if rates[t] <= target), key=lambda t: rates[t])
    return min(rates, key=lambda t: (abs(rates[t] - target), -rates[t]))


def published_threshold(scores, impostors, target):
    """CR-FIQA's: every score is tried, impostors at it match, and among equally near rates the smallest is taken."""
    rates = {t: Fraction(sum(s >= t for s in impostors), len(impostors)) for t in set(scores)}
    return min(rates, key=lambda t: (abs(rates[t] - target), t))


def loop_curve(similarity, genuine, quality, target, grid, threshold, rule, pairs):
    """Return (fnmr, threshold, fmr, n_genuine, n_impostor, fmr_resolvable) for each fraction of `grid`."""
    everyone = range(len(similarity))
    turn = {int(i): place for place, i in enumerate(np.random.default_rng(0).permutation(len(similarity)))}
    order = sorted((i for i in everyone if pairs == "all" or genuine[i]), key=lambda i: (quality[i], turn[i]))

    def chosen(impostors, mates):
        if rule == "cr-fiqa":
            return published_threshold(impostors + mates, impostors, target)
        return loop_threshold(impostors, target, rule)

    start = chosen(*([similarity[i] for i in everyone if genuine[i] == kind] for kind in (False, True)))
    points = []
    for fraction in grid:
        dropped = set(order[: fraction.numerator * len(order) // fraction.denominator])
        impostors = [similarity[i] for i in everyone if i not in dropped and not genuine[i]]
        mates = [similarity[i] for i in everyone if i not in dropped and genuine[i]]
        t = start
        if threshold == "recomputed":
            t = chosen(impostors, mates) if impostors else math.nan
        false_matches = sum(s > t or (rule == "cr-fiqa" and s == t) for s in impostors)
        fmr = false_matches / len(impostors) if impostors else math.nan
        fnmr = sum(not s > t for s in mates) / len(mates) if mates and not math.isnan(t) else math.nan
        points.append((fnmr, t, fmr, len(mates), len(impostors), len(impostors) >= 1 / target))
    return points


def columns(curve):
    return [curve.fnmr, curve.thresholds, curve.fmr, curve.n_genuine, curve.n_impostor, curve.fmr_resolvable]


@st.composite
def comparisons(draw):
    """Few distinct values, so that similarities and qualities tie often; at least one pair of each kind."""
    pair = st.tuples(st.integers(0, 12), st.booleans(), st.integers(0, 6))
    drawn = draw(st.lists(pair, min_size=0, max_size=40)) + [
        (draw(st.integers(0, 12)), kind, 3) for kind in (True, False)
    ]
    drawn = draw(st.permutations(drawn))
    return tuple(map(list, zip(*drawn, strict=True)))


@settings(max_examples=300, deadline=None)
@given(
    data=comparisons(),
    target=st.sampled_from([Fraction(1, 1000), Fraction(1, 10), Fraction(1, 4), Fraction(1, 3), Fraction(1, 2)]),
    threshold=st.sampled_from(["recomputed", "fixed"]),
    rule=st.sampled_from(["nearest", "conservative", "cr-fiqa"]),
    pairs=st.sampled_from(["all", "genuine"]),
)
def test_equals_the_loop(data, target, threshold, rule, pairs):
    grid = [Fraction(k, 20) for k in range(20)]
    expected = loop_curve(*data, target, grid, threshold, rule, pairs)
    curve = error_discard_curve(*data, fmr=float(target), threshold=threshold, rule=rule, pairs=pairs)
    np.testing.assert_array_equal(curve.discard, [float(f) for f in grid])
    for got, wanted in zip(columns(curve), zip(*expected, strict=True), strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("threshold", ["recomputed", "fixed"])
def test_equals_the_published_rule_on_many_pairs_without_ties(threshold):
    rng, n_pairs, grid = np.random.default_rng(7), 1200, [Fraction(k, 10) for k in (0, 1, 3, 8)]
    genuine, quality = rng.random(n_pairs) < 0.3, rng.random(n_pairs)
    similarity = rng.normal(size=n_pairs) + genuine + quality
    assert len(set(similarity)) == len(set(quality)) == n_pairs
    data = similarity.tolist(), genuine.tolist(), quality.tolist()
    expected = loop_curve(*data, Fraction(1, 100), grid, threshold, "cr-fiqa", "all")
    curve = error_discard_curve(*data, 0.01, [float(f) for f in grid], threshold, "cr-fiqa")
    for got, wanted in zip(columns(curve), zip(*expected, strict=True), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_recomputed_by_hand():
    # Target .2. 6 impostors: 1/6 is nearer than 2/6, so the threshold is .5 and .3, .45 fail. Then the impostor .7 goes
    # (quality .05): 1/5 at threshold .4, only .3 fails. Then the genuine .8 goes, then the genuine .3.
    curve = error_discard_curve(SIMILARITY, GENUINE, QUALITY, fmr=0.2, discard=GRID)
    np.testing.assert_allclose(curve.fnmr, [2 / 4, 1 / 4, 1 / 3, 0])
    np.testing.assert_allclose(curve.thresholds, [0.5, 0.4, 0.4, 0.4])
    np.testing.assert_allclose(curve.fmr, [1 / 6, 1 / 5, 1 / 5, 1 / 5])
    np.testing.assert_array_equal(curve.n_genuine, [4, 4, 3, 2])
    np.testing.assert_array_equal(curve.n_impostor, [6, 5, 5, 5])
    assert curve.target_fmr == 0.2


def test_fixed_by_hand():
    curve = error_discard_curve(SIMILARITY, GENUINE, QUALITY, fmr=0.2, discard=GRID, threshold="fixed")
    np.testing.assert_allclose(curve.fnmr, [2 / 4, 2 / 4, 2 / 3, 1 / 2])
    np.testing.assert_allclose(curve.thresholds, [0.5] * 4)
    np.testing.assert_allclose(curve.fmr, [1 / 6, 0, 0, 0])


def test_genuine_only_by_hand():
    curve = error_discard_curve(SIMILARITY, GENUINE, QUALITY, fmr=0.2, discard=[0, 0.25, 0.5], pairs="genuine")
    np.testing.assert_allclose(curve.fnmr, [2 / 4, 2 / 3, 1 / 2])
    np.testing.assert_array_equal(curve.n_genuine, [4, 3, 2])
    np.testing.assert_array_equal(curve.n_impostor, [6, 6, 6])


def test_rules_by_hand():
    # 0.3 * 6 = 1.8: two false matches are nearer, one is the most that is not above.
    nearest, conservative = (
        error_discard_curve(SIMILARITY, GENUINE, QUALITY, 0.3, [0], rule=rule) for rule in ("nearest", "conservative")
    )
    assert (nearest.thresholds[0], nearest.fnmr[0]) == (0.4, 1 / 4)
    assert (conservative.thresholds[0], conservative.fnmr[0]) == (0.5, 2 / 4)


def test_a_step_needs_one_over_fmr_impostors_to_be_resolvable():
    curve = error_discard_curve(SIMILARITY, GENUINE, QUALITY, fmr=1 / 6, discard=GRID)
    assert curve.fmr_resolvable.tolist() == [True, False, False, False]


def test_reliability_is_exact():
    assert 49 * (1 / 49) < 1  # in floats, which must not decide
    curve = error_discard_curve(np.arange(50), np.arange(50) == 0, np.arange(50), fmr=1 / 49, discard=[0, 0.1])
    assert curve.fmr_resolvable.tolist() == [True, False]


def test_equal_qualities_fall_in_a_random_order():
    """Whatever the order of the list, so neither kind goes first; standard deviation of the genuine ones left: 8."""
    similarity, quality = np.arange(1000), np.zeros(1000)
    for genuine in (np.arange(1000) < 500, np.arange(1000) >= 500, np.arange(1000) % 2 == 0):
        curve = error_discard_curve(similarity, genuine, quality, 0.1, [0, 0.5])
        assert abs(curve.n_genuine[1] - 250) < 40
        again = error_discard_curve(similarity, genuine, quality, 0.1, [0, 0.5])
        assert again.n_genuine.tolist() == curve.n_genuine.tolist()


def test_no_impostor_left_gives_nan_not_zero():
    curve = error_discard_curve([1, 5, 6], [False, True, True], [0, 1, 2], 0.5, [0, 0.4])
    assert (curve.thresholds[0], curve.fnmr[0]) == (1, 0)
    assert np.isnan([curve.thresholds[1], curve.fnmr[1], curve.fmr[1]]).all()
    assert not curve.fmr_resolvable[1]


@pytest.mark.parametrize("n_pairs", [100, 300, 700])
@pytest.mark.parametrize("grid", [np.arange(100) / 100, np.arange(0, 0.995, 0.01), np.linspace(0, 0.99, 100)])
def test_the_number_dropped_is_exact(n_pairs, grid):
    # Plain floats miss here: floor(0.29 * 100) is 28, and arange and linspace differ from k / 100 in the last digit.
    genuine = np.arange(n_pairs) % 2 == 0
    curve = error_discard_curve(np.arange(n_pairs), genuine, np.arange(n_pairs), 0.1, grid)
    expected = [n_pairs - k * n_pairs // 100 for k in range(100)]
    assert (curve.n_genuine + curve.n_impostor).tolist() == expected


@pytest.mark.parametrize(
    ("fraction", "n_pairs", "left"), [(0.15, 100, 85), (1 / 3, 300, 200), (0.05, 39, 38), (0.05, 40, 38)]
)
def test_the_number_dropped_by_hand(fraction, n_pairs, left):
    curve = error_discard_curve(np.arange(n_pairs), np.arange(n_pairs) % 2, np.zeros(n_pairs), 0.1, [fraction])
    assert curve.n_genuine[0] + curve.n_impostor[0] == left


@pytest.mark.parametrize("threshold", ["recomputed", "fixed"])
def test_increasing_maps_of_similarity_and_quality_change_nothing(threshold):
    rng = np.random.default_rng(3)
    similarity, quality = rng.integers(-50, 50, 400), rng.integers(0, 30, 400)
    genuine = rng.random(400) < 0.4
    before = error_discard_curve(similarity, genuine, quality, 0.03, threshold=threshold)
    after = error_discard_curve(similarity**3 + 7, genuine, np.exp(quality), 0.03, threshold=threshold)
    assert 0 < before.fnmr[0] < 1
    np.testing.assert_array_equal(after.fnmr, before.fnmr)
    np.testing.assert_array_equal(after.thresholds, before.thresholds**3 + 7)


def test_float32_input_gives_the_curve_of_its_exact_values():
    rng = np.random.default_rng(4)
    similarity, quality = rng.random(500, np.float32), rng.random(500, np.float32)
    genuine = rng.random(500) < 0.5
    single = error_discard_curve(similarity, genuine, quality, 0.01)
    double = error_discard_curve(similarity.astype(float), genuine, quality.astype(float), 0.01)
    for got, wanted in zip(columns(single), columns(double), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_fixed_and_recomputed_agree_before_anything_is_dropped():
    rng = np.random.default_rng(5)
    similarity, quality, genuine = rng.random(300), rng.random(300), rng.random(300) < 0.5
    fixed, recomputed = (
        error_discard_curve(similarity, genuine, quality, 0.02, threshold=kind) for kind in ("fixed", "recomputed")
    )
    for a, b in zip(columns(fixed), columns(recomputed), strict=True):
        assert a[0] == b[0]
    assert (fixed.thresholds != recomputed.thresholds).any()


def test_a_quality_that_knows_the_errors_brings_the_fnmr_down_to_zero():
    genuine = np.array([True] * 100 + [False] * 100)
    similarity = np.r_[np.full(10, 0.1), np.full(90, 0.9), np.linspace(0, 0.5, 100)]
    quality = np.r_[np.zeros(10), np.ones(190)]
    curve = error_discard_curve(similarity, genuine, quality, 0.01, [0, 0.05, 0.1])
    assert (curve.fnmr[0], curve.fnmr[1]) == (0.1, 0)


def test_a_grid_of_very_many_steps():
    rng = np.random.default_rng(6)
    similarity, genuine, quality = rng.random(900), rng.random(900) < 0.3, rng.random(900)
    fine = error_discard_curve(similarity, genuine, quality, 0.05, np.arange(40_000) / 40_000)
    coarse = error_discard_curve(similarity, genuine, quality, 0.05)
    for got, wanted in zip(columns(fine), columns(coarse), strict=True):
        np.testing.assert_array_equal(got[::2000], wanted)


def test_several_targets_in_one_go_equal_single_calls():
    targets = [0.5, 0.2, 0.2]
    ranks = SimilarityRanks(SIMILARITY, GENUINE)
    discarding = Discarding(ranks, targets, np.array(GRID), "recomputed", "nearest")
    curves = discarding.curves(sort_by_quality(QUALITY))
    assert [curve.target_fmr for curve in curves] == targets
    for curve, target in zip(curves, targets, strict=True):
        expected = loop_curve(
            SIMILARITY,
            GENUINE,
            QUALITY,
            Fraction(str(target)),
            [Fraction(k, 10) for k in range(4)],
            "recomputed",
            "nearest",
            "all",
        )
        np.testing.assert_array_equal(curve.fnmr, [point[0] for point in expected])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"genuine": GENUINE[:-1]}, r"genuine must have one label for each of 10 pairs, but has the shape \(9,\)"),
        ({"genuine": [2] + GENUINE[1:]}, "genuine must be True for each genuine and False"),
        ({"genuine": [True] * 10}, "There are 10 genuine and 0 impostor pairs"),
        ({"pair_quality": QUALITY[:-2]}, "pair_quality has 8 values, but there are 10 items"),
        ({"pair_quality": [math.nan] + QUALITY[1:]}, "pair_quality has 1 NaN"),
        ({"similarity": [math.nan] * 2 + SIMILARITY[2:]}, "similarity has 2 NaN"),
        ({"similarity": [SIMILARITY]}, r"similarity must be a 1-D array of numbers, .* of shape \(1, 10\)"),
        ({"fmr": 0}, "The target FMR must be above 0 and below 1"),
        ({"fmr": math.nan}, "The target FMR must be above 0 and below 1"),
        ({"discard": [0, 1]}, "discard must contain ascending fractions"),
        ({"discard": [0, 0.2, 0.1]}, "discard must contain ascending fractions"),
        ({"discard": []}, "discard must contain ascending fractions"),
        ({"threshold": "moving"}, "Unknown threshold 'moving'; choose one of recomputed, fixed"),
        ({"rule": "closest"}, "Unknown rule 'closest'; choose one of nearest, conservative"),
        ({"pairs": "impostor"}, "Unknown pairs 'impostor'; choose one of all, genuine"),
    ],
)
def test_errors_say_what_was_expected(change, words):
    arguments = {"similarity": SIMILARITY, "genuine": GENUINE, "pair_quality": QUALITY, "fmr": 0.2}
    with pytest.raises(InputError, match=words):
        error_discard_curve(**(arguments | change))


@pytest.mark.parametrize(
    "step", [0.05, 0.125, 0.2, 0.25, 0.5, 0.02, 0.03, 0.04, 0.1, 0.15, 0.3, 1 / 3, 0.07, 0.95, 0.001]
)
def test_the_discard_grid_ends_at_the_last_step_below_1(step):
    exact = Fraction(step).limit_denominator(1000)
    expected = [float(k * exact) for k in range(1001) if k * exact < 1]
    assert discard_grid(step).tolist() == expected
    limits = [step, expected[-1], step + (expected[-1] - step) / 3]
    curve = error_discard_curve(SIMILARITY, GENUINE, QUALITY, 0.2, discard_grid(step))
    for limit in limits:  # every limit that a protocol allows lies on its curves
        curve.pauc(EdcProtocol((0.2,), step=step, limit=limit).limit)


def test_the_usual_grid_is_the_default():
    assert discard_grid(0.05).tolist() == (np.arange(20) / 20).tolist()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step": 0}, "step of the discard fraction must be above 0 and below 1, not 0"),
        ({"step": 1.0}, "step of the discard fraction must be above 0 and below 1, not 1.0"),
        ({"step": 0.1, "limit": 0.95}, r"from 0\.1 to 0\.9, not 0\.95"),
        ({"step": 0.4}, r"from 0\.4 to 0\.8, not 0\.3"),
        ({"fmrs": ()}, "one or more distinct target FMRs, not none"),
        ({"fmrs": (0.1, 0.1)}, "one or more distinct target FMRs, not 0.1, 0.1"),
        ({"fmrs": (0.1, 1)}, "target FMR must be above 0 and below 1, not 1"),
        ({"threshold": "moving"}, "Unknown threshold 'moving'"),
        ({"rule": "closest"}, "Unknown rule 'closest'"),
    ],
)
def test_protocols_that_make_no_sense(change, words):
    with pytest.raises(InputError, match=words):
        EdcProtocol(**change)
