"""Scores and embeddings of photos on a Ray cluster: the rows of `PhotoScorer`, or Parquet shards written by workers."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prefiqs import __version__
from prefiqs.apps.ray.cluster import Cluster, require_ray
from prefiqs.apps.ray.shards import missing_shards, shard_path
from prefiqs.apps.score.rows import SCHEMA, Row
from prefiqs.apps.score.scorer import PhotoEmbedder, PhotoRows, PhotoScorer, describe
from prefiqs.faces.find import Shard, find_images
from prefiqs.io.atomic import whole_file

_EMBEDDINGS = pa.schema([
    pa.field("embedding", pa.list_(pa.float32())) if field.name == "score" else field
    for field in SCHEMA if field.name != "drift"
])  # fmt: skip


class RayScorer:
    """What `PhotoScorer` does, by the workers of a cluster; a shard at a time is lost if the run dies."""

    def __init__(
        self, cluster: Cluster, method: str, model: str, aligned: bool = False, all_faces: bool = False, **options: Any
    ):
        require_ray()
        self.cluster, self.settings = cluster, describe(method, model, options, aligned, all_faces)
        self.make = partial(PhotoScorer, method, model, aligned, all_faces, **options)

    def __call__(self, shards: Sequence[Shard]) -> Iterator[list[Row]]:
        """The rows of each photo, in order."""
        for rows in self.cluster.map(partial(_all_rows, self.make), shards):
            yield from rows


@dataclass(frozen=True)
class Summary:
    """What a run did: `images`, how many of them `failed` (a row with the reason), in how many `shards`; and how many
    shards were `skipped` because an earlier run had written them."""

    images: int
    failed: int
    shards: int
    skipped: int


def score_dataset(
    source: str | Path | Sequence[str | Path],
    out: str | Path,
    method: str = "prefiqs",
    model: str = "sface",
    aligned: bool = False,
    workers: int | None = None,
    device: str = "auto",
    shard_size: int = 1024,
    address: str | None = None,
    all_faces: bool = False,
    **options: Any,
) -> Summary:
    """Score a data set of any size into Parquet shards with the columns of `prefiqs score`, on a Ray cluster.

    Scores equal those of `prefiqs.score` to 1e-6. If an image cannot be scored, the `status` of its row says why. To
    resume an interrupted run, call the function again: shards are written completely or not at all.

    Args:
        source: a folder of photos, of .parquet files with a column of image bytes (and optionally a column `name`), or
            of .tar files (WebDataset shards); one such file; or several of these.
        out: a folder for the shards, which `pandas.read_parquet` reads as one table.
        method, model, options: as for `prefiqs.scorer`; the model by name or as an .onnx file.
        aligned: whether the images are aligned 112×112 faces; if not, the largest face is detected and aligned.
        workers, device, address: as for `Cluster`.
        shard_size: images per shard, in folders and Parquet files; a tar file is always one shard. If a worker crashes,
            its current shard is computed again. A GPU needs several thousand images per shard to stay busy.
        all_faces: write one row per face, largest first.

    Raises:
        InputError: Ray is missing; a source, method, option or device does not exist; the output folder was started
            with other settings; or, after all other shards are done, some files could not be read completely.
    """
    require_ray()
    settings = describe(method, model, options, aligned, all_faces)
    make = partial(PhotoScorer, method, model, aligned, all_faces, **options)
    return _write_dataset(source, out, settings, make, SCHEMA, Cluster(workers, device, address), shard_size)


def embed_dataset(
    source: str | Path | Sequence[str | Path],
    out: str | Path,
    model: str = "sface",
    aligned: bool = False,
    workers: int | None = None,
    device: str = "auto",
    shard_size: int = 1024,
    address: str | None = None,
    all_faces: bool = False,
) -> Summary:
    """Embed a data set of any size into Parquet shards; like `score_dataset`, with raw embeddings instead of scores.

    The column `embedding` (float32, d values) replaces score and drift.
    """
    require_ray()
    settings = describe("embedding", model, {}, aligned, all_faces)
    make = partial(PhotoEmbedder, model, aligned, all_faces)
    return _write_dataset(source, out, settings, make, _EMBEDDINGS, Cluster(workers, device, address), shard_size)


def _write_dataset(
    source: str | Path | Sequence[str | Path],
    out: str | Path,
    settings: str,
    make: Callable[..., PhotoRows],
    schema: pa.Schema,
    cluster: Cluster,
    shard_size: int,
) -> Summary:
    sources = [source] if isinstance(source, str | Path) else source
    shards, out = find_images(sources, shard_size), Path(out).absolute()
    content = hashlib.sha256("\n".join(map(repr, shards)).encode()).hexdigest()
    record = {"settings": settings, "columns": schema.names, "source_sha256": content, "prefiqs": __version__}
    missing = missing_shards(out, len(shards), record)
    items = [(shards[number], shard_path(out, number)) for number in missing]
    counts = np.array(list(cluster.map(partial(_shard_writer, make, schema), items)), int).reshape(-1, 2)
    images, failed = counts.sum(0).tolist()
    return Summary(images, failed, len(missing), len(shards) - len(missing))


def _all_rows(make: Callable[..., PhotoRows], **computing: Any) -> Callable[[Shard], list[list[Row]]]:
    rows = make(**computing)
    return lambda shard: list(rows([shard]))


def _shard_writer(make: Callable[..., PhotoRows], schema: pa.Schema, **computing: Any) -> Callable:
    """From a shard and a path to its file; how many images it has, and how many of them failed."""
    rows = make(**computing)

    def write(item: tuple[Shard, Path]) -> tuple[int, int]:
        shard, path = item
        photos = list(rows([shard]))
        with whole_file(path) as unfinished:
            pq.write_table(pa.Table.from_pylist([row for photo in photos for row in photo], schema), unfinished)
        return len(photos), sum(all(row["status"] != "ok" for row in photo) for photo in photos)

    return write
