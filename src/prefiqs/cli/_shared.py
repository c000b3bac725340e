"""What several commands share: options, and how NAME=VALUE is read."""

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from prefiqs.errors import InputError

if TYPE_CHECKING:
    from prefiqs.apps.score.ray import Summary

ray_option = partial(typer.Option, rich_help_panel="Ray")

Model = Annotated[str, typer.Option(help="Face recognition model (see `prefiqs list models`), or an .onnx file.")]
Aligned = Annotated[bool, typer.Option("--aligned", help="The photos are already aligned 112×112 faces.")]
AllFaces = Annotated[bool, typer.Option("--all-faces", help="Write one row per face, not only for the largest.")]
Device = Annotated[str, typer.Option(help="auto (a GPU if available), cpu, cuda or cuda:N.")]
Workers = Annotated[int | None, ray_option(help="Number of processes; default: one per GPU, or one per machine.")]
ShardSize = Annotated[int, ray_option(help="Images per shard; a tar file is always one shard.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, such as edc.limit=0.2.")]
Address = Annotated[str | None, ray_option(help="Address of a running cluster; default: this machine.")]


def report_shards(summary: "Summary") -> int:
    """Print a line about a data set; returns how many images have no result."""
    print(f"{summary.images} images in {summary.shards} shards, {summary.failed} of them without a result; "
          f"{summary.skipped} shards existed already", file=sys.stderr)  # fmt: skip
    return summary.failed


def name_value_pairs(flag: str, given: list[str] | None) -> dict[str, str]:
    """The values by name of an option that is given as NAME=VALUE, any number of times."""
    pairs = [pair.partition("=") for pair in given or []]
    if bad := [name for name, equals, _ in pairs if not equals]:
        raise InputError(f"{flag} needs NAME=VALUE, not {bad[0]!r}.")
    return {name: value for name, _, value in pairs}
