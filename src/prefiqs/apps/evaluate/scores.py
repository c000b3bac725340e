"""Quality scores as users keep them, one file a method or several.

* text, `PATH SCORE` a line, as CR-FIQA, GraFIQs, ViT-FIQA and `prefiqs score` write it;
* a CSV or Parquet table with the columns name and score, and `method` where it holds several.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.apps.evaluate.names import Names
from prefiqs.apps.evaluate.tables import is_table, name_column, read_user_table, reading_text
from prefiqs.errors import InputError
from prefiqs.io.scores import read_score_file

# An image scored twice on a GPU: the copies differ in the last digits.
ROUNDING = 1e-4


def read_user_scores(
    files: Collection[str], names: Names, used: np.ndarray, lower_is_better: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """Read score files: float64 n by method, higher = better, NaN for images that are not used and have no score.

    Args:
        files: paths, or METHOD=PATH; a file without METHOD is called as its stem, or has a column `method`.
        names: of the n images; lines of others do not matter.
        used: rows of the images that need a score.
        lower_is_better: methods whose scores are negated.

    Raises:
        InputError: another form, a method twice, and for each method: a used image without a finite score, two
            different scores of one image, or equal scores of all.
    """
    found: dict[str, np.ndarray] = {}
    for given in files:
        label, equals, file = given.partition("=")
        path = Path(file if equals else given)
        for method, (listed, values) in _read(path, label if equals else path.stem).items():
            if method in found:
                raise InputError(f"Expected one file of each method, got {method!r} again in {path}; say NAME={path}.")
            found[method] = _aligned(method, path, listed, values, names, used)
    if unknown := sorted(set(lower_is_better) - found.keys()):
        raise InputError(f"Expected methods of the score files ({', '.join(found)}), got {', '.join(unknown)}.")
    return {method: -values if method in lower_is_better else values for method, values in found.items()}


def _read(path: Path, label: str) -> dict[str, tuple[pd.Series, np.ndarray]]:
    if not is_table(path):
        with reading_text(path):
            listed, values = read_score_file(path)
        return {label: (pd.Series(listed, dtype=object), values)}
    table = read_user_table(path)
    key = name_column(table, path)
    if "score" not in table:
        raise InputError(f"Expected a column score in {path}, got {', '.join(map(str, table.columns))}.")
    values = pd.to_numeric(table["score"], errors="coerce").to_numpy(float)
    parts = table.groupby("method", sort=False).indices if "method" in table else {label: np.arange(len(table))}
    return {method: (table[key].iloc[rows], values[rows]) for method, rows in parts.items()}


def _aligned(
    method: str, path: Path, listed: pd.Series, values: np.ndarray, names: Names, used: np.ndarray
) -> np.ndarray:
    """The scores in the order of the images."""
    rows = names.rows(listed)
    known = (rows >= 0) & np.isfinite(values)
    rows, values = rows[known], values[known]
    scores = np.full(len(names), np.nan)
    scores[rows[::-1]] = values[::-1]  # the first score of each image
    far = np.abs(values - scores[rows]) > ROUNDING * np.maximum(np.abs(values), np.abs(scores[rows]))
    if far.any():
        row, other = rows[far][0], values[far][0]
        raise InputError(
            f"Expected one score of {names.all[row]!r} for {method} in {path}, got {scores[row]:.9g} and {other:.9g}."
        )
    lacking = used[~np.isfinite(scores[used])]
    if len(lacking):
        raise InputError(
            f"Expected a finite score of each of {len(used)} images in pairs for {method} in {path}, got none of "
            f"{names.all[lacking[0]]!r} ({len(lacking)} missing); score them, or leave their pairs out."
        )
    if np.ptp(scores[used]) == 0:
        raise InputError(
            f"Expected scores that differ for {method} in {path}, got {scores[used[0]]:.9g} for every image: "
            "nothing can be ranked by them."
        )
    return scores
