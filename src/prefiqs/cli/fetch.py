"""`prefiqs fetch`."""

from typing import Annotated

import typer


def fetch(names: Annotated[list[str] | None, typer.Argument(help="Assets; by default all of them.")] = None) -> None:
    """Download weights and faces that are missing, and check them."""
    from prefiqs.assets.fetch import fetch_all

    for name, path in fetch_all(names or None).items():
        print(f"{name}: {path}")
