"""Drift and quality of every face under every pruned network, and the length of its embedding."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.embedding.vectors import normalise
from prefiqs.methods.prefiqs import drift, quality_from_drift
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.run import Run, was_trained_on
from prefiqs.pipeline.scores import Scores
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.distributions import drift_histograms
from prefiqs.reporting.figures.faces import ends_of_people, face_captions, face_grid
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.numbers import write_numbers

COLUMNS = 10
ENDS = 100  # lowest- and highest-scored faces whose degradations are counted


@dataclass(frozen=True, eq=False)
class ScoreStudy:
    """PreFIQs and the embedding norm on n faces.

    Attributes:
        data: folder where the later stages read the scores.
        scores: quality under every pruned network, in [0, 1], and the embedding norm; higher = better.
        medians: one row a pruned network: key (of the `PruningSpec`), label, and the median drift, in [0, 2].
        drifts: drift of all faces under the main pruning, one panel a ratio.
        spec: the pruned network whose quality orders the faces below.
        worst, best: degradations of the 100 lowest- and the 100 highest-scored faces, most frequent first; empty where
            nothing is degraded.
        gallery: the lowest- and the highest-scored face of as many people as fit, lowest first; None if faces may not
            be shown.
    """

    data: Path
    scores: Scores
    medians: pd.DataFrame
    drifts: Figure
    spec: PruningSpec
    worst: Mapping[str, int]
    best: Mapping[str, int]
    gallery: Figure | None

    @property
    def numbers(self) -> dict[str, Any]:
        """What prose may quote."""
        medians = self.medians.set_index("key")["median"].to_dict()
        return {"median_drift": medians, "worst": self.worst, "best": self.best}

    def write(self, folder: str | Path) -> None:
        """Write the scores to `data`, gallery.png (if there is one) and numbers.json."""
        self.scores.write(self.data)
        if self.gallery:
            save_figure(self.gallery, Path(folder) / "gallery.png")
        write_numbers(self.numbers, folder)


def score_study(run: Run, benchmark: str, model: str) -> ScoreStudy:
    """Score a benchmark from its embeddings."""
    faces, spec = run.benchmark(benchmark), run.params.usual
    raw = run.raw_embeddings(benchmark, model)
    e = normalise(raw)
    drifts = {s: drift(e, normalise(run.raw_embeddings(benchmark, model, s))) for s in run.params.prune.specs}
    scores = {MethodId.of_spec(model, s): quality_from_drift(d) for s, d in drifts.items()}
    scores[MethodId.of("norm", model)] = np.linalg.norm(raw, axis=1)
    quality = quality_from_drift(drifts[spec])
    order = np.argsort(quality, kind="stable")
    medians = [(s.key, s.label, float(np.median(d))) for s, d in drifts.items()]
    return ScoreStudy(
        data=run.layout.scores(benchmark, model),
        scores=Scores.of(faces.names, scores, lambda method: was_trained_on(method.network, benchmark)),
        medians=pd.DataFrame(medians, columns=["key", "label", "median"]),
        drifts=drift_histograms({f"ρ = {s.ratio:g}": drifts[s] for s in run.params.prune.main}, "drift D"),
        spec=spec,
        worst=_kinds(faces, order[:ENDS]),
        best=_kinds(faces, order[-ENDS:]),
        gallery=_gallery(faces, quality, spec) if run.shows_faces_of(benchmark) else None,
    )


def _kinds(faces: Benchmark, rows: np.ndarray) -> dict[str, int]:
    if not faces.index["severity"].any():
        return {}
    return faces.index["degradation"].iloc[rows].value_counts().to_dict()


def _gallery(faces: Benchmark, quality: np.ndarray, spec: PruningSpec) -> Figure:
    lowest, highest = ends_of_people(quality, faces.subjects, 2 * COLUMNS, COLUMNS)
    rows = [*lowest, *highest]
    captions = [
        f"{caption}\nQ {quality[row]:.3f}" for row, caption in zip(rows, face_captions(faces.index, rows), strict=True)
    ]
    title = f"lowest (above) and highest (below) quality, {spec.label}"
    return face_grid([faces.images[row] for row in rows], captions, columns=min(COLUMNS, len(lowest)), title=title)
