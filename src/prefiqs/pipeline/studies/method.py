"""A method that PreFIQs is compared with: its scores of a benchmark."""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.methods.registry import METHODS, score
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import load_model
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.params import Method
from prefiqs.pipeline.run import Run
from prefiqs.reporting.figures.distributions import drift_histograms
from prefiqs.reporting.figures.faces import ends_of_people, face_captions, face_grid
from prefiqs.reporting.study import Figure, Study

SHOWN = 5  # faces at either end
SEED = 0  # of the halves of people


class MethodStudy(Study):
    """Scores of the faces of a benchmark by one method, with the faces at both ends, unless they may not be shown.

    calibrations: none, or one or two, see `_scored`. numbers: low and high are the 5 % and the 95 % quantile;
    trained_on: whether the method knows the benchmark.
    """

    method: MethodId
    description: str
    calibrations: list[Any]
    histogram: Figure
    gallery: Figure | None


def method_study(run: Run, benchmark: str, name: str) -> MethodStudy:
    """Score a benchmark with the method that `methods.known` of params.yaml calls `name`."""
    entry, faces = run.params.methods.known[name], run.benchmark(benchmark)
    scores, calibrations = _scored(run, entry, faces, load_model(entry.model, device=run.params.embed.device))
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
        calibrations=calibrations,
        histogram=drift_histograms({entry.id.label: scores}, "score, higher = better", benchmark),
        gallery=gallery,
        numbers={"faces": len(scores), "low": low, "median": median, "high": high, "trained_on": trained_on},
        stored={run.layout.method_scores(benchmark, name): found.write},
    )


def _scored(run: Run, entry: Method, faces: Benchmark, network: FaceModel) -> tuple[np.ndarray, list[Any]]:
    """Scores of faces, and the calibrations behind them, none of which knows a person whose faces it scores.

    If people of the benchmark are also in `methods.calibrated_on`, by their names, they are dealt into two halves, and
    each is scored by a calibration on the other. Two calibrations read different layers, so their scores have different
    scales. Each therefore scores all faces, and a score becomes the share of all faces that get no more from the same
    calibration: the order within a half stays, and both halves are placed in the same crowd.
    """
    device, known = run.params.embed.device, set[str]()
    if METHODS[entry.method].calibrates:
        known = set(run.benchmark(run.params.methods.calibrated_on).subjects) & set(faces.subjects)
    if not known:
        options = calibrated_options(run, entry.method, entry.options, network)
        found = score(faces.images, entry.method, network, device=device, **options)
        return found, [options["calibration"]] if "calibration" in options else []
    people = np.random.default_rng(SEED).permutation(sorted(known))
    scores, calibrations = np.empty(len(faces.images), np.float32), []
    second = np.isin(faces.subjects, people[len(people) // 2 :])
    for held_out, half in ((second, people[len(people) // 2 :]), (~second, people[: len(people) // 2])):
        options = calibrated_options(run, entry.method, entry.options, network, half)
        found = score(faces.images, entry.method, network, device=device, **options)
        scores[held_out] = pd.Series(found).rank(method="max", pct=True).to_numpy()[held_out]
        calibrations.append(options["calibration"])
    return scores, calibrations


def calibrated_options(
    run: Run, method: str, options: Mapping[str, Any], network: FaceModel, held_out: ArrayLike = ()
) -> dict[str, Any]:
    """The options of a method, with a calibration if it needs one, on faces spread over `methods.calibrated_on`.

    held_out: people whose faces are not used.
    """
    if not METHODS[method].calibrates:
        return dict(options)
    chosen = run.params.methods
    benchmark = run.benchmark(chosen.calibrated_on)
    usable = np.flatnonzero(~np.isin(benchmark.subjects, held_out))
    rows = usable[np.linspace(0, len(usable) - 1, min(chosen.calibration_faces, len(usable))).astype(int)]
    faces = np.stack([benchmark.images[row] for row in rows])
    return {**options, "calibration": METHODS[method].module.calibrate(faces, network, device=run.params.embed.device)}
