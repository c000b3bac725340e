"""Raw embeddings of a benchmark by a network and all its pruned variants."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np

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
from prefiqs.reporting.study import Figure, Study

UNPRUNED = "unpruned"


class View(NamedTuple):
    """A table of embeddings: by which network (None: unpruned), of the faces or of their mirror images."""

    spec: PruningSpec | None
    mirrored: bool


class EmbedStudy(Study):
    """The tables there are, and the lengths of the raw embeddings; `embedded` were not embedded before."""

    views: Sequence[View]
    medians: dict[str, float]
    lengths: Figure


def embed_study(run: Run, benchmark: str, model: str, write: bool) -> EmbedStudy:
    """Embed a benchmark with a network and its pruned variants, also with mirrored faces where Table 4 needs them.

    Tables are written as they are computed, because they may not fit in memory. The unchanged faces of a cross-quality
    benchmark were embedded with its source, so their rows are copied. Unless `write` is true, the tables are read that
    are there already.
    """
    prune, verification = run.params.prune, run.params.verification
    specs = prune.specs_of(model)
    flipped = [None, *verification.specs(specs)] if benchmark in verification.flip_test else []
    both = [View(spec, mirrored) for spec in [None, *specs] for mirrored in (False, True)]
    views = [view for view in both if not view.mirrored or view.spec in flipped]
    faces, source = run.benchmark(benchmark), run.params.source_of(benchmark)
    in_source = same_pixels(faces.index, run.benchmark(source).index) if source else np.full(len(faces.images), -1)
    new = np.flatnonzero(in_source < 0)
    if write:
        _embed(run, faces, new, model, views)
    if write and source:
        for view in views:
            path = run.layout.embeddings(benchmark, model, *view)
            table = run.raw_embeddings(source, model, *view)[in_source]
            table[new] = read_array(path)
            write_array(table, path)
    by_key, by_label, lengths = {}, {}, {}
    for spec in [None, *specs]:
        norms = np.linalg.norm(run.raw_embeddings(benchmark, model, spec), axis=1)
        key, label = (spec.key, spec.label) if spec else (UNPRUNED, UNPRUNED)
        by_key[key] = by_label[label] = float(np.median(norms))
        if spec is None or spec in prune.main:
            lengths[label] = norms
    return EmbedStudy(
        views=views,
        medians=by_label,
        lengths=drift_histograms(lengths, "length of the raw embedding", f"{benchmark}, {model}"),
        numbers={"faces": len(faces.images), "embedded": len(new), "median_length": by_key},
    )


def _embed(run: Run, faces: Benchmark, new: np.ndarray, model: str, views: Sequence[View]) -> None:
    """Write the tables of the faces in the rows `new`."""
    embed = run.params.embed
    paths = [run.layout.embeddings(faces.name, model, *view) for view in views]
    jobs = [(run.layout.mask(model, spec) if spec else None, "mirrored" if flip else "plain") for spec, flip in views]
    if embed.engine == "ray":
        file = benchmark_folder(faces.name, run.layout.data) / "images.npy"
        write_embeddings_on_ray(model, jobs, file, new, paths, embed.batch_size, embed.device)
        return
    images = faces.images if len(new) == len(faces.images) else [faces.images[row] for row in new]
    networks = _networks(load_model(model, device=embed.device), jobs)
    write_embeddings(networks, images, len(new), paths, embed.batch_size, embed.device)


def _networks(network: FaceModel, jobs: Sequence[tuple[Path | None, str]]) -> Iterator[tuple[FaceModel, str]]:
    """The pruned network of each mask (None: as it is), made when it is its turn, and what it sees."""
    for mask, of_network in groupby(jobs, key=itemgetter(0)):
        pruned = apply_mask(network, load_mask(mask)) if mask else network
        for _, view in of_network:
            yield pruned, view
