"""Verification accuracy against hand-worked folds and a loop over pairs, folds and thresholds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefiqs.errors import InputError
from prefiqs.evaluation.verification import verification_accuracy


def at_distances(distances):
    """Return embeddings and pairs whose squared distances are the given ones: 2 - 2 cos(angle) = distance."""
    cosine = 1 - np.asarray(distances, float) / 2
    rows = np.column_stack([cosine, np.sqrt(1 - cosine**2)])
    return np.vstack([[1.0, 0.0], rows]), np.column_stack([np.zeros(len(rows), int), np.arange(1, len(rows) + 1)])


def loop_accuracy(distances, genuine, fold_of_pair, thresholds):
    accuracies = []
    used = [i for i in range(len(distances)) if fold_of_pair[i] >= 0]
    for fold in sorted({fold_of_pair[i] for i in used}):
        train = [i for i in used if fold_of_pair[i] != fold]
        test = [i for i in used if fold_of_pair[i] == fold]
        candidates = [0.01 * k for k in range(400)]
        if thresholds == "exact":
            candidates = sorted({distances[i] for i in train}) + [float("inf")]
        best, best_correct = None, -1
        for candidate in candidates:
            correct = sum((distances[i] < candidate) == genuine[i] for i in train)
            if correct > best_correct:
                best, best_correct = candidate, correct
        accuracies.append(sum((distances[i] < best) == genuine[i] for i in test) / len(test))
    return accuracies


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_pairs=st.integers(12, 40),
    n_folds=st.integers(2, 6),
    thresholds=st.sampled_from(["grid", "exact"]),
)
def test_equals_the_loop(seed, n_pairs, n_folds, thresholds):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(15, 3))
    pairs, genuine = rng.integers(0, 15, (n_pairs, 2)), rng.random(n_pairs) < 0.5
    fold_of_pair = rng.permutation(np.arange(n_pairs) % (n_folds + 1) - 1)  # -1, left out, is among them
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    distances = [float(np.square(unit[i] - unit[j]).sum()) for i, j in pairs]
    result = verification_accuracy(rows, pairs, genuine, fold_of_pair, thresholds)
    expected = loop_accuracy(distances, genuine.tolist(), fold_of_pair.tolist(), thresholds)
    np.testing.assert_allclose(result.per_fold, expected)
    assert result.mean == pytest.approx(sum(expected) / len(expected))


def test_by_hand():
    # Fold 0: genuine 0.2, impostor 2. Fold 1: genuine 1.005, impostor 3.9.
    rows, pairs = at_distances([0.2, 2, 1.005, 3.9])
    genuine = [True, False, True, False]
    # grid: fold 1 teaches 1.01, right for both of fold 0; fold 0 teaches 0.21, which loses the genuine 1.005.
    grid = verification_accuracy(rows, pairs, genuine, 2)
    assert grid.per_fold.tolist() == [1.0, 0.5]
    assert (grid.mean, grid.std) == (0.75, 0.25)
    # exact: fold 1 teaches 3.9, which takes the impostor 2; fold 0 teaches 2, right for both of fold 1.
    assert verification_accuracy(rows, pairs, genuine, 2, "exact").per_fold.tolist() == [0.5, 1.0]


def test_well_separated_pairs_are_all_right():
    rows, pairs = at_distances([0.1, 0.2, 0.15, 2.0, 2.1, 2.2] * 10)
    result = verification_accuracy(rows, pairs, [True, True, True, False, False, False] * 10)
    assert (result.mean, result.std, len(result.per_fold)) == (1.0, 0.0, 10)


def test_where_all_folds_are_alike_exact_is_the_best_any_threshold_can_do():
    rng = np.random.default_rng(2)
    distances = rng.uniform(1.001, 1.009, 30)  # so close that no step of the grid parts them
    genuine = (distances < 1.005) ^ (rng.random(30) < 0.2)
    rows, pairs = at_distances(np.tile(distances, 3))
    best = max(np.mean((distances < t) == genuine) for t in np.linspace(1, 1.01, 100001))
    exact = verification_accuracy(rows, pairs, np.tile(genuine, 3), 3, "exact").mean
    assert exact == pytest.approx(best)
    assert exact > verification_accuracy(rows, pairs, np.tile(genuine, 3), 3, "grid").mean


def test_a_number_of_folds_means_contiguous_runs_the_first_ones_longer():
    rng = np.random.default_rng(6)
    rows, pairs = at_distances(rng.uniform(0, 3, 7))
    genuine = [True, False, True, True, False, False, True]
    by_number = verification_accuracy(rows, pairs, genuine, 3)
    by_label = verification_accuracy(rows, pairs, genuine, [4, 4, 4, 5, 5, 9, 9])
    assert by_number.per_fold.tolist() == by_label.per_fold.tolist()


def test_length_of_embeddings_is_immaterial():
    rng = np.random.default_rng(7)
    rows, pairs, genuine = rng.normal(size=(40, 8)), rng.integers(0, 40, (100, 2)), rng.random(100) < 0.5
    scaled = rows * rng.uniform(0.5, 20, (40, 1))
    expected = verification_accuracy(rows, pairs, genuine).per_fold
    assert verification_accuracy(scaled, pairs, genuine).per_fold.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"folds": 1}, r"4 pairs can be split into 2 to 4 folds, not 1"),
        ({"folds": 5}, "4 pairs can be split into 2 to 4 folds"),
        ({"folds": 2.0}, "folds must be a whole number"),
        ({"folds": [0, 1, 0]}, r"the fold of each of 4 pairs, not int64 of shape \(3,\)"),
        ({"folds": [0, 0, -1, -1]}, "At least two folds are needed"),
        ({"genuine": [True] * 3}, r"genuine must have one label for each of 4 pairs"),
        ({"thresholds": "fine"}, "Unknown thresholds 'fine'; choose one of grid, exact"),
    ],
)
def test_errors_say_what_was_expected(change, words):
    rows, pairs = at_distances([0.2, 2, 1, 3])
    arguments = {"embeddings": rows, "pairs": pairs, "genuine": [True, False, True, False], "folds": 2}
    with pytest.raises(InputError, match=words):
        verification_accuracy(**(arguments | change))
