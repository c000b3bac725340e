"""A method that PreFIQs is compared with: its scores of a benchmark."""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from prefiqs.methods.registry import METHODS, score
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import load_model
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.run import Run
from prefiqs.reporting.figures.distributions import drift_histograms
from prefiqs.reporting.figures.faces import ends_of_people, face_captions, face_grid
from prefiqs.reporting.study import Figure, Study

SHOWN = 5  # faces at either end


class MethodStudy(Study):
    """Scores of the faces of a benchmark by one method, with the faces at both ends, unless they may not be shown.

    numbers: low and high are the 5 % and the 95 % quantile; trained_on: whether the method knows the benchmark.
    """

    method: MethodId
    description: str
    calibration: Any
    histogram: Figure
    gallery: Figure | None


def method_study(run: Run, benchmark: str, name: str) -> MethodStudy:
    """Score a benchmark with the method that `methods.known` of params.yaml calls `name`."""
    entry, faces, device = run.params.methods.known[name], run.benchmark(benchmark), run.params.embed.device
    network = load_model(entry.model, device=device)
    options = calibrated_options(run, entry.method, entry.options, network)
    scores = score(faces.images, entry.method, network, device=device, **options)
    found = run.identified(benchmark, {entry.id: scores})
    trained_on = bool(found.methods["trained_on"].all())
    low, median, high = np.quantile(found[entry.id], [0.05, 0.5, 0.95])
    gallery = None
    if run.shows_faces_of(benchmark):
        rows = np.concatenate(ends_of_people(scores, faces.subjects, SHOWN))
        title = f"Lowest (left) and highest (right) scores of {entry.id.label} on {benchmark}"
        gallery = face_grid([faces.images[row] for row in rows], face_captions(faces.index, rows), title=title)
    return MethodStudy(
        method=entry.id,
        description=inspect.getdoc(METHODS[entry.method].module) or "",
        calibration=options.get("calibration"),
        histogram=drift_histograms({entry.id.label: scores}, "score, higher = better", benchmark),
        gallery=gallery,
        numbers={"faces": len(scores), "low": low, "median": median, "high": high, "trained_on": trained_on},
        stored={run.layout.method_scores(benchmark, name): found.write},
    )


def calibrated_options(run: Run, method: str, options: Mapping[str, Any], network: FaceModel) -> dict[str, Any]:
    """The options of a method, with a calibration if it needs one, on faces spread over `methods.calibrated_on`."""
    if not METHODS[method].calibrates:
        return dict(options)
    chosen = run.params.methods
    images = run.benchmark(chosen.calibrated_on).images
    rows = np.linspace(0, len(images) - 1, min(chosen.calibration_faces, len(images))).astype(int)
    faces = np.stack([images[row] for row in rows])
    return {**options, "calibration": METHODS[method].module.calibrate(faces, network, device=run.params.embed.device)}
