"""Scores and embeddings of photos on a Ray cluster: the rows of `PhotoScorer`, or Parquet shards written by workers."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prefiqs import __version__
from prefiqs.apps.ray.cluster import Cluster, missing_shards, shard_path
from prefiqs.apps.score.rows import SCHEMA, Row
from prefiqs.apps.score.scorer import PhotoScorer, describe
from prefiqs.faces.find import Shard, find_images, in_words
from prefiqs.io.atomic import whole_file

_EMBEDDINGS = pa.schema([
    pa.field("embedding", pa.list_(pa.float32())) if field.name == "score" else field
    for field in SCHEMA if field.name not in ("method", "drift", "percentile")
])  # fmt: skip


@dataclass(frozen=True)
class Summary:
    """What a run did: `images`, how many of them `failed` (a row with the reason), in how many `shards`; and how many
    shards were `skipped` because an earlier run had written them; and which files were `passed_over`, in words."""

    images: int
    failed: int
    shards: int
    skipped: int
    passed_over: str = ""

    def __str__(self) -> str:
        return (f"{self.images} images in {self.shards} shards, {self.failed} of them without a result; "
                f"{self.skipped} shards existed already. {self.passed_over}").rstrip()  # fmt: skip


class RayScorer:
    """Does on the workers of a cluster what `PhotoScorer` does; a run that dies loses its unfinished shards."""

    def __init__(
        self,
        cluster: Cluster,
        method: str | Sequence[str] | None,
        model: str,
        aligned: bool,
        all_faces: bool,
        landmarks: Path | None = None,
        **options: Any,
    ):
        self.cluster, self.settings = cluster, describe(method, model, options, aligned, all_faces, landmarks)
        self.schema = _EMBEDDINGS if method is None else SCHEMA
        self.build = partial(
            _worker,
            partial(PhotoScorer, method, model, aligned, all_faces, landmarks=landmarks, **options),
            self.schema,
        )

    def __call__(self, shards: Sequence[Shard]) -> Iterator[list[Row]]:
        """The rows of each photo, in order."""
        for rows in self.cluster.map(self.build, [(shard, None) for shard in shards]):
            yield from rows

    def write(self, source: str | Path | Sequence[str | Path], out: str | Path, shard_size: int) -> Summary:
        """Let the workers write the rows; see `score_dataset`."""
        passed_over: Counter[str] = Counter()
        shards = find_images([source] if isinstance(source, str | Path) else source, shard_size, passed_over)
        out, content = Path(out).absolute(), hashlib.sha256("\n".join(map(repr, shards)).encode()).hexdigest()
        record = {"settings": self.settings, "columns": self.schema.names, "source_sha256": content}
        missing = missing_shards(out, len(shards), record | {"prefiqs": __version__})
        items = [(shards[number], shard_path(out, number)) for number in missing]
        images = failed = 0
        for found, lost, inside in self.cluster.map(self.build, items):
            images, failed, passed_over = images + found, failed + lost, passed_over + inside
        return Summary(images, failed, len(missing), len(shards) - len(missing), in_words(passed_over))


def score_dataset(
    source: str | Path | Sequence[str | Path],
    out: str | Path,
    method: str | Sequence[str] = "prefiqs",
    model: str = "sface",
    aligned: bool = False,
    workers: int | None = None,
    device: str = "auto",
    shard_size: int = 1024,
    address: str | None = None,
    all_faces: bool = False,
    landmarks: str | Path | None = None,
    **options: Any,
) -> Summary:
    """Score a data set of any size into Parquet shards with the columns of `prefiqs score`, on a Ray cluster.

    Scores equal those of `prefiqs.score` to 1e-6. If an image cannot be scored, the `status` of its row says why. To
    resume an interrupted run, call the function again: shards are written completely or not at all.

    Args:
        source: a folder of photos, of .parquet files with a column of image bytes (and optionally a column `name`), or
            of .tar files (WebDataset shards) or .zip files; one such file; or several of these.
        out: a folder for the shards, which `pandas.read_parquet` reads as one table.
        method: one or several; each has a row per face.
        model, options: as for `prefiqs.scorer`; the model by name or as an .onnx file.
        aligned: whether the images are aligned 112×112 faces; if not, the largest face is detected and aligned.
        workers, device, address: as for `Cluster`.
        shard_size: images per shard, in folders and Parquet files; an archive is always one shard. If a worker crashes,
            its current shard is computed again. A GPU needs several thousand images per shard to stay busy.
        all_faces: write one row per face, largest first.
        landmarks: a file with the faces of each photo (see `GivenLandmarks`), instead of detecting them.

    Raises:
        InputError: Ray is missing; a source, method, option or device does not exist; the output folder was started
            with other settings; or, after all other shards are done, some files could not be read completely.
    """
    points = None if landmarks is None else Path(landmarks)
    scorer = RayScorer(Cluster(workers, device, address), method, model, aligned, all_faces, points, **options)
    return scorer.write(source, out, shard_size)


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
    return RayScorer(Cluster(workers, device, address), None, model, aligned, all_faces).write(source, out, shard_size)


def _worker(make: Callable[..., PhotoScorer], schema: pa.Schema, **computing: Any) -> Callable:
    """A function of a shard and a path. Without a path, it returns the rows of each photo; with one, it writes them
    there and returns the number of photos, how many of them failed, and what was passed over."""
    scorer = make(**computing)

    def work(item: tuple[Shard, Path | None]) -> list[list[Row]] | tuple[int, int, Counter[str]]:
        shard, path = item
        photos = list(scorer([shard]))
        if path is None:
            return photos
        with whole_file(path) as unfinished:
            pq.write_table(pa.Table.from_pylist([row for photo in photos for row in photo], schema), unfinished)
        failed = sum(all(row["status"] != "ok" for row in photo) for photo in photos)
        return len(photos), failed, shard.passed_over

    return work
