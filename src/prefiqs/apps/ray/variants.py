"""A network and its pruned variants over a file of aligned faces: workers do groups of networks × ranges of rows."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from prefiqs import __version__
from prefiqs.apps.ray.cluster import Cluster, missing_shards, shard_path
from prefiqs.assets.fetch import file_sha256
from prefiqs.embedding import embedder
from prefiqs.errors import InputError
from prefiqs.io.arrays import read_array, row_writer, write_array
from prefiqs.models.loading import load_model
from prefiqs.models.registry import published_weights
from prefiqs.pruning.mask import load_mask
from prefiqs.pruning.prune import apply_mask

Job = tuple[Path | None, str]
"""The mask of a pruned network (None: unpruned), and what it sees, "plain" or "mirrored" faces."""

Tile = tuple[Sequence[Job], np.ndarray, Path]
"""Some of the jobs, some of the rows, and the shard for their embeddings, jobs×rows×d."""


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
) -> None:
    """Let workers write what `write_embeddings` writes for a network and its pruned variants, equal to 1e-6.

    Shards are kept in a hidden folder beside that of `paths`, because DVC empties an output folder before it reruns a
    stage, and joined at the end. Call this again to continue a run; shards of other settings or files are deleted.

    jobs: in the order of `paths`, which are all in one folder. images: a .npy file of aligned faces, uint8
    n×112×112×3, which workers map into memory. rows: faces to embed, at least one, in the order of the results.
    shard_size: number of faces that a worker embeds at a time. workers, device: as for `Cluster`.
    """
    cluster, at_once = Cluster(workers, device), embedder.NETWORKS_AT_ONCE
    jobs = [(mask and Path(mask).absolute(), view) for mask, view in jobs]
    for mask in {mask for mask, _ in jobs if mask}:
        load_mask(mask)  # for its errors
    if len(jobs) != len(paths) or not len(rows) or shard_size < 1:
        raise InputError(f"{len(jobs)} jobs on {len(rows)} faces do not fit {len(paths)} paths and a shard size of "
                         f"{shard_size}.")  # fmt: skip
    folder, images = Path(paths[0]).absolute().parent, Path(images).absolute()
    out = folder.with_name(f".{folder.name}.shards")
    groups = [jobs[i : i + at_once] for i in range(0, len(jobs), at_once)]
    ranges = [rows[i : i + shard_size] for i in range(0, len(rows), shard_size)]
    # Group after group, so that a worker seldom prepares other networks.
    tiles = [(group, some, shard_path(out, g * len(ranges) + r, ".npy"))
             for g, group in enumerate(groups) for r, some in enumerate(ranges)]  # fmt: skip
    record = {
        "model": model, "weights_sha256": file_sha256(published_weights(model)),
        "jobs": [(file_sha256(mask) if mask else None, view) for mask, view in jobs],
        "images_sha256": file_sha256(images), "prefiqs": __version__,
        "rows_sha256": hashlib.sha256(np.int64(rows).tobytes()).hexdigest(),
    }  # fmt: skip
    try:
        missing = missing_shards(out, len(tiles), record)
    except InputError:  # shards of another run, which are useless here
        shutil.rmtree(out)
        missing = missing_shards(out, len(tiles), record)
    list(cluster.map(partial(_tile_writer, model, images, batch_size), [tiles[i] for i in missing]))
    for number, path in enumerate(paths):
        group, row = divmod(number, at_once)
        shards = [shard for *_, shard in tiles[group * len(ranges) :][: len(ranges)]]
        size = read_array(shards[0], mapped=True).shape[2]
        with row_writer(path, (len(rows), size), np.float32) as append:
            for shard in shards:
                append(read_array(shard, mapped=True)[row])
    shutil.rmtree(out)


def _tile_writer(model: str, images: Path, batch_size: int | None, device: str, threads: int) -> Callable[[Tile], None]:
    """A function that writes a tile to its file; it keeps a group of networks until a tile needs another group."""
    network, faces = load_model(model, device=device), read_array(images, mapped=True)
    prepared: dict[tuple[Job, ...], embedder.Embedder] = {}

    def write(tile: Tile) -> None:
        jobs, rows, path = tile
        if tuple(jobs) not in prepared:
            prepared.clear()  # before the next networks are made
            masks = dict.fromkeys(mask for mask, _ in jobs)
            networks = {mask: apply_mask(network, load_mask(mask)) if mask else network for mask in masks}
            made = [(networks[mask], view) for mask, view in jobs]
            prepared[tuple(jobs)] = embedder.Embedder(made, batch_size, device)
        write_array(np.stack(prepared[tuple(jobs)](faces[rows])), path)

    return write
