"""`prefiqs run`."""

from __future__ import annotations

from typing import Annotated

import typer
import yaml

from prefiqs.cli._shared import name_value_pairs
from prefiqs.errors import ConfigError


def run(
    preset: Annotated[str | None, typer.Argument(help="A preset of presets/, or a YAML file.")] = None,
    setting: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, such as edc.limit=0.2.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run; by default that of the preset.")] = None,
) -> None:
    """Run the pipeline with other parameters, and publish to reports/NAME.

    params.yaml and the results of other runs stay as they are. What was computed before is found in DVC's cache. A run
    that was interrupted continues when it is started again.

    Examples:

        prefiqs run lfw

        prefiqs run --name limit-0.2 --set edc.limit=0.2

        prefiqs run paper --set models.quality=[iresnet100]
    """
    from pathlib import Path

    from prefiqs.pipeline.run import open_run
    from prefiqs.pipeline.workspace import read_overlay, run_in_workspace, run_parameters

    root, settings = open_run().layout.root, name_value_pairs("--set", setting)
    if not (name := name or (Path(preset).stem if preset else None)):
        raise ConfigError("Name the run with --name, or choose a preset.")
    overlay = read_overlay(root, preset) if preset else {}
    values = {key: yaml.safe_load(value) for key, value in settings.items()}
    _, content = run_parameters(root, overlay, values, name)
    print(run_in_workspace(root, name, content))
