"""Cross-quality benchmarks: the faces of another benchmark in several graded degradations (counterpart of XQLFW)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.pairs import cross_source_pairs
from prefiqs.faces.degrade import degrade


def build_cross_quality(
    name: str, source: Benchmark, copies: int, strongest: Mapping[str, float], impostors: int, seed: int
) -> Benchmark:
    """Take every face of a benchmark as it is (copy 0) and in degraded copies.

    Copy c > 0 has a severity drawn from the c-th of `copies` − 1 equal parts of [0, 1]; the kinds of one face differ
    (as long as there are enough). `strongest` has the strength of each kind at severity 1. Each image has its own
    generator, so that a smaller benchmark is the beginning of a larger one; `impostors` pairs are drawn.
    """
    images, rows = [], []
    kinds = list(strongest)
    for position, (face, label) in enumerate(zip(source.images, source.index.itertuples(), strict=True)):
        rng = np.random.default_rng([seed, position])
        order = rng.permutation(len(kinds))
        images.append(np.asarray(face))
        rows.append((f"{label.name}#0", label.subject, label.name, "none", 0.0))
        for copy in range(1, copies):
            kind = kinds[order[(copy - 1) % len(kinds)]]
            severity = round((copy - 1 + rng.random()) / (copies - 1), 4)
            images.append(degrade(np.asarray(face), kind, severity, strongest[kind], rng))
            rows.append((f"{label.name}#{copy}", label.subject, label.name, kind, severity))
    index = pd.DataFrame(rows, columns=["name", "subject", "source", "degradation", "severity"])
    if source.people_inferred:
        index["inferred"] = True
    pairs = cross_source_pairs(index["subject"].to_numpy(), index["source"].to_numpy(), impostors, seed)
    return Benchmark(name, np.stack(images), index, *pairs)


def same_pixels(index: pd.DataFrame, source: pd.DataFrame) -> np.ndarray:
    """For each image of an index, the row of `source` that holds the same pixels (by SHA-256), −1 if there is none."""
    row_of = {digest: row for row, digest in enumerate(source["sha256"])}
    return np.array([row_of.get(digest, -1) for digest in index["sha256"]])
