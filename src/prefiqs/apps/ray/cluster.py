"""A pool of workers on a Ray cluster, each with networks that it loads once, and the folders of shards they write."""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from prefiqs.assets.location import data_root
from prefiqs.errors import InputError, PrefiqsError
from prefiqs.faces.find import RUN_RECORD
from prefiqs.io.atomic import read_text, write_text

_OBJECT_STORE = 100 * 2**20  # bytes of Ray's shared memory, which is hardly used


@dataclass(frozen=True)
class Cluster:
    """The Ray cluster to work on; `InputError` if Ray is not installed. Processes share its cores and GPUs."""

    workers: int | None = None  # number of processes; default: one per GPU, or one per machine if there are none
    device: str = "auto"  # or "cpu" or "cuda"; auto: GPUs if the cluster has any
    address: str | None = None  # default: the cluster this process is connected to, or else one started here

    def __post_init__(self) -> None:
        try:
            import ray.util  # noqa: F401
        except ImportError as error:
            raise InputError("Ray is not installed. Run: pip install 'prefiqs[ray]'") from error

    def map(self, build: Callable[..., Callable[[Any], Any]], items: Sequence[Any]) -> Iterator[Any]:
        """Map a function over items, in order; `build` makes it in each worker, given `device` and `threads`.

        A worker that dies is restarted, and its item is repeated. An item that fails with an error of this package
        does not stop the others.

        Raises `InputError` if there is no room for the workers, `build` fails, or, at the end, an item has failed.
        """
        if not items:
            return
        import ray

        errors = []
        with ExitStack() as stack:
            if not ray.is_initialized():
                os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else Ray reports its use over the network
                own = {} if self.address else {"include_dashboard": False, "object_store_memory": _OBJECT_STORE}
                # "local": without it, Ray would join any cluster that it finds running on this machine.
                ray.init(self.address or "local", log_to_driver=False, logging_level="ERROR", **own)
                stack.callback(ray.shutdown)
            workers, cores, gpus = self._shares(ray.nodes())
            device = self.device if self.device != "auto" else "cuda" if gpus else "cpu"
            actor = ray.remote(num_cpus=cores, num_gpus=gpus, max_restarts=-1, max_task_retries=-1)(Worker)
            given = (build, device, cores, os.getcwd(), data_root())
            pool = [actor.remote(*given) for _ in range(min(workers, len(items)))]
            for _, error in ray.get([worker.run.remote() for worker in pool]):
                if error:
                    raise InputError(error)
            for result, error in ray.util.ActorPool(pool).map(lambda worker, item: worker.run.remote(item), items):
                if error:
                    errors.append(error)
                else:
                    yield result
        if errors:
            raise InputError(f"{errors[0]} {len(errors)} of {len(items)} shards failed; the others are complete.")

    def _shares(self, nodes: Sequence[Mapping[str, Any]]) -> tuple[int, int, float]:
        """Number of workers, and cores and GPUs (or a share of one) for each, so that all of them fit at once."""
        nodes = [node["Resources"] for node in nodes if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
        gpus = 0 if self.device == "cpu" else int(sum(node.get("GPU", 0) for node in nodes))
        if self.device.startswith("cuda") and not gpus:
            raise InputError(f"The Ray cluster has no GPU for device {self.device!r}. Use 'auto' or 'cpu'.")
        if gpus:
            nodes = [node for node in nodes if node.get("GPU", 0) >= 1]
        if not nodes:
            raise InputError("No machine of this Ray cluster has a CPU core. Start Ray with --num-cpus=1 or more.")
        workers = gpus or len(nodes) if self.workers is None else self.workers
        cores = int(min(node["CPU"] for node in nodes)) // max(1, math.ceil(workers / len(nodes)))
        if workers < 1 or cores < 1:
            most = int(sum(node["CPU"] for node in nodes))
            raise InputError(f"This cluster has room for 1 to {most} workers, not {workers}.")
        return workers, cores, 1 / math.ceil(workers / gpus) if gpus else 0


class Worker:
    """The actor. What it needs is built at its first call, and again if it died and was started again."""

    def __init__(self, build: Callable[..., Callable], device: str, cores: int, folder: str, data: Path):
        os.chdir(folder)  # relative paths mean the same as where the run was started
        os.environ["PREFIQS_DATA"] = str(data)
        self.build, self.device, self.cores = build, device, cores

    @cached_property
    def _work(self) -> Callable:
        import cv2
        import torch

        # All engines keep to so many threads: Ray sets OMP_NUM_THREADS only where it is not set already.
        torch.set_num_threads(self.cores)
        cv2.setNumThreads(self.cores)
        return self.build(device=self.device, threads=self.cores)

    def run(self, *item: Any) -> tuple[Any, str]:
        """The result for an item, and an error or ""; without an item, only whether this worker can work."""
        try:
            return self._work(*item) if item else bool(self._work), ""
        except PrefiqsError as error:
            return None, str(error)


def shard_path(out: Path, number: int, ending: str = ".parquet") -> Path:
    """The file with the results of a shard."""
    return out / f"part-{number:08d}{ending}"


def missing_shards(out: Path, count: int, settings: Mapping[str, object]) -> list[int]:
    """Numbers of the shards without a file in a folder; the first run records its settings beside them.

    Raises `InputError` if an earlier run had other settings, or the folder has shards without a record.
    """
    record = json.loads(json.dumps({**settings, "shards": count}))  # as it will be read back
    found = {path.stem for path in out.glob("part-*")}
    if (out / RUN_RECORD).is_file():
        before = json.loads(read_text(out / RUN_RECORD))
        if changed := [key for key in {**before, **record} if before.get(key) != record.get(key)]:
            raise InputError(f"{out} was started with other settings: "
                             + "; ".join(f"{key} was {before.get(key)!r}, now {record.get(key)!r}" for key in changed)
                             + ". Use these settings, or choose another folder.")  # fmt: skip
    elif found:
        raise InputError(f"{out} has shards from another source (without {RUN_RECORD}). Choose another folder.")
    else:
        write_text(json.dumps(record, indent=1) + "\n", out / RUN_RECORD)
    for leftover in out.glob(".*.partial"):  # of workers that were killed
        leftover.unlink(missing_ok=True)
    return [i for i in range(count) if shard_path(out, i).stem not in found]
