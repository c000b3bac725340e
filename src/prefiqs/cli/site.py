"""`prefiqs site`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def site(out: Annotated[Path, typer.Argument(help="Folder of the site; one made before is replaced.")] = Path("site")):
    """Make a static site of what `dvc repro` found: findings, sortable results, a gallery of faces by score."""
    from prefiqs.pipeline.params import load_params
    from prefiqs.pipeline.site.build import build_site

    params = load_params()
    print(build_site(out, params, "data", params.report.folder) / "index.html")
