"""The command line: one file per command."""

import io
import logging
import os
import sys
import warnings
from importlib import import_module
from typing import Annotated

import typer

import prefiqs
from prefiqs.cli.list import listing
from prefiqs.errors import PrefiqsError

COMMANDS = (
    "score", "show", "best", "benchmark", "evaluate", "export", "froq_calibrate", "embed_dataset", "fetch",
    "plan", "run", "notebook", "publish", "check", "site",
)  # fmt: skip
"""Each is a module of this folder with a function of the same name."""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Training-free face image quality assessment: scores for photos, their evaluation, and the pipeline.",
)
for command in COMMANDS:
    app.command()(getattr(import_module(f"prefiqs.cli.{command}"), command))
app.add_typer(listing, name="list")


def main() -> None:
    """Run the command line; a mistake or a fault outside it is one sentence on stderr and exit status 1."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # on Windows, pipes and files would not get UTF-8, as --out does
        sys.stdout.reconfigure(encoding=None if sys.stdout.isatty() else "utf-8", errors="backslashreplace")
    try:
        app()
    except (PrefiqsError, OSError) as error:
        if logging.getLogger("prefiqs").isEnabledFor(logging.DEBUG):
            raise
        if isinstance(error, BrokenPipeError):  # `prefiqs score … | head` has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        elif isinstance(error, OSError):
            what = f"Cannot access {error.filename}" if error.filename else "Cannot read or write a file"
            print(f"prefiqs: {what}: {(error.strerror or str(error)).lower()}.", file=sys.stderr)
        else:
            print(f"prefiqs: {error}", file=sys.stderr)
        sys.exit(1)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"prefiqs {prefiqs.__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Log more, and show tracebacks.")] = False,
) -> None:
    """Set up logging for every command."""
    logging.basicConfig(format="%(name)s: %(message)s")
    logging.getLogger("prefiqs").setLevel(logging.DEBUG if debug else logging.WARNING)
    if not debug:  # the row of a photo says what is wrong with it
        warnings.filterwarnings("ignore", module="PIL")
        os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
