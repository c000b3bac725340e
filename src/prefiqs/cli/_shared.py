"""What several commands share: options, and how NAME=VALUE is read."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from prefiqs.errors import InputError

Source = Annotated[Path, typer.Argument(help="Folder of photos, .parquet or .tar files, or one such file.")]


Shards = Annotated[Path, typer.Argument(help="Folder for the Parquet shards; a run that was interrupted goes on.")]


Workers = Annotated[int | None, typer.Option(help="Ray: processes; by default one a GPU, or a machine without.")]


Device = Annotated[str, typer.Option(help="auto (GPUs where the cluster has them), cpu or cuda.")]


PartSize = Annotated[int, typer.Option(help="Ray: images that a worker does at a time; a tar file is one part.")]


Address = Annotated[str | None, typer.Option(help="Ray: a running cluster; by default this machine.")]


def report_shards(summary) -> int:
    """How many images have no result, after a line about all of them."""
    print(f"{summary.images} images in {summary.parts} parts, {summary.failed} with a problem; {summary.found} parts "
          "were there already", file=sys.stderr)  # fmt: skip
    return summary.failed


def name_value_pairs(flag: str, given: list[str] | None) -> dict[str, str]:
    pairs = [p.partition("=") for p in given or []]
    if bad := [name for name, equals, _ in pairs if not equals]:
        raise InputError(f"Expected {flag} NAME=VALUE, got {bad[0]!r}.")
    return {name: value for name, _, value in pairs}


def json_value(text: str) -> object:
    """A number, true, false or null as JSON has them; anything else is the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
