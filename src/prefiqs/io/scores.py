"""Score files: the long table of the pipeline, and the `PATH SCORE` text of the field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.errors import InputError
from prefiqs.io.atomic import read_text, write_text
from prefiqs.io.tables import read_parquet, write_table

# Behind the name of a method in score files and tables: its network was trained on images of this benchmark.
SEEN = " §"


def write_score_file(names: Iterable[str], scores: np.ndarray, path: str | Path) -> None:
    """Write scores in the text form of the field's tools: one image a line, `PATH SCORE`."""
    write_text("".join(f"{name} {score:.9g}\n" for name, score in zip(names, scores, strict=True)), path)


def read_score_file(path: Path) -> tuple[list[str], np.ndarray]:
    """Read `PATH SCORE` lines (a path may hold spaces): names and float64 scores.

    Raises `InputError` naming the first line that is not of this form.
    """
    names, scores = [], []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        name, _, score = line.strip().rpartition(" ")
        try:
            scores.append(float(score))
        except ValueError:
            name = ""
        if not name:
            raise InputError(f"Expected `PATH SCORE` in line {number} of {path}, got {line!r}.")
        names.append(name)
    return names, np.array(scores)


def write_scores(names: np.ndarray, scores: Mapping[str, np.ndarray], path: str | Path) -> None:
    """Write the scores of several methods as one long table: name, method, score (float32)."""
    parts = [pd.DataFrame({"name": names, "method": m, "score": np.float32(s)}) for m, s in scores.items()]
    write_table(pd.concat(parts, ignore_index=True), path)


def read_scores(path: str | Path) -> dict[str, np.ndarray]:
    """Read what `write_scores` wrote: float32 n by method, images in their order of writing."""
    table = read_parquet(path, ["method", "score"])
    return {m: part["score"].to_numpy() for m, part in table.groupby("method", sort=False)}
