"""Error-versus-discard curves at the size of IJB-C, against what is published and against sorting again with NumPy."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace

import numpy as np
from benchmarks.harness import Figure, dearer, seconds_of
from benchmarks.plain import edc_by_numpy, edc_by_python_tuples

from prefiqs.evaluation.bootstrap import bootstrap_curves, resampled_weights
from prefiqs.evaluation.discarding import Discarding, SimilarityRanks, sort_by_quality
from prefiqs.evaluation.pairs import cosine_similarity, pair_levels, pair_quality
from prefiqs.evaluation.templates import pool_templates

PAIRS, GENUINE_SHARE = 15_658_489, 19_557 / 15_658_489  # IJB-C, 1:1
METHODS, FMRS, DISCARD, LIMIT = 13, (1e-3, 1e-4), np.arange(20) / 20, 0.3
IMAGES, TEMPLATES, WIDTH = 469_375, 23_124, 512
RESAMPLED_PAIRS, PEOPLE, RESAMPLES = 300_000, 400, 50


def run() -> Iterator[Figure]:
    """Both EDC rows, their cost by size, and pooling."""
    costs = {n: seconds_of(partial(ours, *drawn(n))) for n in (10_000, 100_000, 1_000_000)}
    similarity, genuine, scores, pairs = drawn(100_000)
    lists = [a.tolist() for a in (similarity, genuine, pair_quality(scores[0], pairs))]
    slow = seconds_of(partial(edc_by_python_tuples, *lists, FMRS, DISCARD))
    similarity, genuine, scores, pairs = drawn(PAIRS)
    took = costs[PAIRS] = seconds_of(partial(ours, similarity, genuine, scores, pairs))
    quality = pair_quality(scores[0], pairs)
    numpy = seconds_of(partial(edc_by_numpy, similarity, genuine, quality, FMRS, DISCARD))
    scaled = slow * METHODS * PAIRS / 100_000
    details = {f"seconds, {n:,} pairs": round(s, 3) for n, s in costs.items()}
    details["peak memory of the process, GB"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)
    work = f"EDC and pAUC, {PAIRS:,} pairs, {METHODS} methods, 20 fractions, 2 FMRs"
    published = "sorting Python tuples anew for each method, scaled up from 100,000 pairs of one"
    yield Figure(work, published, *[scaled / took] * 3, "≥ 100", details)
    yield Figure(
        work, "sorting with NumPy anew for each method, scaled up from one", *[METHODS * numpy / took] * 3, "≥ 6"
    )
    yield bootstrap()
    yield pooling()


def drawn(n: int) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], np.ndarray]:
    """Similarities and genuine flags of n pairs, the scores of their templates by 13 methods, and the pairs."""
    rng = np.random.default_rng(0)
    genuine = rng.random(n) < max(GENUINE_SHARE, 200 / n)
    similarity = rng.normal(0.05, 0.12, n) + 0.5 * genuine
    return similarity, genuine, [rng.random(TEMPLATES) for _ in range(METHODS)], rng.integers(0, TEMPLATES, (n, 2))


def ours(similarity: np.ndarray, genuine: np.ndarray, scores: list[np.ndarray], pairs: np.ndarray) -> list[float]:
    """pAUC of every method at every FMR."""
    by_similarity = SimilarityRanks(similarity, genuine)
    discarding = Discarding(by_similarity, FMRS, DISCARD, "recomputed", "nearest")
    areas = []
    for of_method in scores:
        order = sort_by_quality(pair_levels(of_method, pairs))
        areas += [curve.pauc(LIMIT) for curve in discarding.curves(order)]
    return areas


def bootstrap() -> Figure:
    """Intervals of all methods against sorting the pairs of each resample again."""
    rng = np.random.default_rng(0)
    people = rng.integers(0, PEOPLE, (RESAMPLED_PAIRS, 2))
    people[: RESAMPLED_PAIRS // 3, 1] = people[: RESAMPLED_PAIRS // 3, 0]  # genuine pairs
    genuine = people[:, 0] == people[:, 1]
    similarity = rng.normal(0.05, 0.12, RESAMPLED_PAIRS) + 0.5 * genuine
    qualities = [rng.random(RESAMPLED_PAIRS) for _ in range(METHODS)]
    orders = {method: sort_by_quality(quality) for method, quality in enumerate(qualities)}
    up_to = DISCARD[LIMIT >= DISCARD]
    discarding = Discarding(SimilarityRanks(similarity, genuine), FMRS, up_to, "recomputed", "nearest")
    took = seconds_of(partial(bootstrap_curves, {"verifier": discarding}, orders, people, RESAMPLES))
    [weights] = resampled_weights(genuine, people, 1, 0)
    drawn = (np.repeat(values, weights) for values in (similarity, genuine, qualities[0]))
    numpy = METHODS * RESAMPLES * seconds_of(partial(edc_by_numpy, *drawn, FMRS, up_to))
    work = f"bootstrap, {RESAMPLED_PAIRS:,} pairs of {PEOPLE} people, {METHODS} methods, 2 FMRs"
    details = {"seconds, 1,000 resamples": round(1000 * took / RESAMPLES, 1)}
    return Figure(
        work, "sorting each resample anew with NumPy, scaled up from one", *[numpy / took] * 3, "≥ 6", details
    )


def pooling() -> Figure:
    """Templates and similarities of IJB-C's size against one copy of the bytes that they read."""
    rng = np.random.default_rng(0)
    with tempfile.NamedTemporaryFile() as file:
        embeddings = np.memmap(file, np.float32, "w+", shape=(IMAGES, WIDTH))
        for start in range(0, IMAGES, 65_536):
            block = embeddings[start : start + 65_536]
            block[:] = rng.standard_normal(block.shape, np.float32)
        rows = np.sort(np.concatenate([np.arange(TEMPLATES), rng.integers(0, TEMPLATES, IMAGES - TEMPLATES)]))
        templates = SimpleNamespace(rows=rows, media=rng.integers(0, 5, IMAGES))
        pairs = rng.integers(0, TEMPLATES, (PAIRS, 2))
        gathered = np.empty((2 * PAIRS // 64, WIDTH), np.float32)  # what the pairs read, a part at a time

        def copy():
            np.copyto(target, embeddings)
            for _ in range(64):
                np.copyto(gathered, source)

        target, source = np.empty((IMAGES, WIDTH), np.float32), np.zeros_like(gathered)
        return dearer(
            f"template pooling and {PAIRS:,} similarities, {IMAGES:,} × {WIDTH} embeddings", "copying the same bytes",
            lambda: cosine_similarity(pool_templates(embeddings, templates), pairs), copy, turns=1,
            **{"peak memory of the process, GB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)},
        )  # fmt: skip
