"""Build the site with MkDocs: the documentation, and the published results of every run."""

import os
from pathlib import Path

from prefiqs.errors import InputError
from prefiqs.io.atomic import whole_folder

MARK = ".prefiqs-site"  # by which a folder is known to be a site


def build_site(root: Path, out: str | Path) -> Path:
    """Build the site of the compendium at `root` in a folder, and return its absolute path.

    The same files give the same bytes. A site that is there is replaced as a whole. Raises `InputError` if `out` exists
    and is no site, if a result or a documentation package is missing, or if a link leads nowhere.
    """
    out = Path(out).absolute()
    if out.exists() and not (out / MARK).is_file():
        raise InputError(f"{out} exists and was not made by `prefiqs site`. Choose another folder.")
    try:
        from mkdocs.commands.build import build
        from mkdocs.config import load_config
        from mkdocs.exceptions import Abort
    except ImportError as error:
        raise InputError("The site needs MkDocs. Run: pip install 'prefiqs[docs]'") from error
    # No page shows when it was built; the theme prints an advertisement unless told not to.
    os.environ |= {"SOURCE_DATE_EPOCH": "0", "NO_MKDOCS_2_WARNING": "1"}
    with whole_folder(out) as new:
        config = load_config(str(root / "mkdocs.yml"), site_dir=str(new), strict=True)
        config.plugins.on_startup(command="build", dirty=False)
        try:
            build(config)
        except Abort as error:
            raise InputError(f"The site has errors, see above. {error}") from error
        (new / MARK).touch()
    return out
