"""A method that PreFIQs is compared with: its scores of a benchmark."""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.methods.registry import METHODS, calibrate, score
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import load_model
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.run import Run, was_trained_on
from prefiqs.pipeline.scores import Scores
from prefiqs.reporting.figures.distributions import drift_histograms
from prefiqs.reporting.figures.faces import ends_of_people, face_captions, face_grid
from prefiqs.reporting.numbers import write_numbers

SHOWN = 5  # faces at either end
QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True, eq=False)
class MethodStudy:
    """Scores of n faces by one method.

    Attributes:
        data: folder where the later stages read the scores.
        method: which, on which network, with which options.
        description: what it computes, and from which paper.
        calibration: what it was calibrated to; None for a method that needs no calibration.
        scores: of the faces; higher = better.
        trained_on: whether the network was trained on images of this benchmark.
        histogram: of the scores.
        gallery: the lowest- and the highest-scored faces, each of another person; None if faces may not be shown.
    """

    data: Path
    method: MethodId
    description: str
    calibration: Any
    scores: Scores
    trained_on: bool
    histogram: Figure
    gallery: Figure | None

    @property
    def numbers(self) -> dict[str, Any]:
        """What prose may quote: how many faces, and where the scores are."""
        low, median, high = np.quantile(self.scores[self.method], QUANTILES)
        faces = len(self.scores.names)
        return {"faces": faces, "low": low, "median": median, "high": high, "trained_on": self.trained_on}

    def write(self, folder: str | Path) -> None:
        """Write the scores to `data`, and numbers.json."""
        self.scores.write(self.data)
        write_numbers(self.numbers, folder)


def method_study(run: Run, benchmark: str, name: str) -> MethodStudy:
    """Score a benchmark with the method that `methods.known` of params.yaml calls `name`."""
    entry, faces, device = run.params.methods.known[name], run.benchmark(benchmark), run.params.embed.device
    network = load_model(entry.model, device=device)
    calibration = calibrated(run, entry.method, network) if METHODS[entry.method].calibrates else None
    options = entry.options if calibration is None else entry.options | {"calibration": calibration}
    scores = score(faces.images, entry.method, network, device=device, **options)
    trained_on = was_trained_on(entry.model, benchmark)
    return MethodStudy(
        data=run.layout.method_scores(benchmark, name),
        method=entry.id,
        description=inspect.getdoc(METHODS[entry.method].module) or "",
        calibration=calibration,
        scores=Scores.of(faces.names, {entry.id: scores}, lambda _: trained_on),
        trained_on=trained_on,
        histogram=drift_histograms({entry.id.label: scores}, "score, higher = better"),
        gallery=_gallery(faces, scores) if run.shows_faces_of(benchmark) else None,
    )


def calibrated(run: Run, method: str, network: FaceModel) -> Any:
    """The calibration of a method, on faces evenly spread over the benchmark that params.yaml names for it."""
    chosen = run.params.methods
    images = run.benchmark(chosen.calibrated_on).images
    rows = np.linspace(0, len(images) - 1, min(chosen.calibration_faces, len(images))).astype(int)
    return calibrate(method, np.stack([images[row] for row in rows]), network, device=run.params.embed.device)


def _gallery(faces: Benchmark, scores: np.ndarray) -> Figure:
    lowest, highest = ends_of_people(scores, faces.subjects, SHOWN)
    rows = np.concatenate([lowest, highest])
    return face_grid([faces.images[row] for row in rows], face_captions(faces.index, rows))
