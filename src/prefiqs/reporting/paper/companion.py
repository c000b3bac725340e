"""A companion of a table: each printed value beside ours with the difference, or in words why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pandas as pd

from prefiqs.reporting.paper.layout import MEAN, in_mean

# a column of the results, what the paper has in it, and what to say where that was not run ({found}: what was)
Condition = tuple[str, Iterable, str]


def unmet(run: list[dict], conditions: Iterable[Condition]) -> str:
    """Say why the results do not hold what the paper did: the first condition that fails, or "" if none does."""
    for column, wanted, sentence in conditions:
        found = dict.fromkeys(result[column] for result in run)
        if not set(wanted) <= set(found):
            return sentence.format(found=", ".join(f"{name}" for name in found))
        run = [result for result in run if result[column] in wanted]
    return ""


def companion(
    printed: pd.DataFrame,
    ours: pd.DataFrame,
    rows: list[str],
    run: pd.DataFrame,
    setting: Callable[[pd.Series, str], list[Condition]],
) -> pd.DataFrame:
    """Put printed values and ours side by side, one row a printed cell.

    printed, ours: wide tables, `rows` the columns that name a row in both. run: the results that ours was made of.
    setting(row, column): what they must hold for a cell of the row to be comparable. Only where they do is our value
    taken, the mean where they do for all that is in it. Returns `rows`, column, printed, ours, difference
    (ours − printed), why (there is none; "" where there is).
    """
    columns = [column for column in printed if column not in [*rows, MEAN]]
    values = {tuple(row[rows]): row for _, row in ours.iterrows()}
    results = run.to_dict("records")
    lines = []
    for _, row in printed.iterrows():
        key = tuple(row[rows])
        reasons = {column: unmet(results, setting(row, column)) for column in columns}
        if MEAN in printed:
            missing = [column for column in in_mean(columns, columns) if reasons[column]]
            reasons[MEAN] = f"the mean needs {', '.join(missing)}" if missing else ""
        for column, reason in reasons.items():
            value = float("nan") if reason else float(values[key][column])
            lines.append((*key, column, row[column], value, value - row[column], reason))
    return pd.DataFrame(lines, columns=[*rows, "column", "printed", "ours", "difference", "why"])
