"""`prefiqs fetch`."""

from __future__ import annotations

from typing import Annotated

import typer


def fetch(names: Annotated[list[str] | None, typer.Argument(help="Assets; all of them if none is named.")] = None):
    """Download weights and faces that are not there yet, and check them."""
    from prefiqs.assets.fetch import fetch_all

    for name, path in fetch_all(names or None).items():
        print(f"{name}: {path}")
