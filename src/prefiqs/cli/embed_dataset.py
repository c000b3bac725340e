"""`prefiqs embed-dataset`."""

from pathlib import Path
from typing import Annotated

import typer

from prefiqs.cli._shared import Address, Aligned, AllFaces, Device, Model, ShardSize, Workers, report_shards


def embed_dataset(
    source: Annotated[
        list[Path], typer.Argument(help="Photos, or .parquet or .tar files of images, or their folders.")
    ],
    out: Annotated[Path, typer.Argument(help="Folder for the Parquet shards; an interrupted run continues there.")],
    model: Model = "sface",
    aligned: Aligned = False,
    all_faces: AllFaces = False,
    device: Device = "auto",
    workers: Workers = None,
    shard_size: ShardSize = 1024,
    address: Address = None,
) -> None:
    """Embed the faces of a data set of any size (raw embeddings) on a Ray cluster.

    A row has the columns of `prefiqs score`, with embedding instead of score and drift.

    Example: prefiqs embed-dataset faces/ embeddings/ --aligned
    """
    from prefiqs.apps.score.ray import embed_dataset as run

    report_shards(run(source, out, model, aligned, workers, device, shard_size, address, all_faces))
