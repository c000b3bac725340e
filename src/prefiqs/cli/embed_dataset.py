"""`prefiqs embed-dataset`."""

from __future__ import annotations

from typing import Annotated

import typer

from prefiqs.cli._shared import (
    Address,
    Device,
    PartSize,
    Shards,
    Source,
    Workers,
    report_shards,
)


def embed_dataset(
    source: Source,
    out: Shards,
    model: Annotated[str, typer.Option(help="FR model, or an .onnx file.")] = "sface",
    aligned: Annotated[bool, typer.Option(help="The images are aligned 112×112 faces already.")] = False,
    workers: Workers = None,
    device: Device = "auto",
    part_size: PartSize = 1024,
    address: Address = None,
) -> None:
    """Embed a data set of any size (raw embeddings) on all processes of a Ray cluster."""
    from prefiqs.apps.ray.run import embed_dataset as run

    report_shards(run(source, out, model, aligned, workers, device, part_size, address))
