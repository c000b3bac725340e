"""Reading what users bring: CSV and Parquet tables, whose columns are found by their usual names."""

from pathlib import Path

import pandas as pd
from pyarrow import ArrowException

from prefiqs.errors import InputError

NAME_COLUMNS = ("name", "path", "image", "file")


def is_table(path: Path) -> bool:
    """Whether a file is a table by its suffix: .csv or .parquet; all other files are text."""
    return path.suffix in (".csv", ".parquet")


def read_user_table(path: Path) -> pd.DataFrame:
    """Read a table; in CSV, names stay text even if they are digits, and empty cells and NA are missing.

    Raises `InputError` if there is no such file, or it cannot be read.
    """
    require_file(path)
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        texts = dict.fromkeys((*NAME_COLUMNS, "subject", "method", "left", "right"), str)
        return pd.read_csv(path, dtype=texts, encoding="utf-8")
    except (ValueError, ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{path} cannot be read as a table with a header ({reason}).") from error


def require_file(path: Path) -> None:
    """Raise `InputError` unless there is such a file."""
    if not path.is_file():
        raise InputError(f"File not found: {path}.")


def name_column(table: pd.DataFrame, path: Path) -> str:
    """Return the column that names images; `InputError` if there is none, or a name is empty."""
    column = next((c for c in NAME_COLUMNS if c in table), None)
    if column is None:
        columns = ", ".join(map(str, table.columns))
        raise InputError(f"{path} has no column {', '.join(NAME_COLUMNS[:-1])} or {NAME_COLUMNS[-1]}, only {columns}.")
    require_complete(table, column, path)
    return column


def require_complete(table: pd.DataFrame, column: str, path: Path) -> None:
    """Raise `InputError` if a cell of a column is empty."""
    empty = table[column].isna().to_numpy()
    if empty.any():
        raise InputError(f"The column {column} is empty in {location_of_row(path, int(empty.argmax()))}.")


def location_of_row(path: Path, row: int) -> str:
    """Return where a reader finds a row, counted from 0: the line of a CSV or text file, the row of a Parquet file."""
    if path.suffix == ".parquet":
        return f"row {row + 1} of {path}"
    return f"line {row + (2 if path.suffix == '.csv' else 1)} of {path}"
