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


def embedding_path(root: str | Path, benchmark: str, model: str, variant: str, mirrored: bool = False) -> Path:
    """Where the raw embeddings of a benchmark lie, one .npy a network and variant ("unpruned" or a recipe's name)."""
    return Path(root) / "embeddings" / benchmark / model / f"{variant}{'.mirrored' if mirrored else ''}.npy"


def removal_path(root: str | Path, model: str, variant: str) -> Path:
    """Where it is kept what a pruned variant of a model lacks."""
    return Path(root) / "pruned" / model / f"{variant}.safetensors"


def method_path(root: str | Path, benchmark: str, name: str) -> Path:
    """Where the scores of a compared method on a benchmark lie, `name` as in `methods` of params.yaml."""
    return Path(root) / "methods" / benchmark / name / "scores.parquet"


def scores_path(root: str | Path, benchmark: str, model: str) -> Path:
    """Where the scores of all methods on one benchmark and estimator lie."""
    return Path(root) / "scores" / benchmark / model / "scores.parquet"
