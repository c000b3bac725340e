"""Aligned faces of a benchmark, with its people and pairs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from prefiqs.datasets.benchmark import Benchmark, save_benchmark
from prefiqs.datasets.pairs import with_folds
from prefiqs.datasets.registry import build_benchmark
from prefiqs.datasets.subset import keep_people
from prefiqs.faces.align import align
from prefiqs.pipeline.run import Run
from prefiqs.reporting.figures.faces import face_grid
from prefiqs.reporting.numbers import write_numbers

SHOWN, COLUMNS = 24, 8


@dataclass(frozen=True, eq=False)
class AlignStudy:
    """A benchmark as the later stages read it.

    Attributes:
        data: where it is written to.
        benchmark: images, people and pairs; photos that could not be used are in `benchmark.excluded`.
        faces: some of the images, evenly spread; None if they may not be shown.
    """

    data: Path
    benchmark: Benchmark
    faces: Figure | None

    @property
    def numbers(self) -> dict[str, int]:
        """Images, people and pairs; pairs in the folds of the verification protocol."""
        folds = self.benchmark.folds
        return self.benchmark.summary() | {"pairs_in_folds": 0 if folds is None else int((folds >= 0).sum())}

    def write(self, folder: str | Path) -> None:
        """Write the benchmark to `data`, and numbers.json."""
        save_benchmark(self.benchmark, self.data)
        write_numbers(self.numbers, folder)


def align_study(run: Run, benchmark: str) -> AlignStudy:
    """Read a benchmark as its owners distribute it, align its photos, and fix its pairs and folds.

    Raises:
        InputError: files of the benchmark are missing (which, and where they go), or are not in its format.
    """
    params = run.params
    built = build_benchmark(benchmark, run.layout.data, lambda photo: align(photo, all_faces=True))
    if params.align.people:
        built = keep_people(built, params.align.people)
    if built.folds is None and built.templates is None and len(built.pairs):
        built = with_folds(built, params.folds.count, params.folds.pairs_per_fold, params.folds.seed)
    return AlignStudy(run.layout.data, built, _some_faces(built) if run.shows_faces_of(benchmark) else None)


def _some_faces(benchmark: Benchmark) -> Figure:
    rows = np.linspace(0, len(benchmark.images) - 1, min(SHOWN, len(benchmark.images))).round().astype(int)
    return face_grid([benchmark.images[row] for row in rows], benchmark.names[rows].tolist(), columns=COLUMNS)
