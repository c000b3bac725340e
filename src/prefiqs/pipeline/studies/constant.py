"""Pruned networks whose scores say nothing about a face."""

from collections.abc import Mapping

import numpy as np

from prefiqs.embedding.vectors import all_alike
from prefiqs.pipeline.run import Run
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.tables import ALIKE, UNMOVED


def constant_scores(
    run: Run, benchmark: str, model: str, scores: Mapping[PruningSpec, np.ndarray]
) -> dict[PruningSpec, str]:
    """Pruned networks whose scores mean nothing, and how they are pruned: `ALIKE` or `UNMOVED`."""
    found = {}
    for spec, values in scores.items():
        if all_alike(run.raw_embeddings(benchmark, model, spec)):
            found[spec] = ALIKE
        elif not np.ptp(values):
            found[spec] = UNMOVED
    return found
