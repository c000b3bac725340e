"""Embeddings as users keep them.

* `.npy`, n×d, with a list of names (and people) beside it, or `.npz` with names; else images are called 0, 1, 2 …
* a table (see `user_tables`), such as the shards of `prefiqs embed-dataset`: names, if need be `subject`, and the
  vector, as a column of lists or of their text `[0.1, …]`, or as numbered columns; other columns are passed over;
* text, `NAME v1 v2 … vd` a line, as MagFace's tools write it, or a folder of `NAME.npy`, as CR-FIQA's tools do.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.errors import InputError
from prefiqs.io import user_tables
from prefiqs.io.arrays import read_array, read_arrays
from prefiqs.io.atomic import require_file
from prefiqs.io.names import ImageNameIndex
from prefiqs.io.scores import failures, largest_faces

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

    An image that could not be embedded (a failure to acquire: its `status` is not "ok") has a row of NaN. Raises
    `InputError` for another form, unequal lengths, a name that occurs twice, or any other vector that is zero or not
    finite.
    """
    if is_array(path):
        found = _from_array(path, names)
    elif isinstance(names, Path):
        raise InputError(f"A list of names belongs to a .npy file, but the embeddings are {path}. Leave {names} out.")
    elif path.is_dir() and not user_tables.is_parquet(path):
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
        arrays = read_arrays(path)
        tables = [array for array in arrays.values() if array.ndim == 2 and array.dtype.kind == "f"]
        texts = [array.tolist() for array in arrays.values() if array.ndim == 1 and array.dtype.kind == "U"]
        if len(tables) != 1 or len(texts) > 1:
            held = ", ".join(f"{name} ({array.dtype} {array.shape})" for name, array in arrays.items())
            raise InputError(f"{path} must contain one array of floats, n×d, and at most one of names; it has {held}.")
        vectors, own = tables[0], texts[0] if texts else None
    else:
        vectors = _checked(read_array(path), 2, path, "one row of floats an image")
    if isinstance(names, Path):
        table, source = user_tables.read_user_table(names), names
        listed, subjects = user_tables.names_of(table, names).tolist(), _subjects(table, names)
    else:
        listed = list(names or own or map(str, range(len(vectors))))
    if len(listed) != len(vectors):
        raise InputError(f"{path} has {len(vectors)} rows, but {source} has {len(listed)} names.")
    return Embeddings(ImageNameIndex(listed, str(source)), vectors, subjects)


def _from_folder(folder: Path) -> Embeddings:
    files = sorted(file for file in folder.rglob("*.npy") if not file.name.startswith("."))
    if not files:
        raise InputError(f"There is no NAME.npy file in {folder}.")
    vectors = []
    for file in files:
        array = read_array(file)
        one_row = array.ndim > 1 and array.shape[:-1] == (1,) * (array.ndim - 1)
        vectors.append(_checked(array.ravel() if one_row else array, 1, file, "a vector of floats"))
        if len(vectors[-1]) != len(vectors[0]):
            raise InputError(f"{file} contains {len(vectors[-1])} numbers, but {files[0].name} has {len(vectors[0])}.")
    names = [file.relative_to(folder).with_suffix("").as_posix() for file in files]
    return Embeddings(ImageNameIndex(names, str(folder)), np.stack(vectors))


def _from_table(path: Path) -> Embeddings:
    table = largest_faces(user_tables.read_user_table(path, {"name": "str"}, vector=True))
    names = user_tables.names_of(table, path)
    people = user_tables.find_column(table, "subject")
    rest = table.drop(columns=[str(names.name), *[people] * (people is not None)])
    lists = [column for column in rest if _parsed(next(iter(rest[column].dropna()), None)) is not None]
    named = [column for column in lists if column.lower() in _LIST_NAMES]
    lists, families = (named, {}) if len(named) == 1 else (lists, _families(rest))
    if len(lists) + len(families) != 1:
        columns = ", ".join(map(str, rest.columns[:5])) or "none"
        several = ", ".join([*lists, *(f"{family}…" for family in families)])
        what = f"several columns that may be the vector: {several}" if several else "no vector of numbers in each row"
        raise InputError(f"{path} has {what}; its other columns are {columns}. One column of lists, or one family of "
                         "numbered columns (e0, e1 …) is needed.")  # fmt: skip
    used, failed = lists or next(iter(families.values())), failures(table)
    if failed.size and failed.all():
        raise InputError(f'{path} has no embedding at all: the status of no image is "ok".')
    if lists:
        vectors = _from_lists(rest[lists[0]], failed, path)
    else:
        vectors = np.column_stack([user_tables.number_column(rest, column, path) for column in used])
    if not user_tables.has_header(table, path):
        _refuse_labels(vectors, path)
    vectors[failed] = np.nan
    others = [column for column in rest if column not in used]
    if others and "settings" not in rest:
        logging.getLogger(__name__).warning(
            "The vector in %s is %s to %s (%d numbers); not part of it: %s.", path, used[0], used[-1],
            vectors.shape[1], ", ".join(others),
        )  # fmt: skip
    return Embeddings(ImageNameIndex(names.tolist(), str(path)), vectors, _subjects(table, path))


def _families(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns of numbers that are called alike but for their numbers, in the order of these."""
    found: dict[str, dict[int, str]] = {}
    for column in table:
        if match := re.fullmatch(r"(?!Unnamed: )(.*?)(\d+)", column):
            other = found.setdefault(match[1], {}).setdefault(int(match[2]), column)
            if other != column:
                raise InputError(f"Two columns have the same number: {other} and {column}.")
    families = {family: dict(sorted(numbered.items())) for family, numbered in found.items() if len(numbered) > 1}
    for family, numbered in families.items():
        if absent := set(range(1, max(numbered))) - numbered.keys():
            raise InputError(f"There is no column {family}{min(absent)}, although there is {family}{max(numbered)}.")
    return {family: [*numbered.values()] for family, numbered in families.items()}


def _refuse_labels(vectors: np.ndarray, path: Path) -> None:
    """A column of labels would change every cosine; one of zeros, as a dead unit has it, changes none."""
    whole = np.array([(column % 1 == 0).all() for column in vectors.T])
    if not whole.all() and len(labels := np.flatnonzero(whole & vectors.any(axis=0))):
        raise InputError(
            f"Column {labels[0] + 2} of {path} has whole numbers only, unlike others: it seems to be a label, "
            "not part of the vector. Add a header, such as `name label v1 v2 …`, or leave the column out."
        )


def _from_lists(column: pd.Series, failed: np.ndarray, path: Path) -> np.ndarray:
    parsed = [None if bad else _parsed(value) for value, bad in zip(column, failed, strict=True)]
    sizes = np.array([-1 if value is None else value.size for value in parsed])
    usual = np.bincount(sizes[sizes >= 0]).argmax()
    if len(odd := np.flatnonzero((sizes != usual) & ~failed)):
        row = user_tables.location_of_row(column.to_frame(), int(odd[0]), path)
        size = sizes[odd[0]]
        found = f"has {size} numbers, others have {usual}" if size >= 0 else "is not a list of numbers"
        raise InputError(f"The vector in {row} {found}.")
    vectors = np.stack([np.full(usual, np.nan, np.float32) if value is None else value for value in parsed])
    return vectors.astype(np.result_type(vectors, np.float32), copy=False)


def _parsed(value: object) -> np.ndarray | None:
    """The numbers of a list, or of its text; None for anything else."""
    if isinstance(value, str):
        return np.array(re.findall(_NUMBER, value), float) if _LIST.fullmatch(value) else None
    if not isinstance(value, list | tuple | np.ndarray):
        return None
    array = np.asarray(value)
    if array.dtype == object and array.size:  # nested: one row of numbers
        array = np.asarray(array.tolist())
    return array.ravel() if array.dtype.kind in "fiu" else None


def _subjects(table: pd.DataFrame, path: Path) -> np.ndarray | None:
    column = user_tables.find_column(table, "subject")
    return None if column is None else user_tables.complete_column(table, column, path).to_numpy()


def _checked(array: np.ndarray, ndim: int, path: Path, what: str) -> np.ndarray:
    if array.ndim != ndim or array.dtype.kind != "f":
        raise InputError(f"{path} contains {array.dtype} of shape {array.shape}, not {what}.")
    return array
