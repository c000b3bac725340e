"""What several commands share: options, and how NAME=VALUE is read."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from prefiqs.errors import InputError

if TYPE_CHECKING:
    from prefiqs.apps.score.ray import Summary

_RAY = "Ray"

Model = Annotated[str, typer.Option(help="Face recognition model (see `prefiqs list models`), or an .onnx file.")]
Aligned = Annotated[bool, typer.Option("--aligned", help="The photos are aligned 112×112 faces already.")]
AllFaces = Annotated[bool, typer.Option("--all-faces", help="Write a row for each face, not only for the largest.")]
Device = Annotated[str, typer.Option(help="auto (a GPU where there is one), cpu, cuda or cuda:N.")]
Workers = Annotated[
    int | None, typer.Option(help="Processes; by default one a GPU, or one a machine.", rich_help_panel=_RAY)
]
ShardSize = Annotated[
    int, typer.Option(help="Images that a worker does at a time; a tar file is one shard.", rich_help_panel=_RAY)
]
Address = Annotated[
    str | None, typer.Option(help="Address of a running cluster; by default this machine.", rich_help_panel=_RAY)
]


def report_shards(summary: Summary) -> int:
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


def json_value(text: str) -> object:
    """A number, true, false or null as JSON has them; anything else is the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
