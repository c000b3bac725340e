"""Raw embeddings of a benchmark by a network and all its pruned variants."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.apps.ray.variants import write_embeddings_on_ray
from prefiqs.datasets.benchmark import Benchmark, benchmark_folder
from prefiqs.datasets.cross_quality import same_pixels
from prefiqs.embedding.embedder import write_embeddings
from prefiqs.io.arrays import read_array, write_array
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import load_model
from prefiqs.pipeline.run import Run
from prefiqs.pruning.mask import load_mask
from prefiqs.pruning.prune import apply_mask
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.distributions import drift_histograms
from prefiqs.reporting.numbers import write_numbers

UNPRUNED = "unpruned"


class View(NamedTuple):
    """A table of embeddings: by which network (None: unpruned), of the faces or of their mirror images."""

    spec: PruningSpec | None
    mirrored: bool


@dataclass(frozen=True, eq=False)
class EmbedStudy:
    """What was embedded.

    Attributes:
        faces: number of faces.
        embedded: how many of them were embedded here; the others are images of the source, embedded before.
        views: the tables that were written.
        medians: one row a network: key (of the `PruningSpec`, or "unpruned"), label, and the median length of its raw
            embeddings.
        lengths: of the raw embeddings, unpruned and under the main pruning.
    """

    faces: int
    embedded: int
    views: Sequence[View]
    medians: pd.DataFrame
    lengths: Figure

    @property
    def numbers(self) -> dict[str, Any]:
        """What prose may quote."""
        medians = self.medians.set_index("key")["median"].to_dict()
        return {"faces": self.faces, "embedded": self.embedded, "median_length": medians}

    def write(self, folder: str | Path) -> None:
        """Write numbers.json; the embeddings are written already."""
        write_numbers(self.numbers, folder)


def embed_study(run: Run, benchmark: str, model: str) -> EmbedStudy:
    """Embed a benchmark with a network and its pruned variants, and with mirrored faces where Table 4 flips them.

    The tables are written to data/embeddings as they come, since they need not fit in memory. Untouched faces of a
    degraded benchmark have been embedded with its source, so their rows are copied.
    """
    faces, source = run.benchmark(benchmark), run.params.source_of(benchmark)
    in_source = same_pixels(faces.index, run.benchmark(source).index) if source else np.full(len(faces.images), -1)
    new = np.flatnonzero(in_source < 0)
    views = _views(run, benchmark)
    _embed(run, faces, new, model, views)
    if source:
        for view in views:
            path = run.layout.embeddings(benchmark, model, *view)
            known = run.raw_embeddings(source, model, *view)[in_source]
            write_array(_with_rows(known, new, read_array(path)), path)
    medians, lengths = [], {}
    for spec in [None, *run.params.prune.specs]:
        norms = np.linalg.norm(run.raw_embeddings(benchmark, model, spec), axis=1)
        label = spec.label if spec else UNPRUNED
        medians.append((spec.key if spec else UNPRUNED, label, float(np.median(norms))))
        if spec is None or spec in run.params.prune.main:
            lengths[label] = norms
    return EmbedStudy(
        faces=len(faces.images),
        embedded=len(new),
        views=views,
        medians=pd.DataFrame(medians, columns=["key", "label", "median"]),
        lengths=drift_histograms(lengths, "length of the raw embedding"),
    )


def _views(run: Run, benchmark: str) -> list[View]:
    """Network by network; mirrored faces follow those of the same network."""
    prune, verification = run.params.prune, run.params.verification
    flipped: list[PruningSpec | None] = []
    if benchmark in verification.flip_test:
        flipped = [None, *verification.specs(prune)]
    views = []
    for spec in [None, *prune.specs]:
        views += [View(spec, False), View(spec, True)] if spec in flipped else [View(spec, False)]
    return views


def _embed(run: Run, faces: Benchmark, new: np.ndarray, model: str, views: Sequence[View]) -> None:
    """Write the tables of the faces in the rows `new`."""
    embed = run.params.embed
    paths = [run.layout.embeddings(faces.name, model, *view) for view in views]
    if embed.engine == "ray":
        masks = [run.layout.mask(model, view.spec) if view.spec else None for view in views]
        jobs = [(mask, "mirrored" if view.mirrored else "plain") for mask, view in zip(masks, views, strict=True)]
        file = benchmark_folder(faces.name, run.layout.data) / "images.npy"
        write_embeddings_on_ray(model, jobs, file, new, paths, embed.batch_size, embed.device)
        return
    images = faces.images if len(new) == len(faces.images) else [faces.images[row] for row in new]
    write_embeddings(_jobs(run, model, views), images, len(new), paths, embed.batch_size, embed.device)


def _jobs(run: Run, model: str, views: Sequence[View]) -> Iterator[tuple[FaceModel, str]]:
    """A network and what it sees, for each view; a pruned network is made when it is its turn."""
    network = load_model(model, device=run.params.embed.device)
    for spec, of_network in groupby(views, key=lambda view: view.spec):
        pruned = apply_mask(network, load_mask(run.layout.mask(model, spec))) if spec else network
        for view in of_network:
            yield pruned, "mirrored" if view.mirrored else "plain"


def _with_rows(table: np.ndarray, places: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """A copy of `table` (n×d) with `rows` (k×d) at `places` (k row numbers)."""
    filled = table.copy()
    filled[places] = rows
    return filled
