"""A network and its pruned variants over a file of aligned faces: workers do groups of networks × ranges of rows."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from prefiqs import __version__
from prefiqs.apps.ray.cluster import Cluster, require_ray
from prefiqs.apps.ray.shards import missing_shards, shard_path, write_shard
from prefiqs.assets.fetch import file_sha256
from prefiqs.errors import InputError
from prefiqs.io.arrays import read_array, row_writer

Job = tuple[Path | None, str]
"""The mask of a pruned network (None: unpruned), and what it sees, "plain" or "mirrored" faces."""


@dataclass(frozen=True)
class Tile:
    """Some of the jobs, and positions in the list of rows."""

    number: int
    jobs: range
    rows: range


@dataclass(frozen=True, eq=False)
class Study:
    """What workers must know: the arguments of `write_embeddings_on_ray`, with absolute paths."""

    out: Path
    model: str
    jobs: Sequence[Job]
    images: Path
    rows: np.ndarray
    batch_size: int | None


def write_embeddings_on_ray(
    model: str,
    jobs: Sequence[Job],
    images: Path,
    rows: np.ndarray,
    paths: Sequence[Path],
    batch_size: int | None = None,
    device: str = "auto",
    workers: int | None = None,
    shard_size: int = 1024,
    address: str | None = None,
) -> None:
    """Write what `write_embeddings` writes of a network and its pruned variants, equal to 1e-6, by workers.

    Shards are in a hidden folder beside that of `paths` (DVC empties an output folder before it runs a stage again)
    until all exist and are put together here. A run that was interrupted continues when it is called again; shards of
    other settings or files are deleted.

    Args:
        model: name of the network.
        jobs: what to embed with, in the order of `paths`; masks as `prefiqs.pruning.mask.save_mask` wrote them.
        images: a .npy file of aligned faces, uint8 n×112×112×3, which workers map into memory.
        rows: of those faces that are embedded, at least one, in the order of the results.
        paths: of the tables, all in one folder. batch_size: as for `write_embeddings`.
        workers, device, address: as for `Cluster`. shard_size: faces that a worker does at a time.

    Raises:
        InputError: Ray is missing; a network or device that does not exist; an invalid file.
    """
    require_ray()
    from prefiqs.embedding.embedder import NETWORKS_AT_ONCE
    from prefiqs.models.weights import published_weights
    from prefiqs.pruning.mask import load_mask

    jobs = [(mask and Path(mask).absolute(), view) for mask, view in jobs]
    masks = [path for path in dict.fromkeys(mask for mask, _ in jobs) if path]
    for path in masks:
        load_mask(path)  # for its errors
    if len(jobs) != len(paths) or not len(rows) or shard_size < 1:
        raise InputError(f"{len(jobs)} jobs on {len(rows)} faces do not fit {len(paths)} paths and a shard size of "
                         f"{shard_size}.")  # fmt: skip
    folder, images = Path(paths[0]).absolute().parent, Path(images).absolute()
    study = Study(folder.with_name(f".{folder.name}.shards"), model, jobs, images, rows, batch_size)
    groups = [range(i, min(i + NETWORKS_AT_ONCE, len(jobs))) for i in range(0, len(jobs), NETWORKS_AT_ONCE)]
    ranges = [range(i, min(i + shard_size, len(rows))) for i in range(0, len(rows), shard_size)]
    # Group after group, so that a worker seldom prepares other networks.
    tiles = [Tile(i, *both) for i, both in enumerate((group, some) for group in groups for some in ranges)]
    record = {
        "model": model, "weights_sha256": file_sha256(published_weights(model)),
        "jobs": [(file_sha256(mask) if mask else None, view) for mask, view in jobs],
        "images_sha256": file_sha256(images), "prefiqs": __version__,
        "rows_sha256": hashlib.sha256(np.int64(rows).tobytes()).hexdigest(),
    }  # fmt: skip
    try:
        missing = missing_shards(study.out, len(tiles), record)
    except InputError:  # shards of another run, which are of no use to anybody
        shutil.rmtree(study.out)
        missing = missing_shards(study.out, len(tiles), record)
    for _ in Cluster(workers, device, address).map(partial(_tile_writer, study), [tiles[i] for i in missing]):
        pass
    for group in groups:
        shards = [shard_path(study.out, tile.number, ".npy") for tile in tiles if tile.jobs == group]
        _assemble(shards, [paths[i] for i in group], len(rows))
    shutil.rmtree(study.out)


def _tile_writer(study: Study, device: str, threads: int) -> Callable[[Tile], None]:
    """From a tile to its file, tables×rows×d; the networks of a group are kept until a tile needs another group."""
    from prefiqs.embedding.embedder import Embedder
    from prefiqs.models.loading import load_model
    from prefiqs.pruning.mask import load_mask
    from prefiqs.pruning.prune import apply_mask

    network, images = load_model(study.model, device=device), read_array(study.images, mapped=True)
    prepared: dict[range, Embedder] = {}

    def write(tile: Tile) -> None:
        if tile.jobs not in prepared:
            prepared.clear()  # before the next networks are made
            jobs = [study.jobs[i] for i in tile.jobs]
            masks = dict.fromkeys(mask for mask, _ in jobs)
            networks = {mask: apply_mask(network, load_mask(mask)) if mask else network for mask in masks}
            prepared[tile.jobs] = Embedder([(networks[mask], view) for mask, view in jobs], study.batch_size, device)
        faces = images[study.rows[tile.rows.start : tile.rows.stop]]
        tables: Any = np.stack(prepared[tile.jobs](faces))
        write_shard(shard_path(study.out, tile.number, ".npy"), lambda path: np.save(path, tables))

    return write


def _assemble(shards: Sequence[Path], paths: Sequence[Path], count: int) -> None:
    """The .npy files of a group of networks, from its shards in order."""
    with ExitStack() as stack:
        appends: list[Callable[[np.ndarray], None]] = []
        for shard in shards:
            tables = read_array(shard)
            appends = appends or [
                stack.enter_context(row_writer(path, (count, tables.shape[2]), np.float32)) for path in paths
            ]
            for append, table in zip(appends, tables, strict=True):
                append(table)
