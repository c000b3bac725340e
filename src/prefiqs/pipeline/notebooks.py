"""Run a notebook as a pipeline stage and render it to one HTML file that can be read offline.

The page holds what the notebook says and nothing about the run: the same notebook with the same results gives the same
bytes. It loads nothing from the network. Therefore no MathJax, which nbconvert takes from a CDN (and bundled would be
larger than all reports): equations in Markdown cells are written in Unicode, like D = ‖ê_θ(x) − ê_θρ(x)‖₂.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
import papermill
import zmq
from ipykernel.kernelspec import get_kernel_dict
from jinja2 import DictLoader
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.localinterfaces import localhost
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError
from pygments.formatters import HtmlFormatter
from traitlets import default

from prefiqs.errors import InputError, PrefiqsError
from prefiqs.io.atomic import write_text

EXECUTED = Path("data/executed")
_KERNEL = dict(kernel_name="python3", language="python")

# A page of its own around nbconvert's "basic" cells: its "lab" page loads three scripts from a CDN and brings 270 kB of
# style, more than most of the pages hold.
_OFFLINE_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ resources['metadata']['name'] }}</title>
<style>
body { font: 16px/1.55 system-ui, sans-serif; color: #1c1e21; background: #fff; margin: 0; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1, h2 { line-height: 1.25; margin: 1.6em 0 .5em; }
.anchor-link { display: none; }
pre, code { font: 13px/1.45 ui-monospace, monospace; }
.highlight { background: #f6f8fa; border-left: 3px solid #c9d1d9; padding: .5rem .8rem; overflow-x: auto; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.cell { margin: .9rem 0; }
.output_area { margin: .5rem 0; overflow-x: auto; }
img { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: 14px; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #e3e6ea; }
{{ colours }}
</style>
</head>
<body><main>
{%- include 'basic/index.html.j2' -%}
</main></body>
</html>
"""


class InterpreterKernelManager(AsyncKernelManager):
    """Starts the kernel with the running Python, whatever a user has registered under the name python3, if anything."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """The kernel of the ipykernel package that is installed beside this one."""
        return KernelSpec(**get_kernel_dict())

    # Sockets in a folder that is closed to other users, where the system has such: as private as encryption over TCP,
    # whose handshakes hold up the end of a short notebook for three seconds.
    @default("transport")
    def _sockets_in_files(self) -> str:
        return "ipc" if zmq.has("ipc") else "tcp"

    @default("ip")
    def _place_of_sockets(self) -> str:
        if self.transport != "ipc":
            return localhost()
        self._folder = TemporaryDirectory(prefix="prefiqs-")  # lives as long as this manager
        return str(Path(self._folder.name) / "kernel")


def run_notebook(source: str | Path, html: str | Path, parameters: Mapping[str, Any]) -> None:
    """Execute the notebook `source` with `parameters` in the current folder and write it to the file `html`.

    The executed notebook stays at data/executed/NAME.ipynb (NAME as in NAME.html), with times and warnings, also when a
    cell fails. An HTML file is written only when all cells ran.

    Raises InputError when the notebook is missing, or its cell tagged "parameters" does not declare one of the names
    (papermill only warns); PrefiqsError naming the cell, the exception and the executed notebook when a cell fails.
    """
    source, html = Path(source), Path(html)
    _check_declared(source, parameters)
    executed = EXECUTED / f"{html.stem}.ipynb"
    executed.parent.mkdir(parents=True, exist_ok=True)
    try:
        notebook = papermill.execute_notebook(
            source,
            executed,
            dict(parameters),
            progress_bar=sys.stderr.isatty(),
            kernel_manager_class=InterpreterKernelManager,
            **_KERNEL,
        )
    except PapermillExecutionError as error:
        reason = (error.evalue.strip().splitlines() or ["no message"])[0].rstrip(".")
        raise PrefiqsError(
            f"{source} stopped in code cell {error.exec_count} with {error.ename}: {reason}; {executed} shows the cell."
        ) from error
    except DeadKernelError as error:
        raise PrefiqsError(
            f"{source} stopped because its Python process died, most often for want of memory; "
            f"{executed} shows how far it came."
        ) from error
    write_text(_page(_without_traces(notebook), html.stem), html)


def _check_declared(source: Path, parameters: Mapping[str, Any]) -> None:
    if not source.is_file():
        raise InputError(f"source: expected a notebook, got {source}, which is not a file here ({Path.cwd()}).")
    notebook = nbformat.read(source, as_version=4)
    # papermill asks for the language, and a stripped notebook may not name it
    notebook.metadata["kernelspec"] = KernelSpec(**get_kernel_dict()).to_dict() | {"name": "python3"}
    declared = papermill.inspect_notebook(notebook)
    unknown = sorted(set(parameters) - set(declared))
    if unknown:
        raise InputError(
            f'parameters: {", ".join(unknown)} not declared by {source}, whose cell tagged "parameters" has '
            f"{', '.join(declared) or 'none'}; add it there or leave it out."
        )


def _without_traces(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what differs from run to run or belongs to this machine.

    Those are the times that papermill notes, the random id of the cell it injects, and standard error: progress bars
    with times, and warnings with the paths of installed files.
    """
    notebook.metadata.pop("papermill", None)
    for position, cell in enumerate(notebook.cells):
        cell.id = f"cell-{position}"
        for trace in ("papermill", "execution"):
            cell.metadata.pop(trace, None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def _page(notebook: nbformat.NotebookNode, title: str) -> str:
    quiet = logging.getLogger(__name__)
    quiet.setLevel(logging.ERROR)  # nbconvert warns of each picture without alternative text
    colours = HtmlFormatter(style="friendly").get_style_defs(".highlight")
    exporter = HTMLExporter(
        template_name="basic",
        template_file="offline.html.j2",
        extra_loaders=[DictLoader({"offline.html.j2": _OFFLINE_PAGE.replace("{{ colours }}", colours)})],
        embed_images=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        log=quiet,
    )
    # a text arrives in pieces, cut where the clock had it
    exporter.register_preprocessor("nbconvert.preprocessors.CoalesceStreamsPreprocessor", enabled=True)
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title}})
    return page
