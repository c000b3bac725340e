"""A network and its pruned variants over a file of aligned faces: groups of networks × ranges of rows are the parts."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from prefiqs import __version__
from prefiqs.apps.ray.run import do_parts
from prefiqs.apps.ray.shards import missing_parts, shard_path
from prefiqs.apps.ray.worker import BaseJob, BaseWorker
from prefiqs.assets.location import data_root
from prefiqs.assets.verify import file_sha256
from prefiqs.errors import InputError
from prefiqs.io.arrays import RowFile, read_array

if TYPE_CHECKING:
    from prefiqs.embedding.embedder import Embedder


@dataclass(frozen=True)
class Tile:
    """Some of the networks (0 is the unpruned one), and places in the list of rows."""

    networks: range
    rows: range


@dataclass(frozen=True, kw_only=True, eq=False)
class VariantsJob(BaseJob):
    """Raw embeddings of rows of a file of faces; `mirrored` tells for each network, the unpruned one first."""

    masks: Sequence[Path]
    images: Path
    rows: np.ndarray
    mirrored: Sequence[bool]
    batch_size: int | None


class VariantsWorker(BaseWorker):
    """Has the unpruned network, and a group of networks made ready, until a part asks for another group."""

    def __init__(self, job: VariantsJob):
        super().__init__(job)
        from prefiqs.models.loading import load_model

        self.job, self.network = job, load_model(job.model, device=job.device)
        self.images = read_array(job.images, mapped=True)
        self.ready: dict[range, Embedder] = {}

    def table(self, part: Tile) -> pd.DataFrame:
        """A row a face, a column a table of `write_embeddings`."""
        if part.networks not in self.ready:
            self.ready.clear()  # those of the group before go first
            self.ready[part.networks] = self._made_ready(part.networks)
        rows = self.job.rows[part.rows.start : part.rows.stop]
        tables = self.ready[part.networks](self.images[rows])
        return pd.DataFrame({"problem": [""] * len(rows)} | {str(i): [*table] for i, table in enumerate(tables)})

    def _made_ready(self, networks: range) -> Embedder:
        from prefiqs.embedding.embedder import Embedder
        from prefiqs.pruning.mask import load_mask
        from prefiqs.pruning.prune import apply_mask

        masks = [self.job.masks[i - 1] if i else None for i in networks]
        models = [apply_mask(self.network, load_mask(path)) if path else self.network for path in masks]
        views = [("plain", "mirrored")[: 1 + self.job.mirrored[i]] for i in networks]
        jobs = [(model, view) for model, seen in zip(models, views, strict=True) for view in seen]
        return Embedder(jobs, self.job.batch_size, self.job.device)


def write_embeddings_on_ray(
    model: str,
    masks: Sequence[Path],
    images: Path,
    rows: np.ndarray,
    paths: Sequence[Path],
    batch_size: int | None = None,
    device: str = "auto",
    mirrored: Sequence[bool] | None = None,
    workers: int | None = None,
    part_size: int = 1024,
    address: str | None = None,
) -> None:
    """What `write_embeddings` writes of a network and its pruned variants, equal to 1e-6, by workers.

    Shards lie in a hidden folder beside that of `paths` (DVC empties an output folder before it runs a stage anew)
    until all are there and the driver has put them together. A run that was interrupted goes on where it was when it
    is called again; shards of other settings or files make place.

    Args:
        model: name of the network.
        masks: what each pruned variant lacks, as `prefiqs.pruning.mask.save_mask` wrote it.
        images: a .npy file of aligned faces, uint8 n×112×112×3, which workers map into memory.
        rows: those of its faces that are embedded, at least one, in the order of the results.
        paths, batch_size, mirrored: as for `write_embeddings`, for the network and then its variants; paths are all in
            one folder.
        workers, device, address: as for `score_dataset`. part_size: faces that a worker does at a time.

    Raises:
        InputError: Ray is missing; a network or device that does not exist; a file that is not what it should be.
    """
    from prefiqs.embedding.embedder import NETWORKS_AT_ONCE
    from prefiqs.models.loading import load_model
    from prefiqs.models.weights import published_weights
    from prefiqs.pruning.mask import load_mask

    load_model(model, device="cpu")  # for its errors
    masks, images = [Path(path).absolute() for path in masks], Path(images).absolute()
    for path in masks:
        load_mask(path)
    count, mirrored = 1 + len(masks), mirrored or [False] * (1 + len(masks))
    if len(mirrored) != count or len(paths) != count + sum(mirrored) or not len(rows) or part_size < 1:
        raise InputError(f"Expected faces, {count} values of mirrored and a path a table, got {len(rows)} faces, "
                         f"{len(mirrored)} values, {len(paths)} paths and part_size={part_size}.")  # fmt: skip
    groups = [range(i, min(i + NETWORKS_AT_ONCE, count)) for i in range(0, count, NETWORKS_AT_ONCE)]
    starts = range(0, len(rows), part_size)
    # Group after group, so that a worker seldom makes other networks ready.
    parts = [Tile(g, range(s, min(s + part_size, len(rows)))) for g in groups for s in starts]
    folder = Path(paths[0]).absolute().parent
    out = folder.with_name(f".{folder.name}.shards")
    record = {
        "model": model, "weights_sha256": file_sha256(published_weights(model)), "mirrored": mirrored,
        "masks_sha256": [file_sha256(path) for path in masks], "images_sha256": file_sha256(images),
        "rows_sha256": hashlib.sha256(np.int64(rows).tobytes()).hexdigest(), "prefiqs": __version__,
    }  # fmt: skip
    job = partial(VariantsJob, out=out, data=data_root(), model=model, masks=masks, images=images, rows=rows,
                  mirrored=mirrored, batch_size=batch_size)  # fmt: skip
    missing = {i: parts[i] for i in _missing(out, parts, record)}
    do_parts(VariantsWorker, job, missing, "embed", workers, device, address)
    numbers, tables = iter(range(len(parts))), iter(paths)
    for group in groups:
        of_group = islice(tables, len(group) + sum(mirrored[i] for i in group))
        _assemble([shard_path(out, i) for i in islice(numbers, len(starts))], of_group, len(rows))
    shutil.rmtree(out)


def _missing(out: Path, parts: Sequence[Tile], record: Mapping[str, object]) -> list[int]:
    """As `missing_parts`, but shards of another run are of no use to anybody."""
    try:
        return missing_parts(out, parts, record)
    except InputError:
        shutil.rmtree(out)
        return missing_parts(out, parts, record)


def _assemble(shards: Sequence[Path], paths: Iterator[Path], count: int) -> None:
    """The .npy files of a group of networks, from its shards in order."""
    with ExitStack() as stack:
        files: list[RowFile] = []
        for shard in shards:
            table = pd.read_parquet(shard).drop(columns="problem")
            blocks = [np.stack(table[name]) for name in table]
            files = files or [
                stack.enter_context(RowFile(path, (count, block.shape[1]), np.float32))
                for path, block in zip(paths, blocks, strict=True)
            ]
            for file, block in zip(files, blocks, strict=True):
                file.append(block)
