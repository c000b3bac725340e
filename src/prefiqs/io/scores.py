"""Quality scores of other tools and of users.

Text, `PATH SCORE` a line (a path may hold spaces); or a table (see `user_tables`) with columns for name and score, and
`method` or `settings` if it holds several methods; FILE:COLUMN is any other column of a table. An image that could not
be scored, by the word of the file, has NaN: its row has a `status` that is not "ok", whatever its score is, or OFIQ's
scalar is −1. Where a photo has several faces, the first one counts, which is the largest.
"""

import re
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.errors import InputError
from prefiqs.io.atomic import write_text
from prefiqs.io.names import ImageNameIndex
from prefiqs.io.user_tables import find_column, names_of, number_column, read_user_table

ROUNDING = 1e-4
"""How far two scores of an image may differ; some lists name images twice, and on a GPU the last digits vary."""


def write_score_file(names: Iterable[str], scores: Iterable[float], path: str | Path) -> None:
    """Write scores in the text form of the field's tools: one image a line, `PATH SCORE`; see `require_lines`."""
    names = list(names)
    require_lines(names, path)
    write_text("".join(f"{name} {score:.9g}\n" for name, score in zip(names, scores, strict=True)), path)


def require_lines(names: Iterable[str], path: str | Path) -> None:
    """Raise `InputError` for a name that would not be read back from its line of a text file."""
    if odd := next((name for name in names if re.search(r"[\r\n]|\A\s|\s\Z|\A#\s", name)), None):
        raise InputError(f"The name {odd!r} does not fit into a line of {path}. Choose a .csv or .parquet file.")


def read_image_scores(
    files: Iterable[tuple[str | None, Path]],
    images: ImageNameIndex,
    lower_is_better: Collection[str] = (),
    used: np.ndarray | None = None,
    others: Collection[str] = (),
) -> dict[str, np.ndarray]:
    """Read the scores of n images: float64 (n,) by method, higher = better, NaN where a method failed by its own word.

    files: method and path, or FILE:COLUMN; None = the method is what the column `method` says, or COLUMN, or else the
        name of the file without suffix. Several methods of one file are called by `method`, or by `settings` where that
        does not tell them apart; if a method is given, it stands in front. Lines of other images do not matter.
    lower_is_better: methods whose scores are negated.
    used: rows of the images that need a score, None = all; the others may have NaN.
    others: methods that have scores from elsewhere.

    Raises `InputError` for another form, a method in two files, an unknown method in `lower_is_better`, an image
    without a finite score that is not marked as a failure, two scores of one image that differ by more than `ROUNDING`
    (otherwise the first one counts), or equal scores of all images.
    """
    used = np.arange(len(images)) if used is None else used
    found: dict[str, np.ndarray] = {}
    for label, path in files:
        for method, rows in _read(path, label).items():
            if method in found or method in others:
                raise InputError(f"The method {method!r} is also in {path}. Rename that one: NAME={path}.")
            found[method] = _aligned(method, path, rows, images, used)
    known = [*others, *found]
    if unknown := sorted(set(lower_is_better) - set(known)):
        raise InputError(f"There are no scores of {', '.join(unknown)}, only of {', '.join(known)}.")
    return {method: -values if method in lower_is_better else values for method, values in found.items()}


def find_score_files(folder: str | Path, benchmark: str, others: Iterable[str] = ()) -> dict[str, Path]:
    """Return the files METHOD_BENCHMARK.txt of a folder by method: `CRFIQAL_agedb_30.txt` is CRFIQAL's for agedb-30.

    Case, `-` and `_` do not matter in the benchmark's name. others: further benchmarks; of those that a file may be
    named after, it belongs to the one with the longest name: `SER-FIQ_xq_lfw.txt` to xqlfw, not to lfw.
    Raises `InputError` for two files of a method.
    """
    found: dict[str, Path] = {}
    for path in sorted(Path(folder).glob("*_*.txt")):
        method, *longer = (_method_of(path, name) for name in (benchmark, *others))
        if method is None or any(other is not None and len(other) < len(method) for other in longer):
            continue
        if found.setdefault(method, path) != path:
            raise InputError(f"{found[method]} and {path} both contain scores of {method} on {benchmark}.")
    return found


def _method_of(path: Path, benchmark: str) -> str | None:
    """The METHOD of METHOD_BENCHMARK.txt; None for a file of another benchmark."""
    letters = (re.escape(letter) + "[-_]*" for letter in re.sub("[-_]", "", benchmark))
    match = re.fullmatch(f"(.*)_-*{''.join(letters)}", path.stem, re.IGNORECASE)
    return match and match[1]


def read_published_scores(
    folder: str | Path,
    benchmark: str,
    names: Collection[str],
    lower_is_better: Collection[str],
    others: Iterable[str] = (),
) -> dict[str, np.ndarray]:
    """Read the scores of every method that `find_score_files` finds; else as `read_image_scores`.

    names: of the n images, all of which need a score. Methods of `lower_is_better` without a file are ignored.
    """
    files, images = find_score_files(folder, benchmark, others), ImageNameIndex(names, f"the benchmark {benchmark}")
    scores = read_image_scores(files.items(), images, files.keys() & lower_is_better)
    if failed := [method for method, values in scores.items() if np.isnan(values).any()]:
        raise InputError(f"{files[failed[0]]} marks images as failed. Remove the file, or score these images.")
    return scores


def split_column(path: Path) -> tuple[Path, str | None]:
    """Return the file and the column of FILE:COLUMN, or a path as it is."""
    file, colon, column = str(path).rpartition(":")
    return (Path(file), column) if colon and not path.exists() and Path(file).exists() else (path, None)


def _read(given: Path, label: str | None) -> dict[str, pd.DataFrame]:
    """Return the columns name, score and failed by method."""
    path, asked = split_column(given)
    table = largest_faces(read_user_table(path, {"path": "str", "score": "float64"}))
    names, column = names_of(table, path), asked or find_column(table, "score")
    if column is None or column not in table:
        only = f"only {', '.join(table.columns)}. Choose one by {path}:COLUMN"
        raise InputError(f"{path} has no column {column or 'score'}, {only}.")
    rows = pd.DataFrame({"name": names, "score": number_column(table, column, path), "failed": failures(table)})
    if any(name.startswith("UnifiedQualityScore") for name in table):
        scalar = column if f"{column}.scalar" not in table else f"{column}.scalar"
        rows["failed"] |= number_column(table, scalar, path) == -1
    rows.loc[rows["failed"], "score"] = np.nan
    method, settings = (table[name].fillna("").astype(str) if name in table else pd.Series("", table.index)
                        for name in ("method", "settings"))  # fmt: skip
    of_method = settings.groupby(method).nunique()
    called = method.where(method.map(of_method) == 1, settings)
    if called.nunique() == 1:
        own = "" if asked else method.iloc[0]
        return {label or asked or own or path.stem: rows}
    parts = rows.groupby(called, sort=False)
    return {f"{label} {method}" if label else str(method): part for method, part in parts}


def largest_faces(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the first, the largest, face of each photo, of a table that `prefiqs score` wrote."""
    return table[~(table["face"] > 1)] if {"face", "status", "settings"} <= set(table) else table


def failures(table: pd.DataFrame) -> np.ndarray:
    """Which rows are failures to acquire, by their `status`, which says "ok" of all others; bool (n,)."""
    status = find_column(table, "status")
    return table[status].astype(str).str.lower().ne("ok").to_numpy() if status else np.zeros(len(table), bool)


def _aligned(method: str, path: Path, listed: pd.DataFrame, images: ImageNameIndex, used: np.ndarray) -> np.ndarray:
    rows, values = images.rows(listed["name"]), listed["score"].to_numpy()
    known = (rows >= 0) & np.isfinite(values)
    failed = np.isin(used, rows[listed["failed"].to_numpy(bool)])
    unknown = listed["name"].to_numpy()[rows < 0]
    rows, values = rows[known], values[known]
    scores = np.full(len(images), np.nan)
    scores[rows[::-1]] = values[::-1]  # the first score of each image
    far = np.abs(values - scores[rows]) > ROUNDING * np.maximum(np.abs(values), np.abs(scores[rows]))
    if far.any():
        row = rows[far][0]
        two = f"{scores[row]:.9g} and {values[far][0]:.9g}"
        raise InputError(f"{path} has two scores of {images.all[row]!r} for {method}: {two}.")
    other = f" It names {unknown[0][:100]!r}, which {images.why_unknown(unknown[0])}." if len(unknown) else ""
    if len(lacking := used[~np.isfinite(scores[used]) & ~failed]):
        what = f"{path} has no finite score of {images.all[lacking[0]]!r} for {method}"
        counts = f"{len(lacking)} of {len(used)} images lack one"
        raise InputError(f"{what} ({counts}).{other} Score them, or leave their pairs out.")
    values = scores[used] if len(used) else scores
    if np.isnan(values).all():
        raise InputError(f"{path} has no score of {method} at all: every image is unknown or marked as failed.{other}")
    if np.nanmin(values) == np.nanmax(values):
        raise InputError(f"{path} has the same score of {method} for every image: {np.nanmin(values):.9g}.")
    return scores
