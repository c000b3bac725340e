"""The score table as a file: .csv, .parquet, or .txt in the `PATH SCORE` form of the field's tools."""

import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prefiqs.apps.score.rows import COLUMNS, TYPES, Row
from prefiqs.errors import InputError
from prefiqs.io.atomic import whole_file
from prefiqs.io.scores import write_score_file

FORMATS = (".csv", ".parquet", ".txt")
MISSING = "NA"
_ARROW = {str: pa.string(), int: pa.int32(), float: pa.float64()}
SCHEMA = pa.schema([(name, _ARROW[kind]) for name, kind in TYPES.items()])
_ROWS_AT_ONCE = 4096


def csv_values(row: Row) -> list[str | int | float | None]:
    """The values of a row in CSV."""
    return [MISSING if row[name] is None else row[name] for name in COLUMNS]


def write_table_of_rows(rows: Iterable[Row], path: Path) -> None:
    """Write rows by the ending of the path, one of `FORMATS`; the file appears complete or not at all."""
    if path.suffix == ".txt":
        scores = {row["path"]: row["score"] for row in rows if row["score"] is not None}
        write_score_file(scores, np.array([*scores.values()]), path)
        return
    with whole_file(path) as partial:
        if path.suffix == ".parquet":
            rows = iter(rows)
            with pq.ParquetWriter(partial, SCHEMA) as parquet:
                while part := list(islice(rows, _ROWS_AT_ONCE)):
                    parquet.write_table(pa.Table.from_pylist(part, SCHEMA))
        else:
            with partial.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(COLUMNS)
                writer.writerows(map(csv_values, rows))


def read_table_of_rows(path: Path) -> Iterator[Row]:
    """The rows of a .csv or .parquet that `write_table_of_rows` wrote; `InputError` for any other file."""
    if path.suffix == ".txt":
        raise InputError(
            f"{path} does not say how its scores were made, so it cannot be extended. Choose another --out."
        )
    try:
        yield from _parquet_rows(path) if path.suffix == ".parquet" else _csv_rows(path)
    except (ValueError, csv.Error, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not a table of `prefiqs score` ({reason}). Choose another --out.") from error


def _csv_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file, strict=True)
        _check_columns(next(lines, []))
        for values in lines:
            named = zip(TYPES.items(), values, strict=True)
            yield {name: None if text == MISSING and kind is not str else kind(text) for (name, kind), text in named}


def _parquet_rows(path: Path) -> Iterator[Row]:
    with pq.ParquetFile(path) as file:
        _check_columns(file.schema_arrow.names)
        for batch in file.iter_batches(_ROWS_AT_ONCE):
            yield from batch.to_pylist()


def _check_columns(names: list[str]) -> None:
    if tuple(names) != COLUMNS:
        raise ValueError(f"its columns are {', '.join(names[:8]) or 'none'}")
