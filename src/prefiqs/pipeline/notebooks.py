"""Execute a notebook as a stage of the pipeline, and keep the executed copy: the same results give the same bytes."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from weakref import finalize

import nbformat
import papermill
import zmq
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from papermill.exceptions import PapermillExecutionError

from prefiqs.errors import InputError, PrefiqsError
from prefiqs.io.atomic import write_text


class InterpreterKernelManager(AsyncKernelManager):
    """Starts the kernel with the running Python, whatever a user has registered under the name python3, if anything."""

    def __init__(self, **options: Any):
        super().__init__(**options)
        # Sockets in a folder that is closed to other users, where the system has such and its path is short enough: as
        # private as encryption over TCP, whose handshakes hold up the end of a short notebook for three seconds.
        folder = mkdtemp(prefix="prefiqs-")
        finalize(self, rmtree, folder, ignore_errors=True)
        if zmq.has("ipc") and len(os.fsencode(f"{folder}/kernel-5")) <= zmq.IPC_PATH_MAX_LEN:  # the last of five
            self.transport, self.ip = "ipc", f"{folder}/kernel"

    @property
    def kernel_spec(self) -> KernelSpec:
        """The kernel of the ipykernel package that is installed beside this one."""
        return KernelSpec(**get_kernel_dict())


def run_notebook(source: str | Path, folder: str | Path, parameters: Mapping[str, Any]) -> float:
    """Execute a notebook in the current folder, write the executed copy to `folder`, and return the seconds it took.

    A notebook that declares the parameter `out` is given `folder`, to write its tables and figures to. While it runs,
    and when a cell fails, the executed notebook is at data/executed/NAME.ipynb, with times and warnings.

    Raises `InputError` if there is no such notebook, or if its cell tagged "parameters" lacks a parameter (papermill
    only warns), and `PrefiqsError` if a cell fails or Python dies.
    """
    source, folder = Path(source), Path(folder)
    if not source.is_file():
        raise InputError(f"Notebook not found: {source} (looked in {Path.cwd()}).")
    notebook = nbformat.read(source, as_version=4)
    # papermill asks for the language, and a stripped notebook may not name it
    notebook.metadata["kernelspec"] = KernelSpec(**get_kernel_dict()).to_dict() | {"name": "python3"}
    declared = list(papermill.inspect_notebook(notebook))
    if unknown := sorted(set(parameters) - set(declared)):
        raise InputError(
            f'{source} has no parameter {unknown[0]!r}; its cell tagged "parameters" declares '
            f"{', '.join(declared) or 'none'}."
        )
    given = dict(parameters) | ({"out": folder.as_posix()} if "out" in declared else {})
    executed = Path("data/executed") / f"{'-'.join([source.stem, *map(str, parameters.values())])}.ipynb"
    executed.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    try:
        notebook = papermill.execute_notebook(
            source, executed, given, progress_bar=sys.stderr.isatty(), kernel_name="python3", language="python",
            kernel_manager_class=InterpreterKernelManager,
        )  # fmt: skip
    except PapermillExecutionError as error:
        reason = (error.evalue.strip().splitlines() or ["no message"])[0].rstrip(".")
        raise PrefiqsError(
            f"{source} stopped in code cell {error.exec_count} with {error.ename}: {reason}. See {executed}."
        ) from error
    except DeadKernelError as error:
        raise PrefiqsError(
            f"{source} stopped because its Python process died, most often for lack of memory. See {executed}."
        ) from error
    write_text(nbformat.writes(_without_traces(notebook)) + "\n", folder / source.name)
    return time.monotonic() - start


def _without_traces(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop times, versions, the random id of the injected cell, and standard error, which shows times and paths."""
    notebook, _ = CoalesceStreamsPreprocessor().preprocess(notebook, {})  # output arrives in pieces, split by timing
    notebook.metadata = nbformat.from_dict({
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    })  # fmt: skip
    for position, cell in enumerate(notebook.cells):
        cell.id = f"cell-{position}"
        for trace in ("papermill", "execution"):
            cell.metadata.pop(trace, None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook
