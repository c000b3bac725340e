"""What the five tables share: the columns of the benchmarks, their mean, the marks, and the files of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import pandas as pd

from prefiqs.reporting.cells import Layout
from prefiqs.reporting.tables import write_table_files

NOT_IN_MEAN = "XQLFW"  # its labels came from SER-FIQ, one of the methods compared
MEAN = "mean"
METHODS = "Methods"
OTHERS = "not in the paper's table"


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper with this run's numbers; `write` makes its files NAME.csv, .md and .tex."""

    name: str
    caption: str
    table: pd.DataFrame
    notes: str = ""
    best: Mapping[str, str] = field(default_factory=dict)
    digits: int = 3
    layout: Layout = field(default_factory=Layout)

    def write(self, folder: str | Path) -> pd.DataFrame:
        """Write the files into `folder` and return the table as printed."""
        table = self.table if METHODS in self.table else self.table.rename(columns={"row": METHODS})
        return write_table_files(
            table, self.name, folder, self.caption, self.best, self.digits, self.notes, self.layout
        )


def pivot_benchmarks(
    values: pd.DataFrame, value: str, rows: list[str], benchmarks: Iterable[str], each: int = 1
) -> tuple[pd.DataFrame, Layout]:
    """Set long results side by side, one column a benchmark.

    values: one row a number. rows: the columns that name a row. each: how many numbers (verifiers) make a cell, which
    is their mean; a cell that has not so many is missing. Returns `rows`, the paper's `benchmarks` in this order, MEAN,
    and the benchmarks that the paper lacks, under a header of their own; NAME_low and NAME_high beside a pAUC that has
    them and is no mean. MEAN is over the paper's benchmarks that were run, without XQLFW; a row that lacks one of these
    has none.
    """
    benchmarks = list(benchmarks)
    cells = _pivot(values, value, rows, each)
    own = [name for name in cells if name not in benchmarks]
    part = in_mean(cells, benchmarks)
    wide = cells.reindex(columns=[*benchmarks, MEAN, *own]).astype(float)
    wide[MEAN] = wide[part].mean(axis=1, skipna=False) if part else float("nan")
    layout = Layout(spans=dict.fromkeys(own, OTHERS))
    if value == "pauc" and each == 1 and "pauc_low" in values:
        bounds = {end: _pivot(values, f"pauc_{end}", rows, each) for end in ("low", "high")}
        layout = replace(layout, intervals=tuple(bounds["low"]))
        for name, end in product(layout.intervals, ("high", "low")):
            wide.insert(wide.columns.get_loc(name) + 1, f"{name}_{end}", bounds[end][name])
    return wide.rename_axis(columns=None).reset_index(), layout


def _pivot(values: pd.DataFrame, value: str, rows: list[str], each: int) -> pd.DataFrame:
    cells = values.groupby([*rows, "benchmark"], sort=False)[value].agg(["mean", "count"])
    return cells["mean"].where(cells["count"] == each).unstack("benchmark", sort=False).dropna(axis=1, how="all")


def marks(table: pd.DataFrame, layout: Layout, first: str, direction: str) -> dict[str, str]:
    """Which columns are ranked: all numbers from the column `first` on, limits of intervals aside."""
    columns = list(table)
    return dict.fromkeys(layout.shown(columns[columns.index(first) :]), direction)


def in_mean(found: Iterable[str], benchmarks: Iterable[str]) -> list[str]:
    """Those of the paper's benchmarks that were found and count in the mean."""
    return [name for name in benchmarks if name in set(found) and name != NOT_IN_MEAN]


def mean_note(table: pd.DataFrame, benchmarks: Iterable[str]) -> str:
    """Say over which benchmarks the mean is."""
    benchmarks = list(benchmarks)
    complete = [name for name in benchmarks if name != NOT_IN_MEAN]
    part = in_mean([name for name in benchmarks if table[name].notna().any()], benchmarks)
    left_out = f" ({NOT_IN_MEAN} left out: its labels came from SER-FIQ)" if NOT_IN_MEAN in benchmarks else ""
    if not part:
        return "No mean: none of the paper's benchmarks that count in it was run."
    if part == complete:
        return f"Mean over {', '.join(part)}{left_out}."
    return (
        f"Mean over {', '.join(part)} alone, {len(part)} of the paper's {len(complete)} benchmarks{left_out}: "
        "not to be compared with the printed mean."
    )
