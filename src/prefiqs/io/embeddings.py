"""Embeddings as users keep them.

* `.npy`, n×d, with a list of n names beside it: a text file, one a line, or a table with a column `name` (and
  `subject`, where people are known); without a list, images are called 0, 1, 2 …
* a CSV or Parquet table: a column `name`, if need be `subject`, and the vector as one column of lists or as all the
  other columns;
* text, `NAME v1 v2 … vd` a line, as MagFace's tools write it;
* a folder of `NAME.npy`, one vector each, as CR-FIQA's tools write it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.errors import InputError
from prefiqs.io.arrays import read_array
from prefiqs.io.atomic import read_text, require_file
from prefiqs.io.names import ImageNameIndex
from prefiqs.io.tables import complete_column, is_table, location_of_row, names_of, read_text_table, read_user_table


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Embeddings of n images: names, float (n, d), not normalised, and (n,) people, None where they are unknown."""

    names: ImageNameIndex
    vectors: np.ndarray
    subjects: np.ndarray | None = None


def read_embeddings(path: Path, names: Path | None = None) -> Embeddings:
    """Read embeddings in any of the forms above; `names` is for `.npy` only.

    Raises `InputError` for another form, unequal lengths, a name that occurs twice, or a vector that is zero or not
    finite.
    """
    if path.suffix != ".npy" and names is not None:
        raise InputError(f"A list of names belongs to a .npy file, but the embeddings are {path}. Leave {names} out.")
    if path.is_dir():
        found = _from_folder(path)
    else:
        found = _from_array(path, names) if path.suffix == ".npy" else _from_table(path)
    lengths = np.linalg.norm(found.vectors.astype(np.float64), axis=1)
    if len(bad := np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))):
        what = f"The embedding of {found.names.all[bad[0]]!r} in {path} is zero or not finite"
        raise InputError(f"{what} ({len(bad)} such images). Leave these images and their pairs out.")
    return found


def _from_array(path: Path, names: Path | None) -> Embeddings:
    vectors, subjects = _load(path, 2, "one row of floats an image"), None
    if names is None:
        listed = [str(row) for row in range(len(vectors))]
    elif is_table(names):
        table = read_user_table(names)
        listed, subjects = names_of(table, names).tolist(), _subjects(table, names)
    else:
        listed = read_text(names).splitlines()
    if len(listed) != len(vectors):
        raise InputError(f"{path} has {len(vectors)} rows, but {names} has {len(listed)} names.")
    return Embeddings(ImageNameIndex(listed, str(names)), vectors, subjects)


def _from_folder(folder: Path) -> Embeddings:
    files = sorted(folder.glob("*.npy"))
    if not files:
        raise InputError(f"There is no NAME.npy file in {folder}.")
    vectors = [_load(file, 1, "a vector of floats") for file in files]
    for file, vector in zip(files, vectors, strict=True):
        if len(vector) != len(vectors[0]):
            raise InputError(f"{file} holds {len(vector)} numbers, but {files[0].name} holds {len(vectors[0])}.")
    return Embeddings(ImageNameIndex([file.stem for file in files], str(folder)), np.stack(vectors))


def _from_table(path: Path) -> Embeddings:
    table = read_user_table(path) if is_table(path) else _read_lines(path)
    names = names_of(table, path)
    rest = table.drop(columns=[str(names.name), "subject"], errors="ignore")
    if rest.shape[1] == 1 and rest.iloc[:, 0].dtype == object:
        sizes = rest.iloc[:, 0].map(np.size)
        if len(odd := np.flatnonzero(sizes != sizes.mode()[0])):
            row = location_of_row(path, odd[0])
            raise InputError(f"The vector in {row} has {sizes.iloc[odd[0]]} numbers, others have {sizes.mode()[0]}.")
        vectors = np.array(rest.iloc[:, 0].tolist())
    else:
        vectors = rest.to_numpy()
    if not len(table) or not vectors.size or vectors.dtype.kind not in "fiu":
        columns = ", ".join(map(str, rest.columns[:5])) or "none"
        raise InputError(f"{path} has no vector of numbers in each row; its other columns are {columns}.")
    return Embeddings(ImageNameIndex(names.tolist(), str(path)), vectors.astype(float), _subjects(table, path))


def _read_lines(path: Path) -> pd.DataFrame:
    """Lines `NAME v1 v2 …`, all with as many numbers as the first."""
    require_file(path)
    with path.open(encoding="utf-8", errors="replace") as lines:
        size = len(lines.readline().split()) - 1
    if size < 1:
        raise InputError(f"Line 1 of {path} is not of the form `NAME v1 v2 …`.")
    return read_text_table(path, {"name": "str"} | {f"v{i}": "float64" for i in range(1, size + 1)})


def _subjects(table: pd.DataFrame, path: Path) -> np.ndarray | None:
    return complete_column(table, "subject", path).to_numpy() if "subject" in table else None


def _load(path: Path, ndim: int, what: str) -> np.ndarray:
    require_file(path)
    array = read_array(path)
    if array.ndim != ndim or array.dtype.kind != "f":
        raise InputError(f"{path} holds {array.dtype} of shape {array.shape}, not {what}.")
    return array
