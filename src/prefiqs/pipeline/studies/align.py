"""Aligned faces of a benchmark, with its people and pairs."""

from functools import partial

import numpy as np

from prefiqs.datasets.benchmark import Benchmark, keep_people, save_benchmark
from prefiqs.datasets.pairs import with_all_genuine_pairs, with_folds
from prefiqs.datasets.registry import build_benchmark
from prefiqs.faces.align import align
from prefiqs.pipeline.run import Run
from prefiqs.reporting.figures.faces import face_grid
from prefiqs.reporting.study import Figure, Study

SHOWN, COLUMNS = 24, 8


class AlignStudy(Study):
    """A benchmark as the later stages read it, and some of its faces, unless they may not be shown.

    numbers: by_fiducials counts photos aligned by the points of the data set, as the detector found no face (CFP).
    """

    benchmark: Benchmark
    faces: Figure | None


def align_study(run: Run, benchmark: str) -> AlignStudy:
    """Read a benchmark as its owners distribute it, align its photos, and fix its pairs and folds.

    Raises `InputError` if files are missing (which, and where they go), or not in its format, or if these faces cannot
    have a pair set that the parameters ask for.
    """
    people, folds = run.params.align.people, run.params.folds
    built = build_benchmark(benchmark, run.layout.data, lambda photo: align(photo, all_faces=True))
    if people:
        built = keep_people(built, people)
    if built.folds is None and built.templates is None and len(built.pairs):
        built = with_folds(built, folds.count, folds.pairs_per_fold, folds.seed)
    for made in run.params.benchmarks.pair_sets:
        if made.source == benchmark:  # faces that cannot have these pairs are refused before they are embedded
            with_all_genuine_pairs(built, made.across, made.impostors, made.seed)
    faces = None
    if run.shows_faces_of(benchmark):
        rows = np.linspace(0, len(built.images) - 1, min(SHOWN, len(built.images))).round().astype(int)
        faces = face_grid([built.images[row] for row in rows], built.names[rows].tolist(), columns=COLUMNS)
    numbers = built.summary() | {"pairs_in_folds": 0 if built.folds is None else int((built.folds >= 0).sum())}
    if "landmarks" in built.index:
        numbers["by_fiducials"] = int((built.index["landmarks"] == "fiducials").sum())
    return AlignStudy(
        benchmark=built,
        faces=faces,
        numbers=numbers,
        stored={run.layout.data: partial(save_benchmark, built)},
    )
