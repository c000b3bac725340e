"""A worker: one process with its networks, which turns a part into a shard at a time."""

from __future__ import annotations

import os
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from prefiqs.apps.ray.cores import claim_cores
from prefiqs.apps.ray.shards import shard_path, write_shard
from prefiqs.apps.ray.sources import Part, Record
from prefiqs.errors import InputError, NoFaceFound, PrefiqsError

# Faces held at a time: 38 MB, and as many again that are read ahead.
_FACES_AT_ONCE = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class BaseJob:
    """What every worker of a run is told. `data` is the folder of weights, `cores` those of each worker."""

    out: Path
    data: Path
    model: str
    device: str
    cores: int


class BaseWorker(ABC):
    """The actor of `map_batches`: takes batches of one part each, {"number", "part"}, and gives what became of it."""

    def __init__(self, job: BaseJob):
        claim_cores(job.cores)
        os.environ["PREFIQS_DATA"] = str(job.data)
        self.out = job.out

    @abstractmethod
    def table(self, part) -> pd.DataFrame:
        """The rows of a part, among them `problem`, empty where there is none."""

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list]:
        """Write the shard of a part, unless a worker that died right afterwards has written it.

        A file that cannot be read to its end is no reason to stop the others: its error is told at the end of the run.
        """
        (number,), (part,) = batch["number"], batch["part"]
        path = shard_path(self.out, int(number))
        if path.is_file():
            problems = pd.read_parquet(path, columns=["problem"])["problem"]
        else:
            try:
                table = self.table(pickle.loads(part))
            except PrefiqsError as error:
                return {"images": [0], "failed": [0], "error": [str(error)]}
            write_shard(table, path)
            problems = table["problem"]
        return {"images": [len(problems)], "failed": [int((problems != "").sum())], "error": [""]}


@dataclass(frozen=True, kw_only=True)
class Job(BaseJob):
    """Scores or embeddings of images that are read and, if need be, aligned first."""

    kind: Literal["score", "embed"]
    aligned: bool
    method: str = ""
    options: dict[str, object] = field(default_factory=dict)


class Worker(BaseWorker):
    """Has one network, and its pruned copy where the method has one."""

    def __init__(self, job: Job):
        super().__init__(job)
        # Only now, for they count the cores.
        from prefiqs.apps.ray import computing
        from prefiqs.apps.ray.decoding import decoder

        self.job, self.decode = job, decoder(job.aligned)
        if job.kind == "embed":
            self.compute: Callable[[np.ndarray], np.ndarray] = computing.embedder(job.model, job.device)
        else:
            self.compute = computing.scorer(job.method, job.model, job.device, job.options)

    def table(self, part: Part) -> pd.DataFrame:
        """A row an image: name, score (and the method's name) or raw embedding, problem (empty where there is none)."""
        names, values, problems = [], [], []
        for chunk in _ahead(self._chunks(part.records())):
            found = [face for _, face, _ in chunk if face is not None]
            results = iter(self.compute(np.stack(found)) if found else ())
            values += [None if face is None else next(results) for _, face, _ in chunk]
            names += [name for name, _, _ in chunk]
            problems += [problem for _, _, problem in chunk]
        if self.job.kind == "embed":
            return pd.DataFrame({"name": names, "embedding": pd.Series(values, dtype=object), "problem": problems})
        scores = np.array([np.nan if v is None else v for v in values], np.float32)
        return pd.DataFrame({"name": names, "method": self.job.method, "score": scores, "problem": problems})

    def _chunks(self, records: Iterator[Record]) -> Iterator[list[tuple[str, np.ndarray | None, str]]]:
        """Decoded images, so many at a time: small ones on all cores, photos one by one (the detector is no team)."""
        with ThreadPoolExecutor(self.job.cores) as pool:
            in_turn = pool.map if self.job.aligned else map
            while chunk := list(in_turn(self._decoded, islice(records, _FACES_AT_ONCE))):
                yield chunk

    def _decoded(self, record: Record) -> tuple[str, np.ndarray | None, str]:
        name, read = record
        try:
            return name, self.decode(read(), name), ""
        except (InputError, NoFaceFound, OSError) as error:
            return name, None, str(error)


def _ahead(chunks: Iterator[list]) -> Iterator[list]:
    """The same, each made in a thread while the one before is at work."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = thread.submit(next, chunks, None)
            yield chunk
