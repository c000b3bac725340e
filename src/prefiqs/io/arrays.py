"""Arrays as .npy files, also larger than memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from prefiqs.errors import InputError
from prefiqs.io.atomic import damaged, require_file, whole_file


def write_array(array: np.ndarray, path: str | Path) -> None:
    """Write an array as .npy."""
    with whole_file(path) as partial, partial.open("wb") as file:
        np.save(file, array, allow_pickle=False)


@contextmanager
def row_writer(path: str | Path, shape: tuple[int, ...], dtype: DTypeLike) -> Iterator[Callable[[np.ndarray], None]]:
    """Write a .npy a few rows at a time: gives the function that adds rows; `InputError` if they do not fit."""
    written, dtype = 0, np.dtype(dtype)
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}

    def append(rows: np.ndarray) -> None:
        nonlocal written
        if rows.shape[1:] != shape[1:] or rows.dtype != dtype:
            wanted = f"{dtype} of shape {shape[1:]}"
            raise InputError(f"Row {written} of {path} must be {wanted}, not {rows.dtype} {rows.shape[1:]}.")
        file.write(np.ascontiguousarray(rows).data)
        written += len(rows)

    with whole_file(path) as partial, partial.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        yield append
        if written != shape[0]:
            raise InputError(f"{path} should have {shape[0]} rows, but {written} were written.")


def read_array(path: Path, mapped: bool = False) -> np.ndarray:
    """Read a .npy file, or map it read-only; `InputError` if it is not there, is damaged, or holds Python objects."""
    if not path.is_file():
        raise InputError(f"File not found: {path}. Create it with `dvc repro`.")
    try:
        if mapped:
            return np.lib.format.open_memmap(path, mode="r")
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # a damaged file can raise anything
        raise damaged("a .npy array", path, error) from error


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read a .npz file, by name; `InputError` if it is not there, is damaged, or holds Python objects."""
    require_file(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return dict(archive)
    except Exception as error:  # a damaged file can raise anything
        raise damaged("a .npz archive", path, error) from error
