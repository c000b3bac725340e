"""Pair lists, and lists of templates, as users keep them.

* text, `NAME NAME 1` for a genuine and `NAME NAME 0` for an impostor pair, or a table (see `user_tables`) with columns
  for both sides and the label; whole numbers in Parquet are rows of images;
* of templates, `TEMPLATE TEMPLATE LABEL` with their numbers, as IJB-C has it; which images make up which template says
  another list, `NAME TEMPLATE MEDIUM` a line, or a table with such columns.

Labels are 1 or 0, 1 or −1, or words. A pair of an image with itself, or with both labels, is an error. One that is
listed twice, be it the other way round, counts twice, as it does for the tools that made the list; this is said.
"""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.errors import InputError
from prefiqs.io import user_tables
from prefiqs.io.names import ImageNameIndex

_LABELS = {
    "1": True, "true": True, "yes": True, "genuine": True, "same": True, "match": True, "mated": True,
    "0": False, "-1": False, "false": False, "no": False, "impostor": False, "imposter": False, "different": False,
    "nonmatch": False, "non-match": False, "nonmated": False, "non-mated": False,
}  # fmt: skip
_SIDES = "left", "right"


def read_pairs(path: Path, images: ImageNameIndex) -> tuple[np.ndarray, np.ndarray]:
    """Read a pair list: int64 (P, 2), rows of the images, and bool (P,), whether a pair is genuine.

    Raises `InputError` for an unknown image or label, an image with itself, a pair with both labels, or no pair of a
    kind.
    """
    table = _read(path, {"left": "str", "right": "str", "genuine": "category"})
    columns = []
    for side in _SIDES:
        if pd.api.types.is_integer_dtype(rows := table[side]):
            columns.append(np.where((rows >= 0) & (rows < len(images)), rows, -1).astype(np.int64))
        else:
            columns.append(images.rows(user_tables.complete_column(table, side, path)))
    pairs = np.column_stack(columns)
    if len(unknown := np.argwhere(pairs < 0)):
        row, side = unknown[0]
        name = str(table[_SIDES[side]].iloc[row])
        why = f"The image {name} in {user_tables.location_of_row(table, int(row), path)} {images.why_unknown(name)}"
        raise InputError(f"{why} ({len(set(unknown[:, 0]))} such pairs).")
    return pairs, _checked(table, pairs, path)


def read_templates(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Read images by template: n names, and int32 (n,) each, the published numbers of the template and of the medium.

    Raises `InputError` for another form or a number that is not whole.
    """
    table = user_tables.read_user_table(path, {"name": "str", "template": "int32", "medium": "int32"})
    numbers = []
    for field in ("template", "media"):
        if (column := user_tables.find_column(table, field)) is None:
            raise InputError(f"{path} has no column {field}, only {', '.join(table.columns)}.")
        values = user_tables.number_column(table, column, path)
        if not (np.abs(values) < 2**31).all() or (values % 1).any():
            raise InputError(f"The column {column} of {path} contains values that are not whole numbers.")
        numbers.append(values.astype(np.int32))
    return user_tables.names_of(table, path).tolist(), *numbers


def read_template_pairs(path: Path, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read pairs of templates: int32 (P, 2), places in `ids`, and bool (P,), whether a pair is genuine.

    ids: numbers of the templates, ascending. Raises `InputError` as `read_pairs` does.
    """
    table = _read(path, {"template1": "int32", "template2": "int32", "label": "category"})
    sides = [table[side].to_numpy() for side in _SIDES]
    pairs = np.column_stack([np.searchsorted(ids, side).astype(np.int32) for side in sides])
    np.minimum(pairs, len(ids) - 1, out=pairs)
    unknown = (ids[pairs[:, 0]] != sides[0]) | (ids[pairs[:, 1]] != sides[1])
    if unknown.any():
        row = int(unknown.argmax())
        what = f"{user_tables.location_of_row(table, row, path)} are not two templates that have images"
        raise InputError(f"{sides[0][row]} and {sides[1][row]} in {what} ({int(unknown.sum())} such pairs).")
    return pairs, _checked(table, pairs, path)


def _read(path: Path, fields: dict[str, str]) -> pd.DataFrame:
    table = user_tables.read_user_table(path, fields)
    columns = {field: user_tables.find_column(table, field) for field in (*_SIDES, "genuine")}
    if absent := [field for field, column in columns.items() if column is None]:
        only = f"only {', '.join(table.columns)}; left, right and genuine are needed"
        raise InputError(f"{path} has no column {', '.join(absent)}, {only}.")
    return table.rename(columns={column: field for field, column in columns.items()})


def _checked(table: pd.DataFrame, pairs: np.ndarray, path: Path) -> np.ndarray:
    """Return which pairs are genuine."""
    number, distinct = pd.factorize(table["genuine"], use_na_sentinel=False)
    labels = [_label(value) for value in distinct]
    if None in labels:
        row = int((number == labels.index(None)).argmax())
        what = f"The label in {user_tables.location_of_row(table, row, path)} is {distinct[number[row]]}"
        raise InputError(f"{what}, but must be 1 (genuine) or 0 (impostor), or 1 or −1.")
    if len({user_tables.as_number(str(value)) for value in distinct} & {0, -1}) == 2:
        raise InputError(f"The labels in {path} are 1, 0 and −1. Which pairs are impostors, 0 or −1?")
    genuine = np.array(labels, bool)[number]
    if not 0 < genuine.sum() < len(genuine):
        counts = f"{genuine.sum()} genuine and {(~genuine).sum()} impostor pairs"
        raise InputError(f"{path} has {counts}; both kinds are needed.")

    def refuse(wrong: np.ndarray, why: str) -> None:
        if wrong.any():
            row = int(wrong.argmax())
            left, right = (table[side].iloc[row] for side in _SIDES)
            where = user_tables.location_of_row(table, row, path)
            raise InputError(f"The pair {left} and {right} in {where} {why} ({int(wrong.sum())} such pairs).")

    refuse(pairs[:, 0] == pairs[:, 1], "compares one thing with itself. Leave it out")
    low, high = pairs.min(axis=1).astype(np.int64), pairs.max(axis=1)
    key = (low * (int(pairs.max()) + 1) + high) * 2 + genuine
    ordered = np.sort(key)
    again = ordered[1:] >> 1 == ordered[:-1] >> 1
    if (clash := ordered[1:][again & (ordered[1:] != ordered[:-1])] >> 1).size:
        refuse(np.isin(key >> 1, clash), "is listed as genuine and as impostor")
    if again.any():
        logging.getLogger(__name__).warning("%s lists %d pairs again; they count again.", path, again.sum())
    return genuine


def _label(value: object) -> bool | None:
    text = str(value).strip().lower()
    number = user_tables.as_number(text)
    return _LABELS.get(text if number is None or number % 1 else str(int(number)))
