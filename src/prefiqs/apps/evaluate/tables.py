"""Reading what users bring: CSV and Parquet tables, whose columns are found by their usual names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from pyarrow import ArrowException

from prefiqs.errors import InputError

NAME_COLUMNS = ("name", "path", "image", "file")


def is_table(path: Path) -> bool:
    """Whether a file is a table by its ending: .csv or .parquet; all other files are text."""
    return path.suffix in (".csv", ".parquet")


def read_user_table(path: Path) -> pd.DataFrame:
    """Read a table; in CSV, names stay text also where they are digits, and empty cells and NA are missing.

    Raises `InputError` for no such file, or one that cannot be read.
    """
    require_file(path)
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        texts = dict.fromkeys((*NAME_COLUMNS, "subject", "method", "left", "right"), str)
        return pd.read_csv(path, dtype=texts, encoding="utf-8")
    except (ValueError, ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"Expected a table with a header in {path}, got something else ({reason}).") from error


def require_file(path: Path) -> None:
    """`InputError` unless there is such a file."""
    if not path.is_file():
        raise InputError(f"Expected a file {path}, got none of that name; check the path.")


@contextmanager
def reading_text(path: Path) -> Iterator[None]:
    """`InputError` for no such file, and for bytes that are no UTF-8 while the text is read."""
    require_file(path)
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(f"Expected UTF-8 text in {path}, got something else ({error}).") from error


def name_column(table: pd.DataFrame, path: Path) -> str:
    """The column that names images; `InputError` where there is none, or an empty name."""
    column = next((c for c in NAME_COLUMNS if c in table), None)
    if column is None:
        raise InputError(
            f"Expected a column {', '.join(NAME_COLUMNS)} in {path}, got {', '.join(map(str, table.columns))}."
        )
    if table[column].isna().any():
        row = int(table[column].isna().to_numpy().argmax())
        raise InputError(f"Expected the name of an image in {place(path, row)}, got an empty cell.")
    return column


def place(path: Path, row: int) -> str:
    """Where a reader finds a row, counted from 0: the line of a CSV or text file, the row of a Parquet file."""
    if path.suffix == ".parquet":
        return f"row {row + 1} of {path}"
    return f"line {row + (2 if path.suffix == '.csv' else 1)} of {path}"
