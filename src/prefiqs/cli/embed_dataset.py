"""`prefiqs embed-dataset`."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument

from prefiqs.cli import _shared as shared


def embed_dataset(
    source: Annotated[list[str], Argument(help="Photos, .parquet, .tar or .zip files, or folders of these.")],
    out: Annotated[Path, Argument(help="Folder for the Parquet shards; to resume, run the command again.")],
    model: shared.Model = "sface",
    aligned: shared.Aligned = False,
    all_faces: shared.AllFaces = False,
    device: shared.Device = "auto",
    workers: shared.Workers = None,
    shard_size: shared.ShardSize = 1024,
    address: shared.Address = None,
) -> None:
    """Write the raw embeddings of a data set of any size, computed on a Ray cluster.

    The output has the columns of `prefiqs score`, with embedding instead of method, score, drift and percentile.

    Example: prefiqs embed-dataset faces/ embeddings/ --aligned
    """
    from prefiqs.apps.score.ray import embed_dataset as run
    from prefiqs.faces.lists import expand_lists

    print(
        run(expand_lists(source), out, model, aligned, workers, device, shard_size, address, all_faces), file=sys.stderr
    )
