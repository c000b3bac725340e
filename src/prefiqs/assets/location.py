"""Where assets and benchmarks are kept on this machine."""

import os
from pathlib import Path

import platformdirs

MARK = ".prefiqs-root"


def compendium_root(start: Path | str | None = None) -> Path | None:
    """Return the nearest folder with a file `.prefiqs-root`, from `start` (None = the current folder) upwards."""
    folder = Path.cwd() if start is None else Path(start).absolute()
    return next((parent for parent in (folder, *folder.parents) if (parent / MARK).is_file()), None)


def data_root() -> Path:
    """Return the folder that contains assets and benchmarks; it need not exist yet.

    The first that applies: the environment variable PREFIQS_DATA; `data/` of the compendium that contains the current
    folder (see `compendium_root`); the user's cache folder.
    """
    if chosen := os.environ.get("PREFIQS_DATA"):
        return Path(chosen).expanduser().absolute()
    if root := compendium_root():
        return root / "data"
    return platformdirs.user_cache_path("prefiqs")
