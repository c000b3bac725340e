"""Where data lie on this machine."""

import os
from pathlib import Path

import platformdirs


def data_root() -> Path:
    """Return the folder that holds assets and benchmarks; it need not exist yet.

    The first that applies: the environment variable PREFIQS_DATA; `data/` of the nearest folder, from the current one
    upwards, that holds both `params.yaml` and `dvc.yaml` (a clone of the compendium); the user's cache folder.
    """
    if chosen := os.environ.get("PREFIQS_DATA"):
        return Path(chosen).expanduser().absolute()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
            return folder / "data"
    return platformdirs.user_cache_path("prefiqs")
