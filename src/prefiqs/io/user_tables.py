"""Tables and lists as people and other tools keep them.

A Parquet file or a folder of them; or text in UTF-8 or UTF-16, with any ends of lines, whose fields are separated by
tabs, semicolons, commas or blanks, with names of columns in the first line or without. Blank lines and comments (`# …`)
are passed over. Names of columns may be spelled as in `ALIASES`, in capitals too, with blanks, `_` or `-`.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from pyarrow import ArrowException

from prefiqs.errors import InputError
from prefiqs.io.atomic import read_text, require_file

ALIASES = {
    "name": (
        "name", "path", "image", "file", "filename", "filepath", "imagename", "imagepath", "imagefile", "img",
        "imgname", "imgpath", "imageid",
    ),
    "subject": ("subject", "person", "identity", "subjectid", "personid"),
    "score": ("score", "quality", "qualityscore", "unifiedqualityscore", "unifiedqualityscore.scalar"),
    "left": ("left", "image1", "img1", "name1", "path1", "file1", "template1"),
    "right": ("right", "image2", "img2", "name2", "path2", "file2", "template2"),
    "genuine": ("genuine", "label", "same", "issame", "match", "mated"),
    "template": ("template", "templateid", "tid"),
    "media": ("media", "medium", "mediaid", "mid"),
    "status": ("status",),
}  # fmt: skip
_TEXTS = {*ALIASES["name"], *ALIASES["subject"], *ALIASES["left"], *ALIASES["right"], "method", "settings", "status"}
_WORDS = {alias for aliases in ALIASES.values() for alias in aliases} | _TEXTS
_UNNAMED = "Unnamed: {}"  # what pandas calls a column without a name, such as the index of a table it wrote
_TABLES = (".csv", ".tsv")
_NO_NUMBER = ["", "NA", "N/A", "NaN", "nan", "-nan", "null", "None"]
_PASSED_OVER = r"(?:[ \t]*(?:#(?:[ \t].*)?)?|sep=.)"  # the last is what Excel writes in front
# CelebA's landmarks: a count, and a header in which the column of names is missing.
_CELEBA = re.compile(r"\A\d+\s*\n\s*" + r"\s+".join(
    f"{point}_{axis}" for point in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth") for axis in "xy"
) + r"[ \t]*\n")  # fmt: skip
_DECIMAL_COMMA = re.compile(r"[-+]?[\d.]*,\d+(?:[eE][-+]?\d+)?")
_NAME_THEN_COMMA = re.compile(r".*\.\w{2,5}\s*[,;]")


def read_user_table(path: Path, fields: Mapping[str, str] | None = None, vector: bool = False) -> pd.DataFrame:
    """Read a user's table; the index is that of the record in the file, for `location_of_row`.

    fields: the columns of text without a header, with their types: str, category, int32 or float64. The first names an
        image; if there are but two, it may hold blanks. One field alone, the default, is the whole line.
    vector: numbers v1, v2 … follow the fields.

    Raises `InputError` for another form, a column that occurs twice, or a decimal comma.
    """
    if is_parquet(path):
        return _read_parquet(path)
    fields = fields or {"name": "str"}
    text = _text(path)
    records = re.sub(rf"^{_PASSED_OVER}\n", "", text if text.endswith("\n") else text + "\n", flags=re.MULTILINE)
    first = records.partition("\n")[0]
    separator, columns, has_header = _layout(first, fields, vector, path)
    if not vector and not has_header and len(fields) == 2 and separator in " \t":
        return _names_and_values(text, fields, path)
    if not vector and len(fields) == len(columns) == 1:
        lines = [line.strip() for line in records.split("\n")[has_header:-1]]
        return _numbered(pd.DataFrame({columns[0]: lines}), has_header)
    texts = {column for column in columns if _plain(column) in _TEXTS or fields.get(column) == "str"}
    kinds = dict.fromkeys(texts, "str") if has_header else dict.fromkeys(columns, "float64") | dict(fields)
    try:
        with np.errstate(invalid="ignore"):  # a value that is no whole number raises, and need not warn before
            table = pd.read_csv(
                BytesIO(records.encode()), sep=r"\s+" if separator == " " else separator, names=columns, header=None,
                skiprows=int(has_header), dtype=kinds, keep_default_na=False, skipinitialspace=True,
                quoting=csv.QUOTE_NONE if separator == " " else csv.QUOTE_MINIMAL, low_memory=not has_header,
                na_values={column: [""] if column in texts else _NO_NUMBER for column in columns},
            )  # fmt: skip
        # Lines with a value too many would make an index of it; NaN stands for a value too few.
        whole = isinstance(table.index, pd.RangeIndex) or not len(table)
        if not whole or not has_header and table.isna().any(axis=None):
            raise ValueError
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(_misfit(text, path, separator, columns, kinds, has_header)) from error
    for column in texts if separator != " " else ():
        table[column] = table[column].str.strip()
    return _numbered(table, has_header)


def is_parquet(path: Path) -> bool:
    """Whether a user's table is a Parquet file or a folder of them; everything else is text."""
    return path.suffix.lower() in (".parquet", ".pq") or path.is_dir() and any(path.glob("[!._]*.parquet"))


def find_column(table: pd.DataFrame, field: str) -> str | None:
    """Return what a table calls one of the columns of `ALIASES`; None if it has none."""
    plain = {_plain(column): column for column in reversed(table.columns)}
    return next((plain[alias] for alias in ALIASES[field] if alias in plain), None)


def names_of(table: pd.DataFrame, path: Path) -> pd.Series:
    """Return the column that names images; `InputError` if there is none, or a name is empty.

    Of several, the first one without repetitions counts: others may name people. An index without a name, as pandas
    writes it, will do if it is not a mere number.
    """
    named = [column for alias in ALIASES["name"] for column in table if _plain(column) == alias]
    column = next((column for column in named if table[column].is_unique), named[0] if named else None)
    first = table.columns[0] if len(table.columns) else ""
    if column is None and first == _UNNAMED.format(0) and not pd.api.types.is_numeric_dtype(table[first]):
        column = first
    if column is None:
        columns = ", ".join(table.columns)
        raise InputError(f"{path} has no column {', '.join(ALIASES['name'][:3])} or file, only {columns}.")
    return complete_column(table, column, path)


def complete_column(table: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """Return a column as text; `InputError` if a cell is empty."""
    empty = table[column].isna().to_numpy()
    if empty.any():
        raise InputError(f"The column {column} is empty in {location_of_row(table, int(empty.argmax()), path)}.")
    return table[column].astype(str)


def number_column(table: pd.DataFrame, column: str, path: Path) -> np.ndarray:
    """Return a column as float64, NaN where it is empty; `InputError` names a cell that holds no number."""
    numbers = pd.to_numeric(table[column], errors="coerce")
    odd = (numbers.isna() & table[column].notna()).to_numpy()
    if odd.any():
        row = int(odd.argmax())
        text, where = str(table[column].iloc[row]), location_of_row(table, row, path)
        raise InputError(f"The column {column} contains {text[:40]!r} in {where}, which is not a number.{_hint(text)}")
    return numbers.to_numpy(float)


def has_header(table: pd.DataFrame, path: Path) -> bool:
    """Whether the columns of a table are called as the file says."""
    return is_parquet(path) or 0 not in table.index  # see `_numbered`


def location_of_row(table: pd.DataFrame, row: int, path: Path) -> str:
    """Return where a reader finds a row, counted from 0: line N of a text file, row N of a Parquet file."""
    number = int(table.index[row])
    if is_parquet(path):
        return f"row {number + 1} of {path}"
    return f"line {[*_records(_text(path))][number][0]} of {path}"


def as_number(text: str) -> float | None:
    """Return the number that a text is, or None."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _text(path: Path) -> str:
    return _CELEBA.sub("\n\n", read_text(path))


def _records(text: str) -> Iterator[tuple[int, str]]:
    """Lines that are not passed over, with their numbers."""
    return ((n, line) for n, line in enumerate(text.split("\n"), 1) if not re.fullmatch(_PASSED_OVER, line))


def _plain(column: object) -> str:
    return re.sub(r"[\s_-]", "", str(column).lower())


def _hint(text: str) -> str:
    return " Write decimals with a point, not a comma." if _DECIMAL_COMMA.fullmatch(text.strip()) else ""


def _numbered(table: pd.DataFrame, has_header: bool) -> pd.DataFrame:
    return table.set_axis(pd.RangeIndex(len(table)) + int(has_header))


def _read_parquet(path: Path) -> pd.DataFrame:
    if not path.is_dir():
        require_file(path)
    try:
        files = sorted(path.glob("[!._]*.parquet")) if path.is_dir() else [path]
        table = pq.ParquetDataset(files).read().to_pandas()
    except (ValueError, ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{path} cannot be read as a table ({reason}).") from error
    if not isinstance(table.index, pd.RangeIndex):
        table = table.reset_index(names=[name or _UNNAMED.format(i) for i, name in enumerate(table.index.names)])
    return table.set_axis([str(column) for column in table.columns], axis="columns")


def _cells(line: str, separator: str, fields: int = 0) -> list[str]:
    """Return the fields of a line. By blanks, the first of `fields` takes what is left over if there are two."""
    if separator == " ":
        return line.rsplit(None, 1) if fields == 2 else line.split()
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])]
    except csv.Error:  # a field longer than any name
        return []


def _layout(first: str, fields: Mapping[str, str], vector: bool, path: Path) -> tuple[str, list[str], bool]:
    """Return what separates the fields, the names of the columns, and whether they stand in the first line."""
    for separator in "\t;, ":
        cells = _cells(first, separator)
        if cells and _is_header(cells, separator, fields, path):
            columns = [cell or _UNNAMED.format(i) for i, cell in enumerate(cells)]
            if twice := sorted({column for column in columns if columns.count(column) > 1}):
                raise InputError(f"The column {twice[0]} occurs twice in {path}.")
            return separator, columns, True
    if len(fields) == 1 and not vector:
        return " ", [*fields], False
    by_blanks = _cells(first, " ", 0 if vector else len(fields))
    if all(as_number(cell) is None for cell in by_blanks[-1:]):
        for separator in "\t ;":
            cells = _cells(first, separator)
            if len(cells) > 1 and _hint(cells[-1]):
                raise InputError(f"Line 1 of {path} ends in {cells[-1]!r}.{_hint(cells[-1])}")
    for separator in "\t ;,":
        cells = by_blanks if separator == " " else _cells(first, separator)
        numbers = [as_number(cell) is not None for cell in cells]
        if vector and len(cells) > 1 and all(numbers[1:]):
            return separator, [*fields, *(f"v{i}" for i in range(1, len(cells)))], False
        right = len(cells) == len(fields) and not vector and all(cells)
        kinds = [kind in ("str", "category") for kind in fields.values()]
        if right and all(map(bool.__or__, kinds, numbers)) and not _end_in_commas(cells):
            return separator, [*fields], False
    cells = _cells(first, ",")
    if path.suffix.lower() in _TABLES and len(cells) > 1 and all(as_number(cell) is None for cell in cells):
        return ",", cells, True  # the caller says which column is missing
    form = _form([*fields, "v1", "v2", "…"] if vector else [*fields])
    if not first.split():
        raise InputError(f"{path} cannot be read as lines of the form `{form}`: it is empty.")
    raise InputError(f"Line 1 of {path} is not of the form `{form}`: {first[:200]!r}.{_hint(first.split()[-1])}")


def _end_in_commas(cells: Sequence[str]) -> bool:
    """Whether fields that stand apart by blanks are rather separated by commas; the name of a file may end in one."""
    ends = all(cell.endswith((",", ";")) for cell in cells[:-1])
    return ends and (len(cells) > 2 or _NAME_THEN_COMMA.fullmatch(cells[0]) is not None)


def _is_header(cells: Sequence[str], separator: str, fields: Mapping[str, str], path: Path) -> bool:
    plain, first = [*map(_plain, cells)], _plain(next(iter(fields)))
    wanted = next((aliases for aliases in ALIASES.values() if first in aliases), ())
    if not cells[0] and len(cells) > 1 and path.suffix.lower() in _TABLES:
        return True  # an index without a name
    if not {*plain} & {*wanted}:
        return False
    if separator == " " and not all(cell in _WORDS or re.fullmatch(r"[a-z]*\d+", cell) for cell in plain):
        return False
    numbers = [cell for cell in cells if as_number(cell) is not None]  # as pandas calls the columns of an array
    return not numbers or len(numbers) > 1 and numbers == [*map(str, range(len(numbers)))]


def _names_and_values(text: str, fields: Mapping[str, str], path: Path) -> pd.DataFrame:
    """Read lines of a name, which may hold blanks, and a number or a word."""
    convert = str if [*fields.values()][1] == "str" else as_number
    names, values = [], []
    for place, line in enumerate(text.split("\n"), 1):
        *name, last = line.strip().rsplit(None, 1) or [""]
        value = convert(last)
        if name and value is not None:
            names.append(name[0])
            values.append(value)
        elif not re.fullmatch(_PASSED_OVER, line):
            raise InputError(f"Line {place} of {path} is not of the form `{_form([*fields])}`: {line!r}.{_hint(last)}")
    return pd.DataFrame(dict(zip(fields, (names, values), strict=True)))


def _form(columns: Sequence[str]) -> str:
    names = [column.upper() for column in columns]
    return " ".join(names if len(names) < 6 else [*names[:3], "…", names[-1]])


def _is_of_kind(text: str, kind: str) -> bool:
    try:
        return kind in ("str", "category") or bool(np.isfinite(np.dtype(kind).type(text)))
    except (ValueError, OverflowError):
        return False


def _misfit(
    text: str, path: Path, separator: str, columns: Sequence[str], kinds: Mapping[str, str], has_header: bool
) -> str:
    """Name the first line that does not fit."""
    for number, line in islice(_records(text), has_header, None):
        cells = _cells(line, separator)
        typed = [(cell, kinds.get(column, "str")) for cell, column in zip(cells, columns, strict=False)]
        if len(cells) != len(columns) or not all(_is_of_kind(cell, kind) for cell, kind in typed):
            why = f"is not of the form `{_form(columns)}`"
            if has_header:
                why = f"has {len(cells)} fields, not {len(columns)} as its header"
            return f"Line {number} of {path} {why}: {line[:200]!r}."
    return f"{path} cannot be read as lines of the form `{_form(columns)}`."
