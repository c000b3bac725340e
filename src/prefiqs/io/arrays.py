"""Arrays as .npy files, also larger than memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from prefiqs.errors import InputError
from prefiqs.io.atomic import damaged, partial_path


def write_array(array: np.ndarray, path: str | Path) -> None:
    """Write an array as .npy."""
    partial = partial_path(path)
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
        self._file = partial_path(self.path).open("wb")
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
        partial_path(self.path).replace(self.path)


def write_rows(rows: Iterable[np.ndarray], shape: tuple[int, ...], dtype: DTypeLike, path: str | Path) -> None:
    """Write an array as .npy, row by row, each of `shape[1:]` and `dtype`; see `RowFile`."""
    with RowFile(path, shape, dtype) as file:
        for row in rows:
            file.append(row[None])


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
        raise damaged("an array", path, error) from error
