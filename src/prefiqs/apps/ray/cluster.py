"""A pool of workers on a Ray cluster, each a process with networks that it loads, prunes and compiles once."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from prefiqs.assets.location import data_root
from prefiqs.errors import InputError, PrefiqsError

_OBJECT_STORE = 100 * 2**20  # bytes of Ray's shared memory, which is hardly used


@dataclass(frozen=True)
class Cluster:
    """Where to work.

    workers: processes that share the cores, and the GPUs if there are fewer of those; by default one a GPU, or one a
    machine where there are none. device: "auto" (GPUs where the cluster has them), "cpu" or "cuda". address: of a
    running Ray cluster; by default the one this process is connected to, or else one made here.
    """

    workers: int | None = None
    device: str = "auto"
    address: str | None = None

    def map(self, build: Callable[..., Callable[[Any], Any]], items: Sequence[Any]) -> Iterator[Any]:
        """Map a function over items, in order; `build` makes it in each worker, given `device` and `threads`.

        A worker that dies is started again and its item is done again. An item that fails with an error of this package
        does not stop the others.

        Raises `InputError` if Ray is missing, there is no room for the workers, `build` fails, or, at the end, an item
        has failed.
        """
        if not items:
            return
        errors = []
        with self._connected() as ray:
            workers, cores, gpus = self._shares(ray)
            device = self.device if self.device != "auto" else "cuda" if gpus else "cpu"
            actor = ray.remote(num_cpus=cores, num_gpus=gpus, max_restarts=-1, max_task_retries=-1)(Worker)
            given = (build, device, cores, os.getcwd(), data_root())
            pool = [actor.remote(*given) for _ in range(min(workers, len(items)))]
            for error in ray.get([worker.problem.remote() for worker in pool]):
                if error:
                    raise InputError(error)
            for result, error in ray.util.ActorPool(pool).map(lambda worker, item: worker.run.remote(item), items):
                if error:
                    errors.append(error)
                else:
                    yield result
        if errors:
            raise InputError(f"{errors[0]} {len(errors)} of {len(items)} shards failed; the others are complete.")

    @contextmanager
    def _connected(self):
        ray = require_ray()
        if ray.is_initialized():
            yield ray
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report its use over the network
        own = {} if self.address else {"include_dashboard": False, "object_store_memory": _OBJECT_STORE}
        # "local": without it, Ray would join any cluster that it finds running on this machine.
        ray.init(self.address or "local", log_to_driver=False, logging_level="ERROR", **own)
        try:
            yield ray
        finally:
            ray.shutdown()

    def _shares(self, ray) -> tuple[int, int, float]:
        """Workers, cores and GPUs (or a share of one) of each, so that all of them find their place at once."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
        gpus = 0 if self.device == "cpu" else int(sum(node.get("GPU", 0) for node in nodes))
        if self.device.startswith("cuda") and not gpus:
            raise InputError(f"The Ray cluster has no GPU for device {self.device!r}. Use 'auto' or 'cpu'.")
        if gpus:
            nodes = [node for node in nodes if node.get("GPU", 0) >= 1]
        most = int(sum(node["CPU"] for node in nodes))
        workers = gpus or len(nodes) if self.workers is None else self.workers
        cores = int(min(node["CPU"] for node in nodes)) // max(1, math.ceil(workers / len(nodes)))
        if workers < 1 or cores < 1:
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

    def problem(self) -> str:
        """Why this worker cannot work, or nothing."""
        return _tried(lambda: self._work)[1]

    def run(self, item: Any) -> tuple[Any, str]:
        """The result for an item, and an error or nothing."""
        return _tried(lambda: self._work(item))


def _tried(function: Callable[[], Any]) -> tuple[Any, str]:
    try:
        return function(), ""
    except PrefiqsError as error:
        return None, str(error)


def require_ray():
    """The package, or an `InputError` that says how to get it."""
    try:
        import ray.util
    except ImportError as error:
        raise InputError("Ray is not installed. Run: pip install 'prefiqs[ray]'") from error
    return ray
