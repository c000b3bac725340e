"""`prefiqs notebook`."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from prefiqs.assets.location import compendium_root
from prefiqs.cli._shared import name_value_pairs


def notebook(
    source: Annotated[Path, Argument(help="A notebook from notebooks/.")],
    folder: Annotated[Path, Argument(help="Folder for the executed notebook and its results.")],
    parameter: Annotated[list[str] | None, Option("-p", help="NAME=VALUE: a parameter of the notebook.")] = None,
) -> None:
    """Execute a notebook with papermill, as the stages of `dvc repro` do.

    Example: prefiqs notebook notebooks/13_edc.ipynb data/results/edc/orl-xq/sface -p benchmark=orl-xq -p model=sface
    """
    from prefiqs.pipeline.durations import note_duration
    from prefiqs.pipeline.notebooks import run_notebook

    seconds = run_notebook(source, folder, name_value_pairs("-p", parameter))
    if root := compendium_root():
        note_duration(root, folder, seconds)
