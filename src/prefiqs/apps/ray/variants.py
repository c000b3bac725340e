"""A network and its pruned variants over a file of aligned faces: workers do groups of networks × ranges of rows."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from prefiqs import __version__
from prefiqs.apps.ray.cluster import Cluster, require_ray
from prefiqs.apps.ray.shards import missing_shards, shard_path, write_shard
from prefiqs.assets.verify import file_sha256
from prefiqs.errors import InputError
from prefiqs.io.arrays import RowFile, read_array


@dataclass(frozen=True)
class Tile:
    """Some of the networks (0 is the unpruned one), and positions in the list of rows."""

    number: int
    networks: range
    rows: range


@dataclass(frozen=True)
class Study:
    """What workers must know: the arguments of `write_embeddings_on_ray`, with absolute paths."""

    out: Path
    model: str
    masks: Sequence[Path]
    images: Path
    rows: np.ndarray
    mirrored: Sequence[bool]
    batch_size: int | None


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
    shard_size: int = 1024,
    address: str | None = None,
) -> None:
    """Write what `write_embeddings` writes of a network and its pruned variants, equal to 1e-6, by workers.

    Shards are in a hidden folder beside that of `paths` (DVC empties an output folder before it runs a stage again)
    until all exist and are put together here. A run that was interrupted continues when it is called again; shards of
    other settings or files are deleted.

    Args:
        model: name of the network.
        masks: of the pruned variants, as `prefiqs.pruning.mask.save_mask` wrote them.
        images: a .npy file of aligned faces, uint8 n×112×112×3, which workers map into memory.
        rows: of those faces that are embedded, at least one, in the order of the results.
        paths, batch_size, mirrored: as for `write_embeddings`, for the network and then its variants; paths are all in
            one folder.
        workers, device, address: as for `Cluster`. shard_size: faces that a worker does at a time.

    Raises:
        InputError: Ray is missing; a network or device that does not exist; an invalid file.
    """
    require_ray()
    from prefiqs.embedding.embedder import NETWORKS_AT_ONCE
    from prefiqs.models.weights import published_weights
    from prefiqs.pruning.mask import load_mask

    masks, images = [Path(path).absolute() for path in masks], Path(images).absolute()
    for path in masks:
        load_mask(path)  # for its errors
    count, mirrored = 1 + len(masks), mirrored or [False] * (1 + len(masks))
    if len(mirrored) != count or len(paths) != count + sum(mirrored) or not len(rows) or shard_size < 1:
        raise InputError(f"{len(rows)} faces, {len(mirrored)} values of mirrored, {len(paths)} paths and a shard size "
                         f"of {shard_size} do not fit {count} networks.")  # fmt: skip
    folder = Path(paths[0]).absolute().parent
    study = Study(folder.with_name(f".{folder.name}.shards"), model, masks, images, rows, mirrored, batch_size)
    groups = [range(i, min(i + NETWORKS_AT_ONCE, count)) for i in range(0, count, NETWORKS_AT_ONCE)]
    ranges = [range(i, min(i + shard_size, len(rows))) for i in range(0, len(rows), shard_size)]
    # Group after group, so that a worker seldom makes other networks ready.
    tiles = [Tile(i, *both) for i, both in enumerate((group, some) for group in groups for some in ranges)]
    record = {
        "model": model, "weights_sha256": file_sha256(published_weights(model)), "mirrored": mirrored,
        "masks_sha256": [file_sha256(path) for path in masks], "images_sha256": file_sha256(images),
        "rows_sha256": hashlib.sha256(np.int64(rows).tobytes()).hexdigest(), "prefiqs": __version__,
    }  # fmt: skip
    try:
        missing = missing_shards(study.out, len(tiles), record)
    except InputError:  # shards of another run, which are of no use to anybody
        shutil.rmtree(study.out)
        missing = missing_shards(study.out, len(tiles), record)
    for _ in Cluster(workers, device, address).map(partial(_tile_writer, study), [tiles[i] for i in missing]):
        pass
    tables = iter(paths)
    for group in groups:
        of_group = list(islice(tables, len(group) + sum(mirrored[i] for i in group)))
        _assemble([shard_path(study.out, t.number, ".npy") for t in tiles if t.networks == group], of_group, len(rows))
    shutil.rmtree(study.out)


def _tile_writer(study: Study, device: str, threads: int) -> Callable[[Tile], None]:
    """From a tile to its file, tables×rows×d; the networks of a group are kept until a tile needs another group."""
    from prefiqs.embedding.embedder import Embedder
    from prefiqs.models.loading import load_model
    from prefiqs.pruning.mask import load_mask
    from prefiqs.pruning.prune import apply_mask

    network, images = load_model(study.model, device=device), read_array(study.images, mapped=True)
    ready: dict[range, Embedder] = {}

    def write(tile: Tile) -> None:
        if tile.networks not in ready:
            ready.clear()  # before the next networks are made
            masks = [study.masks[i - 1] if i else None for i in tile.networks]
            models = [apply_mask(network, load_mask(mask)) if mask else network for mask in masks]
            ready[tile.networks] = Embedder(
                models, study.batch_size, device, [study.mirrored[i] for i in tile.networks]
            )
        faces = images[study.rows[tile.rows.start : tile.rows.stop]]
        tables: Any = np.stack(ready[tile.networks](faces))
        write_shard(shard_path(study.out, tile.number, ".npy"), lambda path: np.save(path, tables))

    return write


def _assemble(shards: Sequence[Path], paths: Sequence[Path], count: int) -> None:
    """The .npy files of a group of networks, from its shards in order."""
    with ExitStack() as stack:
        files: list[RowFile] = []
        for shard in shards:
            tables = read_array(shard)
            files = files or [
                stack.enter_context(RowFile(path, (count, tables.shape[2]), np.float32)) for path in paths
            ]
            for file, table in zip(files, tables, strict=True):
                file.append(table)
