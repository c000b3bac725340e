"""Drift and quality of every face under every pruned network, and the length of its embedding."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.embedding.vectors import drift, normalise, quality_from_drift
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.studies.constant import constant_scores
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.distributions import drift_histograms
from prefiqs.reporting.figures.faces import ends_of_people, face_captions, face_grid
from prefiqs.reporting.study import Figure, Study, saved_as

COLUMNS = 10
ENDS = 100  # lowest- and highest-scored faces whose degradations are counted


class ScoreStudy(Study):
    """Drifts, and the faces of lowest and highest quality under the usual pruning, unless they may not be shown.

    numbers: `worst` and `best` count the degradations of the `ENDS` faces at either end, if there are any; `constant`:
    pruned networks that embed all faces alike, or no face differently.
    """

    drifts: Figure
    gallery: Figure | None = saved_as("gallery")
    findings: list[str]


def score_study(run: Run, benchmark: str, model: str) -> ScoreStudy:
    """Score a benchmark from its embeddings."""
    faces, usual = run.benchmark(benchmark), run.params.usual
    raw = run.raw_embeddings(benchmark, model)
    e = normalise(raw)
    drifts = {s: drift(e, normalise(run.raw_embeddings(benchmark, model, s))) for s in run.params.prune.specs_of(model)}
    scores = {MethodId.of_spec(model, s): quality_from_drift(d) for s, d in drifts.items()}
    scores[MethodId.of("norm", model)] = np.linalg.norm(raw, axis=1)
    medians = {s: float(np.median(d)) for s, d in drifts.items()}
    constant = constant_scores(run, benchmark, model, {s: scores[MethodId.of_spec(model, s)] for s in drifts})
    quality = quality_from_drift(drifts[usual])
    kinds = faces.index["degradation"].iloc[np.argsort(quality, kind="stable")]
    kinds = kinds if faces.index["severity"].any() else kinds.head(0)
    about = f"{benchmark}, quality from {model}"
    title = f"Lowest (above) and highest (below) quality, {usual.label}: {about}"
    return ScoreStudy(
        drifts=drift_histograms({f"ρ = {s.ratio:g}": drifts[s] for s in run.params.prune.main}, "drift D", about),
        gallery=_gallery(faces, quality, title) if run.shows_faces_of(benchmark) else None,
        findings=list(_findings(medians, constant, kinds)),
        numbers={
            "median_drift": {s.key: median for s, median in medians.items()},
            "constant": [s.key for s in constant],
            "worst": kinds.head(ENDS).value_counts().to_dict(),
            "best": kinds.tail(ENDS).value_counts().to_dict(),
        },
        stored={run.layout.scores(benchmark, model): run.identified(benchmark, scores).write},
    )


def _findings(
    medians: Mapping[PruningSpec, float], constant: Mapping[PruningSpec, str], kinds: pd.Series
) -> Iterator[str]:
    smallest, largest = min(medians, key=medians.__getitem__), max(medians, key=medians.__getitem__)
    yield (
        f"The median drift is smallest with {smallest.label} ({medians[smallest]:.3f}), and largest with "
        f"{largest.label} ({medians[largest]:.3f})."
    )
    for end, part in (("lowest", kinds.head(ENDS)), ("highest", kinds.tail(ENDS))):
        for kind, count in part.value_counts().head(1).items():
            yield f"The most frequent degradation of the {len(part)} faces with the {end} quality is {kind} ({count})."
    for spec, how in constant.items():
        yield f"With {spec.label}, the network is pruned {how}, so the scores mean nothing."


def _gallery(faces: Benchmark, quality: np.ndarray, title: str) -> Figure:
    lowest, highest = ends_of_people(quality, faces.subjects, 2 * COLUMNS, COLUMNS)
    rows = [*lowest, *highest]
    kinds = face_captions(faces.index, rows)
    captions = [f"{kind}\nQ {quality[row]:.3f}" for row, kind in zip(rows, kinds, strict=True)]
    return face_grid([faces.images[row] for row in rows], captions, min(COLUMNS, len(lowest)), title)
