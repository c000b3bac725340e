"""Tables: .parquet and .csv files, and lists with one record a line, as data sets are published."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd
from pyarrow import ArrowException

from prefiqs.errors import InputError
from prefiqs.io.atomic import damaged, require_file, whole_file

NAME_COLUMNS = ("name", "path", "image", "file")
"""What users call the column that names images."""


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table as .parquet or .csv, by the ending of the path; floats in CSV have at most ten digits."""
    with whole_file(path) as partial:
        if Path(path).suffix == ".parquet":
            table.to_parquet(partial, index=False)
        else:
            table.to_csv(partial, index=False, float_format="%.10g", lineterminator="\n")


def read_table(path: str | Path | TextIO) -> pd.DataFrame:
    """Read a CSV table as written above: only an empty cell is missing, a method called "None" or "NA" is not."""
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def read_parquet(path: str | Path, columns: Iterable[str] = ()) -> pd.DataFrame:
    """Read a .parquet file; `InputError` for one that is damaged or lacks one of `columns`."""
    try:
        table = pd.read_parquet(path)
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged file can raise anything
        raise damaged("a table", path, error) from error
    if missing := [column for column in columns if column not in table]:
        raise InputError(f"{path} has no column {missing[0]}. Delete it and make it again.")
    return table


def is_table(path: Path) -> bool:
    """Whether a user's file is a table by its suffix, .csv or .parquet; all other files are text."""
    return path.suffix in (".csv", ".parquet")


def read_user_table(path: Path) -> pd.DataFrame:
    """Read a user's table; in CSV, names stay text even if they are digits, and empty cells and NA are missing."""
    require_file(path)
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        texts = dict.fromkeys((*NAME_COLUMNS, "subject", "method", "left", "right"), str)
        return pd.read_csv(path, dtype=texts, encoding="utf-8")
    except (ValueError, ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{path} cannot be read as a table with a header ({reason}).") from error


def names_of(table: pd.DataFrame, path: Path) -> pd.Series:
    """Return the column that names images; `InputError` if there is none, or a name is empty."""
    for column in NAME_COLUMNS:
        if column in table:
            return complete_column(table, column, path)
    columns = ", ".join(map(str, table.columns))
    raise InputError(f"{path} has no column {', '.join(NAME_COLUMNS[:-1])} or {NAME_COLUMNS[-1]}, only {columns}.")


def complete_column(table: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """Return a column as text; `InputError` if a cell is empty."""
    empty = table[column].isna().to_numpy()
    if empty.any():
        raise InputError(f"The column {column} is empty in {location_of_row(path, int(empty.argmax()))}.")
    return table[column].astype(str)


def location_of_row(path: Path, row: int) -> str:
    """Return where a reader finds a row, counted from 0: line N of a CSV or text file, row N of a Parquet file."""
    if path.suffix == ".parquet":
        return f"row {row + 1} of {path}"
    return f"line {row + (2 if path.suffix == '.csv' else 1)} of {path}"


def read_text_table(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Read a list without header, of up to millions of lines, whose columns are separated by spaces or tabs.

    columns: type of each by name, in their order: `str`, `int32` or `float64`. Raises `InputError` if there is no such
    file, or for the first line that has other columns or a value that cannot be read.
    """
    require_file(path)
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
    """Name the first line that does not fit."""
    names = [name.upper() for name in columns]
    form = " ".join(names if len(names) < 6 else [*names[:3], "…", names[-1]])
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            try:
                values = zip(line.split(), columns.values(), strict=True)
                numbers = [np.dtype(kind).type(text) for text, kind in values if kind != "str"]
            except (ValueError, OverflowError):
                numbers = [np.nan]
            if not np.isfinite(numbers).all():
                return f"Line {number} of {path} is not of the form `{form}`: {line.rstrip()[:200]!r}."
    return f"{path} cannot be read as lines of the form `{form}`."


def require_files(folder: Path, names: Iterable[str]) -> None:
    """Raise `InputError` unless a folder has all these files."""
    if missing := [name for name in names if not (folder / name).is_file()]:
        more = f"{len(missing)} listed files are missing"
        raise InputError(f"File not found: {folder / missing[0]} ({more}). Unpack the data set again.")
