"""A run over a data set: parts that have no shard yet go through an actor pool of Ray Data."""

from __future__ import annotations

import math
import os
import pickle
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from prefiqs import __version__
from prefiqs.apps.ray.shards import missing_parts
from prefiqs.apps.ray.sources import parts_of
from prefiqs.apps.ray.worker import BaseJob, BaseWorker, Job, Worker
from prefiqs.assets.location import data_root
from prefiqs.assets.verify import file_sha256
from prefiqs.errors import InputError

# Only names of parts travel through Ray's memory of shared objects.
_OBJECT_STORE = 100 * 2**20


@dataclass(frozen=True)
class Summary:
    """What a run did: `images` and how many of them `failed` (a row with its problem), in how many `parts`; and how
    many parts were `found` finished by an earlier run."""

    images: int
    failed: int
    parts: int
    found: int


def score_dataset(
    source: str | Path,
    out: str | Path,
    method: str = "prefiqs",
    model: str = "sface",
    aligned: bool = False,
    workers: int | None = None,
    device: str = "auto",
    part_size: int = 1024,
    address: str | None = None,
    **options: object,
) -> Summary:
    """Score a data set of any size into Parquet shards: name, method, score (float32, higher = better), problem.

    Equal to `prefiqs.score` to 1e-6. An image that cannot be scored has no score and its problem. A run that was
    interrupted goes on where it was when it is called again: shards appear whole or not at all.

    Args:
        source: a folder of photos, of .parquet files with a column of image bytes (and, if they have it, one called
            `name`), or of .tar files (WebDataset shards); or one such file.
        out: a folder for the shards, which `pandas.read_parquet` reads as one.
        method, model, options: as for `prefiqs.score`, the model by its name or as .onnx file.
        aligned: the images are aligned 112×112 faces; else the largest face of each is detected and aligned.
        workers: processes, each with its network; by default one a GPU, or one a machine where there are none. They
            share the cores, and also GPUs if there are more workers than those.
        device: "auto" (GPUs where the cluster has them), "cpu" or "cuda".
        part_size: images that a worker does at a time, in folders and Parquet files; a tar file is always one part.
            What is lost when a worker dies; on a GPU, some thousands keep it busy.
        address: of a running Ray cluster; by default the one this process is connected to, or else one made here.

    Raises:
        InputError: Ray is missing; a source, method, option or device that does not exist; an output folder that was
            begun with other settings; and, when all else is done, files that cannot be read to their end.
    """
    _ray()  # before the seconds that PyTorch takes to load
    from prefiqs.methods.registry import scorer

    scorer(method, model, device="cpu", **options)  # for its errors, in this process, where they are sentences
    plan = _Plan(Path(source), Path(out).absolute(), workers, device, part_size, address)
    return plan.run("score", model, aligned, method=method, options=options)


def embed_dataset(
    source: str | Path,
    out: str | Path,
    model: str = "sface",
    aligned: bool = False,
    workers: int | None = None,
    device: str = "auto",
    part_size: int = 1024,
    address: str | None = None,
) -> Summary:
    """Embed a data set of any size into Parquet shards: name, embedding (raw, float32 d), problem.

    All else as in `score_dataset`.
    """
    _ray()
    from prefiqs.models.loading import load_model

    load_model(model, device="cpu")  # for its errors
    plan = _Plan(Path(source), Path(out).absolute(), workers, device, part_size, address)
    return plan.run("embed", model, aligned)


@dataclass(frozen=True)
class _Plan:
    """What scoring and embedding have in common."""

    source: Path
    out: Path
    workers: int | None
    device: str
    part_size: int
    address: str | None

    def run(self, kind: Literal["score", "embed"], model: str, aligned: bool, **settings: Any) -> Summary:
        """Do what is missing."""
        parts = parts_of(self.source, self.part_size)
        # The options that change numbers, and the version of the code: devices differ by rounding only.
        record = {"kind": kind, "model": model, "weights_sha256": _weights_sha256(model), "aligned": aligned}
        missing = missing_parts(self.out, parts, {**record, **settings, "prefiqs": __version__})
        job = partial(Job, kind=kind, out=self.out, data=data_root(), model=model, aligned=aligned, **settings)
        rows = {i: parts[i] for i in missing}
        done = do_parts(Worker, job, rows, kind, self.workers, self.device, self.address)
        counts = {key: sum(row[key] for row in done) for key in ("images", "failed")}
        return Summary(**counts, parts=len(done), found=len(parts) - len(missing))


def do_parts(
    worker: type[BaseWorker],
    job: Callable[..., BaseJob],
    parts: Mapping[int, object],
    name: str,
    workers: int | None,
    device: str,
    address: str | None,
) -> list[dict]:
    """Send parts, by number, through an actor pool, in their order; what the workers say of them.

    job: takes the `device` and `cores` of a worker. name: of the progress bar.

    Raises:
        InputError: no place for the workers; and, when all else is done, parts that could not be.
    """
    if not parts:
        return []
    with _cluster(address) as ray:
        workers, cores, gpus = _shares(ray, workers, device)
        told = job(device=device if device != "auto" else "cuda" if gpus else "cpu", cores=cores)
        rows = [{"number": number, "part": pickle.dumps(part)} for number, part in parts.items()]
        data = ray.data.from_items(rows, override_num_blocks=len(rows))
        data.context.enable_progress_bars = data.context.print_on_execution_start = False
        # A worker that dies is started again and its part is done again: both without limit by default.
        pool = ray.data.ActorPoolStrategy(size=min(workers, len(rows)), max_tasks_in_flight_per_actor=1)
        data = data.map_batches(
            worker, batch_size=1, compute=pool, num_cpus=cores, num_gpus=gpus, fn_constructor_args=(told,)
        )
        done = list(tqdm(data.iter_rows(), total=len(rows), unit="part", desc=name, disable=None))
    if broken := [row["error"] for row in done if row["error"]]:
        raise InputError(f"{broken[0]} So it is with {len(broken)} of {len(rows)} parts; the others are done.")
    return done


def _ray():
    try:
        import ray.data
    except ImportError as error:
        raise InputError("Expected the package Ray for data sets, got none; run: pip install 'prefiqs[ray]'") from error
    return ray


@contextmanager
def _cluster(address: str | None):
    """Ray, connected: to what this process is connected to already, the address, or a cluster made for this run."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it would report its use over the network
    ray = _ray()
    if ray.is_initialized():
        yield ray
        return
    own = {} if address else {"include_dashboard": False, "object_store_memory": _OBJECT_STORE}
    # "local": without it, Ray would join any cluster that it finds running on this machine.
    ray.init(address or "local", log_to_driver=False, logging_level="ERROR", **own)
    try:
        yield ray
    finally:
        ray.shutdown()


def _shares(ray, workers: int | None, device: str) -> tuple[int, int, float]:
    """Workers, cores and GPUs (or a share of one) of each, so that all of them find their place at once."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    gpus = 0 if device == "cpu" else int(sum(node.get("GPU", 0) for node in nodes))
    if device.startswith("cuda") and not gpus:
        raise InputError(f"Expected GPUs in the Ray cluster for device={device!r}, got none; use 'auto' or 'cpu'.")
    if gpus:
        nodes = [node for node in nodes if node.get("GPU", 0) >= 1]
    most = int(sum(node["CPU"] for node in nodes))
    workers = workers or gpus or len(nodes)
    cores = int(min(node["CPU"] for node in nodes)) // math.ceil(workers / len(nodes))
    if workers < 1 or cores < 1:
        raise InputError(f"Expected 1 to {most} workers, one core each on machines alike, got workers={workers}.")
    return workers, cores, 1 / math.ceil(workers / gpus) if gpus else 0


def _weights_sha256(model: str) -> str:
    from prefiqs.models.weights import published_weights

    return file_sha256(Path(model) if model.endswith(".onnx") else published_weights(model))
