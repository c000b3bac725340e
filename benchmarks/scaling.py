"""Data sets on a local Ray cluster: two workers against one, by the number of images; what an image costs a core."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import torch
from benchmarks.harness import Figure, dearer, seconds_of

import prefiqs
from prefiqs.assets.fetch import fetch
from prefiqs.embedding.embedder import Embedder
from prefiqs.faces.align import align
from prefiqs.faces.decode import decode_face, decode_photo

SIZES = (1_000, 4_000, 13_000)
PART = 250


def run(sizes: tuple[int, ...] = SIZES) -> Iterator[Figure]:
    """A line a size, whose details hold the images/s beyond the start, and a line a piece of work on one core."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    with tempfile.TemporaryDirectory() as folder:
        encoded = [cv2.imencode(".png", face[..., ::-1])[1].tobytes() for face in orl_faces()]
        seconds: dict[int, list[float]] = {}
        for size in sizes:
            source = Path(folder) / f"{size}.parquet"
            write_faces(encoded, size, source)
            seconds[size] = [seconds_with(workers, source, Path(folder) / f"{size}-{workers}") for workers in (1, 2)]
            one, two = seconds[size]
            details = {f"images/s, {n} workers": round(size / s, 1) for n, s in enumerate(seconds[size], 1)}
            details["megabytes of images"] = round(source.stat().st_size / 1e6, 1)
            if len(seconds) > 1:
                more = size - sizes[0]
                rates = [more / (s - first) for s, first in zip(seconds[size], seconds[sizes[0]], strict=True)]
                details |= {f"images/s beyond the start, {n} workers": round(r, 1) for n, r in enumerate(rates, 1)}
            yield Figure(f"speed-up of score_dataset, PreFIQs, sface, {size:,} aligned faces in Parquet, start of the "
                         "workers included: 2 workers with one core each", "1 worker with one core", *[one / two] * 3,
                         details={"seconds": round(two, 1), "seconds against": round(one, 1), **details})  # fmt: skip
    with ProcessPoolExecutor(1, get_context("spawn"), on_one_core) as one_core:
        yield from one_core.submit(costs).result()


def on_one_core() -> None:
    """Keep the engines of this process to one thread."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def costs(count: int = 96) -> list[Figure]:
    """What an image costs on the core of this process, beside a forward pass."""
    model = prefiqs.load_model("sface", device="cpu")
    faces = np.stack(orl_faces()[:count])
    jpegs = [cv2.imencode(".jpg", face[..., ::-1])[1].tobytes() for face in faces]
    photos = [cv2.imencode(".jpg", cv2.resize(face[..., ::-1], (250, 250)))[1].tobytes() for face in faces]
    works = {
        f"decode an aligned JPEG of {sum(map(len, jpegs)) / count / 1000:.1f} kB": lambda: [
            decode_face(j, "") for j in jpegs
        ],
        "decode, detect and align a photo of 250×250": lambda: [align(decode_photo(p, "")) for p in photos],
        "PreFIQs, sface": partial(prefiqs.scorer("prefiqs", model, device="cpu"), faces),
    }
    forward = partial(Embedder([model], device="cpu"), faces)
    figures = [dearer(f"{work}, one core", "a forward pass of sface", way, forward) for work, way in works.items()]
    for figure in figures:
        took = {"ms an image": figure.details.pop("seconds"), "ms against": figure.details.pop("seconds against")}
        figure.details.update({label: round(1e3 * seconds / count, 3) for label, seconds in took.items()})
    return figures


def orl_faces() -> list[np.ndarray]:
    """The 400 aligned ORL faces."""
    return [prefiqs.align(path).image for path in sorted(fetch("orl").rglob("*.pgm"))]


def write_faces(encoded: list[bytes], size: int, path: Path) -> None:
    """So many faces, the same ones again and again, in row groups of a part each."""
    names, images = [f"{i:06}" for i in range(size)], [encoded[i % len(encoded)] for i in range(size)]
    pq.write_table(pa.table({"name": names, "image": images}), path, row_group_size=PART, use_dictionary=False)


def seconds_with(workers: int, source: Path, out: Path) -> float:
    """Seconds of a run on a cluster that has one core a worker, and is there already."""
    ray.init("local", num_cpus=workers, include_dashboard=False, log_to_driver=False, object_store_memory=100 * 2**20)
    try:
        return seconds_of(
            lambda: prefiqs.score_dataset(source, out, aligned=True, workers=workers, device="cpu", shard_size=PART)
        )
    finally:
        ray.shutdown()
