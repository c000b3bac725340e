"""Pair lists as users keep them.

* text, `NAME NAME 1` for a genuine and `NAME NAME 0` for an impostor pair, as CR-FIQA's tools read it;
* a CSV or Parquet table with the columns left, right, genuine; whole numbers in Parquet are rows of the images.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.errors import InputError
from prefiqs.io.names import ImageNameIndex
from prefiqs.io.tables import is_table, location_of_row, read_text_table, read_user_table

_SIDES = ["left", "right"]
_COLUMNS = {"left": "str", "right": "str", "genuine": "int32"}


def read_pairs(path: Path, images: ImageNameIndex) -> tuple[np.ndarray, np.ndarray]:
    """Read a pair list: int64 (P, 2), rows of the images, and bool (P,), whether a pair is genuine.

    Raises:
        InputError: an unknown image, a label other than 0 and 1, or no pair of one of both kinds.
    """
    table = read_user_table(path) if is_table(path) else read_text_table(path, _COLUMNS)
    if absent := [column for column in _COLUMNS if column not in table]:
        raise InputError(f"{path} has no column {', '.join(absent)}; left, right and genuine are needed.")
    wrong = ~table["genuine"].isin((0, 1)).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        label, where = table["genuine"].iloc[row], location_of_row(path, row)
        raise InputError(f"The label in {where} is {label}, but must be 1 (genuine) or 0 (impostor).")
    pairs = np.column_stack([_rows(table[side], images) for side in _SIDES])
    if len(unknown := np.argwhere(pairs < 0)):
        row, side = unknown[0]
        what = f"The image {table[_SIDES[side]].iloc[row]} in {location_of_row(path, row)}"
        raise InputError(f"{what} is not one of the {len(images)} known ones ({len(set(unknown[:, 0]))} such pairs).")
    genuine = table["genuine"].to_numpy(bool)
    if not 0 < genuine.sum() < len(genuine):
        counts = f"{genuine.sum()} genuine and {(~genuine).sum()} impostor pairs"
        raise InputError(f"{path} has {counts}; both kinds are needed.")
    return pairs, genuine


def _rows(side: pd.Series, images: ImageNameIndex) -> np.ndarray:
    if not pd.api.types.is_integer_dtype(side):
        return images.rows(side)
    return np.where((side >= 0) & (side < len(images)), side, -1).astype(np.int64)
