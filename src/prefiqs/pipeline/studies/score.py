"""Drift and quality of every face under every pruned network, and the length of its embedding."""

import numpy as np

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.embedding.vectors import all_alike, normalise
from prefiqs.methods.prefiqs import drift, quality_from_drift
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.run import Run
from prefiqs.reporting.figures.distributions import drift_histograms
from prefiqs.reporting.figures.faces import ends_of_people, face_captions, face_grid
from prefiqs.reporting.study import Figure, Study, saved_as

COLUMNS = 10
ENDS = 100  # lowest- and highest-scored faces whose degradations are counted


class ScoreStudy(Study):
    """Drifts, and the faces of lowest and highest quality under the usual pruning, unless they may not be shown.

    numbers: `worst` and `best` count the degradations of the `ENDS` faces at either end, if there are any; `constant`:
    pruned networks that embed all faces alike.
    """

    medians: dict[str, float]
    drifts: Figure
    gallery: Figure | None = saved_as("gallery")


def score_study(run: Run, benchmark: str, model: str) -> ScoreStudy:
    """Score a benchmark from its embeddings."""
    faces, usual = run.benchmark(benchmark), run.params.usual
    raw = run.raw_embeddings(benchmark, model)
    e = normalise(raw)
    drifts = {s: drift(e, normalise(run.raw_embeddings(benchmark, model, s))) for s in run.params.prune.specs_of(model)}
    scores = {MethodId.of_spec(model, s): quality_from_drift(d) for s, d in drifts.items()}
    scores[MethodId.of("norm", model)] = np.linalg.norm(raw, axis=1)
    medians = {s: float(np.median(d)) for s, d in drifts.items()}
    constant = [s.key for s in drifts if all_alike(run.raw_embeddings(benchmark, model, s))]
    quality = quality_from_drift(drifts[usual])
    kinds = faces.index["degradation"].iloc[np.argsort(quality, kind="stable")]
    kinds = kinds if faces.index["severity"].any() else kinds.head(0)
    about = f"{benchmark}, quality from {model}"
    title = f"Lowest (above) and highest (below) quality, {usual.label}: {about}"
    return ScoreStudy(
        medians={s.label: median for s, median in medians.items()},
        drifts=drift_histograms({f"ρ = {s.ratio:g}": drifts[s] for s in run.params.prune.main}, "drift D", about),
        gallery=_gallery(faces, quality, title) if run.shows_faces_of(benchmark) else None,
        numbers={
            "median_drift": {s.key: median for s, median in medians.items()},
            "constant": constant,
            "worst": kinds.head(ENDS).value_counts().to_dict(),
            "best": kinds.tail(ENDS).value_counts().to_dict(),
        },
        stored={run.layout.scores(benchmark, model): run.identified(benchmark, scores).write},
    )


def _gallery(faces: Benchmark, quality: np.ndarray, title: str) -> Figure:
    lowest, highest = ends_of_people(quality, faces.subjects, 2 * COLUMNS, COLUMNS)
    rows = [*lowest, *highest]
    kinds = face_captions(faces.index, rows)
    captions = [f"{kind}\nQ {quality[row]:.3f}" for row, kind in zip(rows, kinds, strict=True)]
    return face_grid([faces.images[row] for row in rows], captions, min(COLUMNS, len(lowest)), title)
