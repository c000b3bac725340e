"""`prefiqs site`."""

from pathlib import Path
from typing import Annotated

from typer import Argument


def site(
    out: Annotated[Path, Argument(help="Folder of the site; an earlier site there is replaced.")] = Path("site"),
) -> None:
    """Build the site: documentation, sortable results and notebooks of every published run, galleries of faces.

    Galleries use the faces and scores in data/, or data/runs/NAME for a run of `prefiqs run`. Needs the extra `docs`.
    """
    from prefiqs.pipeline.run import open_run
    from prefiqs.pipeline.site.build import build_site

    print(build_site(open_run().layout.root, out) / "index.html")
