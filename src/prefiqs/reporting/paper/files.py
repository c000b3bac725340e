"""All tables of a run and their companions as files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import pandas as pd

from prefiqs.reporting.paper import printed as beside
from prefiqs.reporting.paper.comparison import PAPER_RATIO, comparison_table, measured_overview, overview
from prefiqs.reporting.paper.layout import PaperTable
from prefiqs.reporting.paper.pruning import accuracy_table, drift_table, pruning_table
from prefiqs.reporting.paper.results import Results
from prefiqs.reporting.tables import write_table_files

PRINTED = Path("data/paper")


def write_paper_tables(
    results: Results,
    passes: Mapping[str, tuple[int, int]],
    folder: str | Path,
    ratio: float = PAPER_RATIO,
    printed: str | Path = PRINTED,
    apart: str = "",
    known: Mapping[str, str] | None = None,
    costs: Mapping[str, Mapping] | None = None,
) -> dict[str, pd.DataFrame]:
    """Write Tables 1 to 5 and their companions into `folder`; return them as printed, by the name of their files.

    One table for each quality estimator, FMR, threshold convention and, of Tables 3 and 5, area (pAUC, AUC) that was
    run; those of the paper's main text are called `paper-tableN-ESTIMATOR`. A table without a row is left out. The
    companions are `paper-tableN-companion`, CSV and Markdown.

    results: what `collect` gave. passes: method -> forward and backward passes an image, of Table 1. ratio: the one of
    PreFIQs in Table 5. printed: the folder of the printed tables. apart: why no result of this run is to be compared
    with the paper, if so: weights that are not trained, a part of the people. known: name -> method, of the compared
    methods that the run made itself. costs: of these, for Table 1 of this run, as for `measured_overview`.
    """
    tables = [overview(printed), measured_overview(costs or {}, passes, printed)]
    tables += _tables(results, ratio, printed, known)
    shown = {table.name: table.write(folder) for table in tables if len(table.table)}
    makers = [
        beside.drift_companion,
        beside.pruning_companion,
        beside.accuracy_companion,
        beside.comparison_companion,
    ]
    if apart:
        none = Results(results.areas[:0], results.drifts[:0], results.accuracy[:0])
        companions = [make(none, printed).assign(why=apart) for make in makers]
    else:
        companions = [make(results, printed) for make in makers]
    companions.insert(0, beside.overview_companion(passes, printed))
    for number, companion in enumerate(companions, 1):
        shown[f"paper-table{number}-companion"] = _write_companion(companion, number, folder)
    return shown


def _tables(
    results: Results, ratio: float, printed: str | Path, known: Mapping[str, str] | None
) -> Iterator[PaperTable]:
    setting = ["quality", "fmr", "threshold"]
    for quality, fmr, threshold in results.drifts[setting].drop_duplicates().itertuples(index=False):
        yield drift_table(results, quality, fmr, threshold)
    for quality in results.accuracy["quality"].unique():
        yield accuracy_table(results, quality)
    for run, area in product(results.areas[setting].drop_duplicates().itertuples(index=False), ("pauc", "auc")):
        yield pruning_table(results, run.quality, run.fmr, run.threshold, area)
        yield comparison_table(results, printed, run.quality, ratio, run.fmr, run.threshold, area, known)


def _write_companion(table: pd.DataFrame, number: int, folder: str | Path) -> pd.DataFrame:
    compared = int(table["ours"].notna().sum())
    caption = f"Table {number} as printed, beside ours: {compared} of {len(table)} cells can be compared"
    digits = {1: 0, 4: 2}.get(number, 3)
    shown = {column: digits for column in ("printed", "ours", "difference")}
    name = f"paper-table{number}-companion"
    return write_table_files(table, name, folder, caption, digits=shown, latex=False)
