"""Quality scores of other tools and of users.

* text, `PATH SCORE` a line (a path may hold spaces), as CR-FIQA, GraFIQs, ViT-FIQA and `prefiqs score` write it;
* a CSV or Parquet table with the columns name and score, and `method` where it holds several methods.
"""

import re
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.errors import InputError
from prefiqs.io.atomic import read_text, write_text
from prefiqs.io.names import ImageNameIndex
from prefiqs.io.tables import is_table, names_of, read_user_table

ROUNDING = 1e-4
"""How far two scores of an image may differ; some lists name images twice, and on a GPU the last digits vary."""


def write_score_file(names: Iterable[str], scores: Iterable[float], path: str | Path) -> None:
    """Write scores in the text form of the field's tools: one image a line, `PATH SCORE`."""
    write_text("".join(f"{name} {score:.9g}\n" for name, score in zip(names, scores, strict=True)), path)


def read_score_file(path: Path) -> tuple[list[str], np.ndarray]:
    """Read `PATH SCORE` lines: names and float64 scores; `InputError` names the first line that has another form."""
    names, scores = [], []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        name, _, score = line.strip().rpartition(" ")
        try:
            scores.append(float(score))
        except ValueError:
            name = ""
        if not name:
            raise InputError(f"Line {number} of {path} is not of the form `PATH SCORE`: {line!r}.")
        names.append(name)
    return names, np.array(scores)


def read_image_scores(
    files: Iterable[tuple[str | None, Path]],
    images: ImageNameIndex,
    lower_is_better: Collection[str] = (),
    used: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Read the scores of n images from files of any form above: float64 (n,) by method, higher = better.

    Args:
        files: method and path; None = the method is the column `method`, or else the name of the file without suffix.
        images: lines of other images do not matter.
        lower_is_better: methods whose scores are negated.
        used: rows of the images that need a score, None = all; the others may have NaN.

    Raises:
        InputError: another form, a method in two files, an unknown method in `lower_is_better`, an image without a
            finite score, two scores of one image that differ by more than `ROUNDING` (otherwise the first one counts),
            or equal scores of all images.
    """
    used = np.arange(len(images)) if used is None else used
    found: dict[str, np.ndarray] = {}
    for label, path in files:
        for method, (listed, values) in _read(path, label).items():
            if method in found:
                raise InputError(f"The method {method!r} occurs again in {path}. Call it NAME={path}.")
            found[method] = _aligned(method, path, listed, values, images, used)
    if unknown := sorted(set(lower_is_better) - found.keys()):
        raise InputError(f"There are no scores of {', '.join(unknown)}, only of {', '.join(found)}.")
    return {method: -values if method in lower_is_better else values for method, values in found.items()}


def find_score_files(folder: str | Path, benchmark: str) -> dict[str, Path]:
    """Return the files METHOD_BENCHMARK.txt of a folder by method: `CRFIQAL_agedb_30.txt` is CRFIQAL's for agedb-30.

    Case, `-` and `_` do not matter in the benchmark's name. Raises `InputError` for two files of a method.
    """
    letters = re.sub("[-_]", "", benchmark)
    spelled = re.compile("(.*)_-*" + "".join(re.escape(letter) + "[-_]*" for letter in letters), re.IGNORECASE)
    found: dict[str, Path] = {}
    for path in sorted(Path(folder).glob("*_*.txt")):
        if (match := spelled.fullmatch(path.stem)) and found.setdefault(match[1], path) != path:
            raise InputError(f"{found[match[1]]} and {path} both hold scores of {match[1]} on {benchmark}.")
    return found


def read_published_scores(
    folder: str | Path, benchmark: str, names: Collection[str], lower_is_better: Collection[str]
) -> dict[str, np.ndarray]:
    """Read the scores of every method that `find_score_files` finds; else as `read_image_scores`.

    names: of the n images, all of which need a score. Methods of `lower_is_better` without a file are ignored.
    """
    files, images = find_score_files(folder, benchmark), ImageNameIndex(names, f"the benchmark {benchmark}")
    return read_image_scores(files.items(), images, files.keys() & lower_is_better)


def _read(path: Path, label: str | None) -> dict[str, tuple[Iterable[str], np.ndarray]]:
    """Return names and scores by method."""
    if not is_table(path):
        return {label or path.stem: read_score_file(path)}
    table = read_user_table(path)
    names = names_of(table, path)
    if "score" not in table:
        raise InputError(f"{path} has no column score, only {', '.join(map(str, table.columns))}.")
    scores = pd.to_numeric(table["score"], errors="coerce").to_numpy(float)
    if "method" not in table:
        return {label or path.stem: (names, scores)}
    parts = table.groupby("method", sort=False).indices
    return {method: (names.iloc[rows], scores[rows]) for method, rows in parts.items()}


def _aligned(
    method: str, path: Path, listed: Iterable[str], values: np.ndarray, images: ImageNameIndex, used: np.ndarray
) -> np.ndarray:
    rows = images.rows(listed)
    known = (rows >= 0) & np.isfinite(values)
    rows, values = rows[known], values[known]
    scores = np.full(len(images), np.nan)
    scores[rows[::-1]] = values[::-1]  # the first score of each image
    far = np.abs(values - scores[rows]) > ROUNDING * np.maximum(np.abs(values), np.abs(scores[rows]))
    if far.any():
        row = rows[far][0]
        two = f"{scores[row]:.9g} and {values[far][0]:.9g}"
        raise InputError(f"{path} has two scores of {images.all[row]!r} for {method}: {two}.")
    if len(lacking := used[~np.isfinite(scores[used])]):
        what = f"{path} has no finite score of {images.all[lacking[0]]!r} for {method}"
        counts = f"{len(lacking)} of {len(used)} images lack one"
        raise InputError(f"{what} ({counts}). Score them, or leave their pairs out.")
    if np.ptp(scores[used]) == 0:
        raise InputError(f"{path} has the same score of {method} for every image: {scores[used[0]]:.9g}.")
    return scores
