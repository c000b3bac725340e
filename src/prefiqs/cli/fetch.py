"""`prefiqs fetch`."""

from typing import Annotated

import typer


def fetch(names: Annotated[list[str] | None, typer.Argument(help="Names of assets; default: all.")] = None) -> None:
    """Download missing weights and faces, and verify them."""
    from prefiqs.assets.fetch import fetch_all

    for name, path in fetch_all(names or None).items():
        print(f"{name}: {path}")
