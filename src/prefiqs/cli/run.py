"""`prefiqs run`."""

from typing import Annotated

from typer import Argument, Option

from prefiqs.cli._shared import Settings, name_value_pairs


def run(
    preset: Annotated[str | None, Argument(help="A preset from presets/, or a YAML file.")] = None,
    setting: Settings = None,
    name: Annotated[str | None, Option(help="Name of the run; default: that of an unchanged preset.")] = None,
) -> None:
    """Run the pipeline with other parameters, and publish to reports/NAME.

    params.yaml and the results of other runs are not changed. Earlier results are reused from DVC's cache. To resume an
    interrupted run, start it again.

    Examples:

        prefiqs run wild

        prefiqs run --name limit-0.2 --set edc.limit=0.2

        prefiqs run paper --name r100 --set 'models.quality=[iresnet100]'
    """
    from prefiqs.pipeline.run import open_run
    from prefiqs.pipeline.workspace import run_in_workspace, run_name, run_parameters

    root, settings = open_run().layout.root, name_value_pairs("--set", setting)
    name = run_name(root, preset, settings, name)
    _, content = run_parameters(root, preset, settings, name)
    print(run_in_workspace(root, name, content))
