"""Pair lists as users keep them.

* text, `NAME NAME 1` for a genuine and `NAME NAME 0` for an impostor pair, as CR-FIQA's tools read it;
* a CSV or Parquet table with the columns left, right, genuine; whole numbers in Parquet are rows of the embeddings.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.apps.evaluate.names import Names
from prefiqs.apps.evaluate.tables import is_table, place, read_user_table
from prefiqs.errors import InputError
from prefiqs.io.text_table import read_text_table

COLUMNS = {"left": "str", "right": "str", "genuine": "int32"}


def read_pairs(path: Path, names: Names) -> tuple[np.ndarray, np.ndarray]:
    """Read a pair list: int64 P×2, rows of the embeddings, and bool P, whether a pair is genuine.

    Raises:
        InputError: an unknown image, a label other than 0 and 1, or no pair of one of both kinds.
    """
    table = read_user_table(path) if is_table(path) else read_text_table(path, COLUMNS)
    if absent := [column for column in COLUMNS if column not in table]:
        raise InputError(f"Expected columns left, right, genuine in {path}, got no {', '.join(absent)}.")
    wrong = ~table["genuine"].isin((0, 1)).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"Expected 1 (genuine) or 0 (impostor) in {place(path, row)}, got {table['genuine'].iloc[row]}."
        )
    pairs = np.column_stack([_rows(table[side], names) for side in ("left", "right")])
    if (unknown := pairs < 0).any():
        row = int(unknown.any(axis=1).argmax())
        raise InputError(
            f"Expected pairs of the {len(names)} embedded images, got {_first(table, unknown, row)} in "
            f"{place(path, row)} ({int(unknown.any(axis=1).sum())} such pairs)."
        )
    genuine = table["genuine"].to_numpy(bool)
    if not 0 < genuine.sum() < len(genuine):
        raise InputError(
            f"Expected genuine and impostor pairs in {path}, got {int(genuine.sum())} and {int((~genuine).sum())}."
        )
    return pairs, genuine


def _rows(side: pd.Series, names: Names) -> np.ndarray:
    if not pd.api.types.is_integer_dtype(side):
        return names.rows(side)
    return np.where((side >= 0) & (side < len(names)), side, -1).astype(np.int64)


def _first(table: pd.DataFrame, unknown: np.ndarray, row: int) -> object:
    return table["left" if unknown[row, 0] else "right"].iloc[row]
