"""Writing and reading files so that an interrupted run leaves the old file or the new one, never half of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import DTypeLike

from prefiqs.core.errors import InputError

# Behind the name of a method in score files and tables: its network was trained on images of this benchmark.
SEEN = " §"


def _partial(path: str | Path) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(path.name + ".partial")


def write_array(array: np.ndarray, path: str | Path) -> None:
    """Write an array as .npy."""
    partial = _partial(path)
    with partial.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    partial.replace(path)


class RowFile:
    """An array written as .npy a few rows at a time: it may be larger than memory. A context manager.

    Args:
        path: of the file, which appears when the context ends without an error.
        shape: of the whole array.
        dtype: of its numbers.

    Raises:
        InputError: rows of another shape or type, or another number of rows.
    """

    def __init__(self, path: str | Path, shape: tuple[int, ...], dtype: DTypeLike):
        self.path, self.shape, self.dtype, self.written = path, shape, np.dtype(dtype), 0

    def __enter__(self) -> RowFile:
        self._file = _partial(self.path).open("wb")
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(self._file, header)
        return self

    def append(self, rows: np.ndarray) -> None:
        """Add rows, k×`shape[1:]`."""
        if rows.shape[1:] != self.shape[1:] or rows.dtype != self.dtype:
            raise InputError(
                f"Expected {self.dtype} of shape {self.shape[1:]} in row {self.written} of {self.path}, "
                f"got {rows.dtype} {rows.shape[1:]}."
            )
        self._file.write(np.ascontiguousarray(rows).data)
        self.written += len(rows)

    def __exit__(self, kind: type | None, *_: object) -> None:
        self._file.close()
        if kind is not None:
            return
        if self.written != self.shape[0]:
            raise InputError(
                f"Expected {self.shape[0]} rows for {self.path}, got {self.written}; their number must be known "
                "beforehand."
            )
        _partial(self.path).replace(self.path)


def write_rows(rows: Iterable[np.ndarray], shape: tuple[int, ...], dtype: DTypeLike, path: str | Path) -> None:
    """Write an array as .npy, row by row, each of `shape[1:]` and `dtype`; see `RowFile`."""
    with RowFile(path, shape, dtype) as file:
        for row in rows:
            file.append(row[None])


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table as .parquet or .csv, by the ending of the path; floats in CSV have at most ten digits."""
    partial = _partial(path)
    if Path(path).suffix == ".parquet":
        table.to_parquet(partial, index=False)
    else:
        table.to_csv(partial, index=False, float_format="%.10g", lineterminator="\n")
    partial.replace(path)


def write_text(text: str, path: str | Path) -> None:
    """Write a UTF-8 text file."""
    write_bytes(text.encode(), path)


def write_bytes(content: bytes, path: str | Path) -> None:
    """Write a file of bytes."""
    partial = _partial(path)
    partial.write_bytes(content)
    partial.replace(path)


def read_text(path: str | Path) -> str:
    """Read a UTF-8 text file; `InputError` for other bytes."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"Expected UTF-8 text in {path}, got other bytes ({error}).") from error


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


def read_parquet(path: str | Path, columns: Iterable[str] = ()) -> pd.DataFrame:
    """Read a .parquet file; `InputError` for one that is damaged or lacks one of `columns`."""
    try:
        table = pd.read_parquet(path)
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged file can raise anything
        raise _damaged("a table", path, error) from error
    if missing := [column for column in columns if column not in table]:
        raise InputError(f"Expected the columns {', '.join(columns)} in {path}, got no {missing[0]}; make it anew.")
    return table


def read_array(path: Path, mapped: bool = False) -> np.ndarray:
    """Read a .npy file, or map it read-only; `InputError` if it is not there, is damaged, or holds Python objects."""
    if not path.is_file():
        raise InputError(f"Expected an array in {path}, got no such file; make it with `dvc repro`.")
    try:
        if mapped:
            return np.lib.format.open_memmap(path, mode="r")
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # a damaged file can raise anything
        raise _damaged("an array", path, error) from error


def _damaged(what: str, path: str | Path, error: Exception) -> InputError:
    return InputError(
        f"Expected {what} in {path}, got a file that is none or is damaged ({type(error).__name__}); make it anew."
    )
