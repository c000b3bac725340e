"""Relative classifiability against a loop over photos and people."""

import numpy as np
from small_networks import unit_rows
from student.targets import class_centres, classifiability

PEOPLE = np.array(["b", "a", "b", "c", "b", "a", "d", "a", "a", "c", "e", "e", "e"])


def embeddings(seed):
    return unit_rows(np.random.default_rng(seed).normal(size=(len(PEOPLE), 6))).astype(np.float32)


def by_hand(copies, clean):
    result = []
    enough = [p for p in np.unique(PEOPLE) if (p == PEOPLE).sum() >= 3]
    for i, person in enumerate(PEOPLE):
        if person not in enough:
            result.append(np.nan)
            continue
        mean = np.mean([clean[j] for j in range(len(PEOPLE)) if PEOPLE[j] == person and j != i], axis=0)
        ccs = copies[i] @ (mean / np.sqrt(mean @ mean))
        others = [np.mean(clean[p == PEOPLE], axis=0) for p in enough if p != person]
        nnccs = max(copies[i] @ (c / np.sqrt(c @ c)) for c in others)
        result.append(ccs / (nnccs + 1 + 1e-9))
    return np.array(result)


def test_classifiability_is_that_of_a_loop():
    clean, copies = embeddings(0), embeddings(1)
    for rows in (clean, copies):
        found = classifiability(rows, clean, PEOPLE)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, by_hand(rows, clean), atol=1e-6)
    assert np.isnan(found).sum() == 3  # two photos of c, one of d


def test_sums_and_counts_of_people_with_enough_photos():
    sums, counts, rows = class_centres(embeddings(0), PEOPLE)
    assert counts.tolist() == [4, 3, 3]
    assert rows.tolist() == [1, 0, 1, -1, 1, 0, -1, 0, 0, -1, 2, 2, 2]
    np.testing.assert_allclose(sums[1], embeddings(0)[PEOPLE == "b"].sum(0), atol=1e-6)
