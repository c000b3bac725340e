"""Where the results of the pipeline lie."""

from pathlib import Path


def embedding_path(root: str | Path, benchmark: str, model: str, variant: str, mirrored: bool = False) -> Path:
    """Where the raw embeddings of a benchmark lie, one .npy a network and variant ("unpruned" or a spec's name)."""
    return Path(root) / "embeddings" / benchmark / model / f"{variant}{'.mirrored' if mirrored else ''}.npy"


def mask_path(root: str | Path, model: str, variant: str) -> Path:
    """Where it is kept what a pruned variant of a model lacks."""
    return Path(root) / "pruned" / model / f"{variant}.safetensors"


def method_path(root: str | Path, benchmark: str, name: str) -> Path:
    """Where the scores of a compared method on a benchmark lie, `name` as in `methods` of params.yaml."""
    return Path(root) / "methods" / benchmark / name / "scores.parquet"


def scores_path(root: str | Path, benchmark: str, model: str) -> Path:
    """Where the scores of all methods on one benchmark and estimator lie."""
    return Path(root) / "scores" / benchmark / model / "scores.parquet"
