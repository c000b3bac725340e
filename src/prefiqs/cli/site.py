"""`prefiqs site`."""

from pathlib import Path
from typing import Annotated

from typer import Argument


def site(
    out: Annotated[Path, Argument(help="Folder of the site; an earlier site there is replaced.")] = Path("site"),
) -> None:
    """Build the web report, a static site with findings, sortable results, a gallery of faces, and notebooks."""
    from prefiqs.pipeline.run import open_run
    from prefiqs.pipeline.site.build import build_site

    print(build_site(open_run(), out) / "index.html")
