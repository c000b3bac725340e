"""`prefiqs notebook`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prefiqs.cli._shared import (
    name_value_pairs,
)


def notebook(
    source: Annotated[Path, typer.Argument(help="A notebook of notebooks/.")],
    html: Annotated[Path, typer.Argument(help="Where the rendered page goes.")],
    parameter: Annotated[list[str] | None, typer.Option("-p", help="NAME=VALUE of the parameters cell.")] = None,
) -> None:
    """Execute a notebook with papermill and render it; this is what every stage of `dvc repro` calls."""
    from prefiqs.pipeline.notebooks import run_notebook

    run_notebook(source, html, name_value_pairs("-p", parameter))
