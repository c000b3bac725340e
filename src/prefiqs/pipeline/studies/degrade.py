"""Faces of a benchmark, untouched and degraded: quality varies, and is known."""

from functools import partial

import numpy as np

from prefiqs.datasets.benchmark import Benchmark, save_benchmark
from prefiqs.datasets.cross_quality import build_cross_quality
from prefiqs.datasets.pairs import with_folds
from prefiqs.errors import InputError
from prefiqs.faces.degrade import degrade
from prefiqs.pipeline.run import Run
from prefiqs.reporting.figures.faces import face_grid
from prefiqs.reporting.study import Figure, Study

SEVERITIES = (0.2, 0.4, 0.6, 0.8, 1)  # in the figure of all kinds
SHOWN, COLUMNS = 4, 10  # photos whose copies are shown


class DegradeStudy(Study):
    """A cross-quality benchmark as the later stages read it. No figures where faces may not be shown."""

    benchmark: Benchmark
    kinds: Figure | None
    copies: Figure | None


def degrade_study(run: Run, benchmark: str) -> DegradeStudy:
    """Degrade the faces of the benchmark that params.yaml names as the source; `InputError` if it names none."""
    chosen, folds, source = run.params.degrade, run.params.folds, run.params.source_of(benchmark)
    if source is None:
        raise InputError(f"{benchmark} is not in `benchmarks.cross_quality` of params.yaml, so it has no source.")
    clean = run.benchmark(source)
    degraded = build_cross_quality(benchmark, clean, chosen.copies, chosen.strongest, chosen.impostors, chosen.seed)
    degraded = with_folds(degraded, folds.count, folds.pairs_per_fold, folds.seed)
    kinds = copies = None
    if run.shows_faces_of(benchmark):
        made = {
            f"{kind}\n{severity:g}": degrade(clean.images[0], kind, severity, strongest, np.random.default_rng(1))
            for kind, strongest in chosen.strongest.items()
            for severity in SEVERITIES
        }
        kinds = face_grid([*made.values()], [*made], columns=COLUMNS)
        first = degraded.index.head(SHOWN * chosen.copies)
        captions = [f"{row.degradation}\n{row.severity:.2f}" for row in first.itertuples()]
        copies = face_grid(degraded.images[: len(first)], captions, columns=COLUMNS)
    return DegradeStudy(
        benchmark=degraded,
        kinds=kinds,
        copies=copies,
        numbers=degraded.summary() | {"kinds": degraded.index["degradation"].value_counts().to_dict()},
        stored={run.layout.data: partial(save_benchmark, degraded)},
    )
