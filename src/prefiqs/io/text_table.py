"""Text tables of published data sets: one record a line, columns separated by blanks, no header."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.errors import InputError


def read_text_table(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Read a table of millions of lines without making a Python object of each number.

    Args:
        path: the file; columns are separated by spaces or tabs.
        columns: type of each column by name, in their order: `str`, `int32` or `float64`.

    Raises:
        InputError: no such file, or the first line that has other columns or a value that cannot be read.
    """
    if not path.is_file():
        raise InputError(f"File not found: {path}. Put it there as its owners publish it.")
    try:
        table = pd.read_csv(
            path, sep=r"\s+", names=list(columns), dtype=dict(columns), keep_default_na=False, quoting=3,
            skip_blank_lines=False, encoding="utf-8",
        )  # fmt: skip
        # Lines with a value too many would make an index of it; NaN stands for a value too few.
        rows_only = len(table) and isinstance(table.index, pd.RangeIndex)
        sound = rows_only and np.isfinite(table.select_dtypes("float")).all(axis=None)
    except ValueError:
        sound = False
    if not sound:
        raise InputError(_what_is_wrong(path, columns))
    return table


def _what_is_wrong(path: Path, columns: Mapping[str, str]) -> str:
    """The first line that does not fit, in a sentence."""
    form = " ".join(name.upper() for name in columns)
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            values = line.split()
            if len(values) != len(columns) or not all(map(_readable, values, columns.values())):
                return f"Line {number} of {path} is not of the form `{form}`: {line.rstrip()[:200]!r}."
    return f"{path} cannot be read as lines of the form `{form}`."


def _readable(text: str, dtype: str) -> bool:
    try:
        return dtype == "str" or bool(np.isfinite(np.dtype(dtype).type(text)))
    except (ValueError, OverflowError):
        return False


def require_files(folder: Path, names: Iterable[str]) -> None:
    """Raise `InputError` unless all files are in a folder."""
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        first = Path(folder, missing[0])
        raise InputError(
            f"File not found: {first} ({len(missing)} listed files are missing). Unpack the data set again."
        )
