"""Faces of a benchmark, untouched and degraded: quality varies, and is known."""

from functools import partial

import numpy as np
from matplotlib.figure import Figure

from prefiqs.datasets.benchmark import Benchmark, save_benchmark
from prefiqs.datasets.cross_quality import build_cross_quality
from prefiqs.datasets.pairs import with_folds
from prefiqs.errors import InputError
from prefiqs.faces.degrade import degrade
from prefiqs.pipeline.params import Degrade
from prefiqs.pipeline.run import Run
from prefiqs.reporting.figures.faces import degradation_ladder, face_grid
from prefiqs.reporting.study import Study

STEPS = (0, 0.2, 0.4, 0.6, 0.8, 1)  # severities in the figure of all kinds
SHOWN, COLUMNS = 4, 10  # photos whose copies are shown


class DegradeStudy(Study):
    """A cross-quality benchmark as the later stages read it. No figures where faces may not be shown."""

    benchmark: Benchmark
    kinds: Figure | None
    copies: Figure | None


def degrade_study(run: Run, benchmark: str) -> DegradeStudy:
    """Degrade the faces of the benchmark that params.yaml names as the source.

    Raises:
        InputError: params.yaml names no source.
    """
    chosen, folds, shown = run.params.degrade, run.params.folds, run.shows_faces_of(benchmark)
    source = run.params.source_of(benchmark)
    if source is None:
        raise InputError(f"{benchmark} is not in `benchmarks.cross_quality` of params.yaml, so it has no source.")
    clean = run.benchmark(source)
    degraded = build_cross_quality(benchmark, clean, chosen.copies, chosen.strongest, chosen.impostors, chosen.seed)
    degraded = with_folds(degraded, folds.count, folds.pairs_per_fold, folds.seed)
    return DegradeStudy(
        benchmark=degraded,
        kinds=_kinds(clean.images[0], chosen) if shown else None,
        copies=_copies(degraded, chosen.copies) if shown else None,
        numbers=degraded.summary() | {"kinds": degraded.index["degradation"].value_counts().to_dict()},
        stored={run.layout.data: partial(save_benchmark, degraded)},
    )


def _kinds(face: np.ndarray, chosen: Degrade) -> Figure:
    ladder = {}
    for kind, strongest in chosen.strongest.items():
        ladder[kind] = [degrade(face, kind, severity, strongest, np.random.default_rng(1)) for severity in STEPS]
    return degradation_ladder(ladder, STEPS)


def _copies(degraded: Benchmark, copies: int) -> Figure:
    shown = degraded.index.head(SHOWN * copies)
    captions = [f"{row.degradation}\n{row.severity:.2f}" for row in shown.itertuples()]
    return face_grid(degraded.images[: len(shown)], captions, columns=COLUMNS)
