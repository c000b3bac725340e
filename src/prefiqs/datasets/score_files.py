"""Scores of other tools: text files METHOD_DATASET.txt with one image a line, `PATH SCORE`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

import numpy as np

from prefiqs.datasets.prepared import image_paths, prepared_names
from prefiqs.errors import InputError
from prefiqs.io.scores import read_score_file, write_score_file

LOWER_IS_BETTER = frozenset({"PFE"})
"""Published methods whose score falls with quality."""

# The tools score an image again for each time a list names it; on a GPU the copies differ in the last digits.
_ROUNDING = 1e-4


def write_method_scores(folder: Path, method: str, names: Iterable[str], scores: np.ndarray) -> Path:
    """Write scores of a prepared folder's images (higher = better) as METHOD_FOLDER.txt in it; returns its path."""
    path = folder / f"{method}_{folder.absolute().name}.txt"
    write_score_file(image_paths(folder, names), scores, path)
    return path


def find_score_files(folder: str | Path, benchmark: str) -> dict[str, Path]:
    """The score files of a benchmark in a folder, by method: `CRFIQAL_agedb_30.txt` is CRFIQAL's for agedb-30.

    Capitals, `-` and `_` do not matter in the benchmark's name (XQLFW, IJBC). Raises `InputError` for two of a method.
    """
    wanted = _plain(benchmark)
    found: dict[str, Path] = {}
    for path in sorted(Path(folder).glob("*_*.txt")):
        parts = path.stem.split("_")
        for i in range(1, len(parts)):
            if parts[i] and _plain("_".join(parts[i:])) == wanted:
                method = "_".join(parts[:i])
                if method in found:
                    raise InputError(f"Expected one file of {method} for {benchmark}, got {found[method]} and {path}.")
                found[method] = path
    return found


def read_method_scores(path: Path, names: Collection[str], lower_is_better: bool = False) -> np.ndarray:
    """The scores of a file in the order of a benchmark's images: float64 n, higher = better.

    A line is an image's if its path is the image's name or the image's file name in a prepared folder; lines of other
    images do not matter.

    Args:
        path: a score file.
        names: of the benchmark's n images.
        lower_is_better: negate the scores.

    Raises:
        InputError: an image without a finite score or with two that differ; the first one is named.
    """
    row = {name: i for i, name in enumerate(prepared_names(names))}
    own = {name: i for i, name in enumerate(names)}
    scores = np.full(len(own), np.nan)
    for name, score in zip(*read_score_file(path), strict=True):
        i = own.get(name, row.get(PurePosixPath(name).stem))
        if i is None:
            continue
        if not np.isnan(scores[i]) and abs(score - scores[i]) > _ROUNDING * max(abs(score), abs(scores[i])):
            raise InputError(f"Expected one score of {name} in {path}, got {scores[i]:.9g} and {score:.9g}.")
        scores[i] = score
    if not np.isfinite(scores).all():
        lacking = [name for name, score in zip(names, scores, strict=True) if not np.isfinite(score)]
        raise InputError(
            f"Expected a finite score of each of {len(scores)} images in {path}, got none of {lacking[0]} "
            f"({len(lacking)} missing)."
        )
    return -scores if lower_is_better else scores


def read_published_scores(
    folder: str | Path, benchmark: str, names: Collection[str], lower_is_better: Collection[str] = LOWER_IS_BETTER
) -> dict[str, np.ndarray]:
    """The scores of every method with a score file for a benchmark in a folder, by method: float64 n, higher = better.

    Args:
        folder: holds the files.
        benchmark: whose files are read.
        names: of its n images; scores come in this order.
        lower_is_better: the methods whose scores are negated.
    """
    files = find_score_files(folder, benchmark)
    return {method: read_method_scores(path, names, method in lower_is_better) for method, path in files.items()}


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
