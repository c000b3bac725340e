"""Our own tables, .parquet and .csv files; those of others are read by `user_tables`."""

from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

import pandas as pd

from prefiqs.errors import InputError
from prefiqs.io.atomic import damaged, whole_file


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
        raise InputError(f"{path} has no column {missing[0]}. Delete it and create it again.")
    return table


def require_files(folder: Path, names: Iterable[str]) -> None:
    """Raise `InputError` unless a folder has all these files."""
    if missing := [name for name in names if not (folder / name).is_file()]:
        more = f"{len(missing)} listed files are missing"
        raise InputError(f"File not found: {folder / missing[0]} ({more}). Unpack the data set again.")
