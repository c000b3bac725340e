"""Embeddings as users keep them.

* `.npy`, n×d, with a list of n names beside it: a text file, one a line, or a table with a column for names (and
  `subject`, where people are known); without a list, images are called 0, 1, 2 …
* `.npz` with one such array, and the names as an array of text;
* a table (see `user_tables`) with a column for names, if need be `subject`, and the vector: one column of lists, or of
  their text `[0.1, …]`, or columns that are numbered, such as e0, e1 …; other columns are passed over;
* a shard folder of `prefiqs embed-dataset`, whose photos without a face have NaN;
* text, `NAME v1 v2 … vd` a line, as MagFace's tools write it;
* a folder of `NAME.npy`, one vector each, as CR-FIQA's tools write it.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.errors import InputError
from prefiqs.io.arrays import read_array, read_arrays
from prefiqs.io.atomic import require_file
from prefiqs.io.names import ImageNameIndex
from prefiqs.io.scores import largest_faces
from prefiqs.io.user_tables import (
    complete_column,
    find_column,
    is_parquet,
    location_of_row,
    names_of,
    number_column,
    read_user_table,
)

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_LIST = re.compile(rf"\s*[\[(]{{1,2}}\s*{_NUMBER}(?:[\s,;]+{_NUMBER})*[\s,]*[\])]{{1,2}}\s*|{_NUMBER}(?: +{_NUMBER})+")
_LIST_NAMES = ("embedding", "embeddings", "feature", "features", "vector")


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Embeddings of n images: names, float (n, d), not normalised, and (n,) people, None where they are unknown."""

    names: ImageNameIndex
    vectors: np.ndarray
    subjects: np.ndarray | None = None


def read_embeddings(path: Path, names: Path | Sequence[str] | None = None) -> Embeddings:
    """Read embeddings in any of the forms above; `names`, or the file that lists them, is for arrays only.

    An image that could not be embedded (a failure to acquire) has a row of NaN.

    Raises `InputError` for another form, unequal lengths, a name that occurs twice, or any other vector that is zero or
    not finite.
    """
    if is_array(path):
        found = _from_array(path, names)
    elif isinstance(names, Path):
        raise InputError(f"A list of names belongs to a .npy file, but the embeddings are {path}. Leave {names} out.")
    elif path.is_dir() and not is_parquet(path):
        found = _from_folder(path)
    else:
        found = _from_table(path)
    squares = np.einsum("nd,nd->n", found.vectors, found.vectors, dtype=np.float64)
    unusable = np.flatnonzero(~(np.isfinite(squares) & (squares > 0)))
    if bad := [row for row in unusable if not np.isnan(found.vectors[row]).all()]:
        what = f"The embedding of {found.names.all[bad[0]]!r} in {path} is zero or not finite"
        raise InputError(
            f"{what} ({len(bad)} such images). Fill its row with NaN if the face "
            "could not be embedded, or leave these images and their pairs out."
        )
    return found


def is_array(path: Path) -> bool:
    """Whether embeddings are an array, which needs a list of names beside it."""
    return path.suffix.lower() in (".npy", ".npz") and not path.is_dir()


def _from_array(path: Path, names: Path | Sequence[str] | None) -> Embeddings:
    own, subjects, source = None, None, path
    require_file(path)
    if path.suffix.lower() == ".npz":
        vectors, own = _from_archive(path)
    else:
        vectors = _checked(read_array(path), 2, path, "one row of floats an image")
    if isinstance(names, Path):
        table, source = read_user_table(names), names
        listed, subjects = names_of(table, names).tolist(), _subjects(table, names)
    else:
        listed = list(names or own or map(str, range(len(vectors))))
    if len(listed) != len(vectors):
        raise InputError(f"{path} has {len(vectors)} rows, but {source} has {len(listed)} names.")
    return Embeddings(ImageNameIndex(listed, str(source)), vectors, subjects)


def _from_archive(path: Path) -> tuple[np.ndarray, list[str] | None]:
    arrays = read_arrays(path)
    vectors = [name for name, array in arrays.items() if array.ndim == 2 and array.dtype.kind == "f"]
    texts = [name for name, array in arrays.items() if array.ndim == 1 and array.dtype.kind == "U"]
    if len(vectors) != 1 or len(texts) > 1:
        held = ", ".join(f"{name} ({array.dtype} {array.shape})" for name, array in arrays.items())
        raise InputError(f"{path} must hold one array of floats, n×d, and at most one of names, but it has {held}.")
    return arrays[vectors[0]], arrays[texts[0]].tolist() if texts else None


def _from_folder(folder: Path) -> Embeddings:
    files = sorted(file for file in folder.rglob("*.npy") if not file.name.startswith("."))
    if not files:
        raise InputError(f"There is no NAME.npy file in {folder}.")
    vectors = [_vector(file) for file in files]
    for file, vector in zip(files, vectors, strict=True):
        if len(vector) != len(vectors[0]):
            raise InputError(f"{file} holds {len(vector)} numbers, but {files[0].name} holds {len(vectors[0])}.")
    names = [file.relative_to(folder).with_suffix("").as_posix() for file in files]
    return Embeddings(ImageNameIndex(names, str(folder)), np.stack(vectors))


def _from_table(path: Path) -> Embeddings:
    table = largest_faces(read_user_table(path, {"name": "str"}, vector=True))
    names = names_of(table, path)
    rest = table.drop(columns=[column for column in (str(names.name), find_column(table, "subject")) if column])
    lists = [column for column in rest if _holds_lists(rest[column])]
    named = [column for column in lists if column.lower() in _LIST_NAMES]
    lists, families = (named, {}) if len(named) == 1 else (lists, _families(rest))
    if len(lists) + len(families) != 1:
        columns = ", ".join(map(str, rest.columns[:5])) or "none"
        several = ", ".join([*lists, *(f"{family}…" for family in families)])
        what = f"several columns that may be the vector: {several}" if several else "no vector of numbers in each row"
        raise InputError(f"{path} has {what}; its other columns are {columns}. One column of lists, or one family of "
                         "numbered columns (e0, e1 …) is needed.")  # fmt: skip
    if lists:
        known, used = rest[lists[0]].notna().to_numpy() | ("status" not in table), lists
        embedded = _from_lists(rest[lists[0]][known], path)
        vectors = np.full((len(rest), embedded.shape[1]), np.nan, np.result_type(embedded, np.float32))
        vectors[known] = embedded
    else:
        used = next(iter(families.values()))
        vectors = np.column_stack([number_column(rest, column, path) for column in used])
    others = [column for column in rest if column not in used]
    if others and "settings" not in rest:
        logging.getLogger(__name__).warning(
            "The vector in %s is %s to %s (%d numbers); not part of it: %s.", path, used[0], used[-1],
            vectors.shape[1], ", ".join(others),
        )  # fmt: skip
    return Embeddings(ImageNameIndex(names.tolist(), str(path)), vectors, _subjects(table, path))


def _holds_lists(column: pd.Series) -> bool:
    values = column.dropna()
    first = values.iloc[0] if len(values) else None
    return isinstance(first, list | tuple | np.ndarray) or isinstance(first, str) and bool(_LIST.fullmatch(first))


def _families(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns of numbers that are called alike but for their numbers, in the order of these."""
    found: dict[str, dict[int, str]] = {}
    for column in table:
        if (match := re.fullmatch(r"(.*?)(\d+)", column)) and not column.startswith("Unnamed: "):
            numbered = found.setdefault(match[1], {})
            if numbered.setdefault(int(match[2]), column) != column:
                raise InputError(f"Two columns have one number: {numbered[int(match[2])]} and {column}.")
    families = {}
    for family, numbered in found.items():
        if len(numbered) > 1:
            absent = set(range(min(1, min(numbered)), max(numbered) + 1)) - numbered.keys() - {0}
            if absent:
                raise InputError(
                    f"There is no column {family}{min(absent)}, although there is {family}{max(numbered)}."
                )
            families[family] = [numbered[number] for number in sorted(numbered)]
    return families


def _from_lists(column: pd.Series, path: Path) -> np.ndarray:
    parsed = [_parsed(value) for value in column]
    sizes = np.array([-1 if value is None else value.size for value in parsed])
    usual = np.bincount(sizes[sizes >= 0]).argmax() if (sizes >= 0).any() else -1
    if len(odd := np.flatnonzero((sizes != usual) | (sizes < 0))):
        row = location_of_row(column.to_frame(), int(odd[0]), path)
        found = f"has {sizes[odd[0]]} numbers, others have {usual}" if sizes[odd[0]] >= 0 else "is no list of numbers"
        raise InputError(f"The vector in {row} {found}.")
    return np.stack([value for value in parsed if value is not None])


def _parsed(value: object) -> np.ndarray | None:
    if isinstance(value, str):
        return np.array(re.findall(_NUMBER, value), float) if _LIST.fullmatch(value) else None
    array = np.asarray(value)
    if array.dtype == object and array.size:  # nested: one row of numbers
        array = np.asarray(array.tolist())
    return array.ravel() if array.dtype.kind in "fiu" else None


def _subjects(table: pd.DataFrame, path: Path) -> np.ndarray | None:
    column = find_column(table, "subject")
    return None if column is None else complete_column(table, column, path).to_numpy()


def _vector(file: Path) -> np.ndarray:
    array = read_array(file)
    flat = array.reshape(-1) if array.ndim and array.shape[:-1] == (1,) * (array.ndim - 1) else array
    return _checked(flat, 1, file, "a vector of floats")


def _checked(array: np.ndarray, ndim: int, path: Path, what: str) -> np.ndarray:
    if array.ndim != ndim or array.dtype.kind != "f":
        raise InputError(f"{path} holds {array.dtype} of shape {array.shape}, not {what}.")
    return array
