"""Templates and style of self-contained pages. No page asks the network for anything."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

STATIC = Path(__file__).parent / "static"


def render(template: str, package: str = "prefiqs.reporting.html", **values: Any) -> str:
    """A page made from templates/TEMPLATE.html.j2 of a package; every value that it names must be given."""
    environment = Environment(
        loader=PackageLoader(package), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(f"{template}.html.j2").render(values)
