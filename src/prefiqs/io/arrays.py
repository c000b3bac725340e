"""Arrays as .npy files, also larger than memory."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from prefiqs.errors import InputError
from prefiqs.io.atomic import damaged, whole_file


def write_array(array: np.ndarray, path: str | Path) -> None:
    """Write an array as .npy."""
    with whole_file(path) as partial, partial.open("wb") as file:
        np.save(file, array, allow_pickle=False)


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
        self._stack = ExitStack()
        self._file = self._stack.enter_context(self._stack.enter_context(whole_file(self.path)).open("wb"))
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(self._file, header)
        return self

    def append(self, rows: np.ndarray) -> None:
        """Add rows, k×`shape[1:]`."""
        if rows.shape[1:] != self.shape[1:] or rows.dtype != self.dtype:
            raise InputError(
                f"Row {self.written} of {self.path} must be {self.dtype} of shape {self.shape[1:]}, "
                f"not {rows.dtype} {rows.shape[1:]}."
            )
        self._file.write(np.ascontiguousarray(rows).data)
        self.written += len(rows)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        with self._stack:  # which ends as it does without an error, or discards what was written
            if error:
                raise error
            if self.written != self.shape[0]:
                raise InputError(f"{self.path} was announced with {self.shape[0]} rows but got {self.written}.")


def write_rows(rows: Iterable[np.ndarray], shape: tuple[int, ...], dtype: DTypeLike, path: str | Path) -> None:
    """Write an array as .npy, row by row, each of `shape[1:]` and `dtype`; see `RowFile`."""
    with RowFile(path, shape, dtype) as file:
        for row in rows:
            file.append(row[None])


def read_array(path: Path, mapped: bool = False) -> np.ndarray:
    """Read a .npy file, or map it read-only; `InputError` if it is not there, is damaged, or holds Python objects."""
    if not path.is_file():
        raise InputError(f"File not found: {path}. Make it with `dvc repro`.")
    try:
        if mapped:
            return np.lib.format.open_memmap(path, mode="r")
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # a damaged file can raise anything
        raise damaged("a .npy array", path, error) from error
