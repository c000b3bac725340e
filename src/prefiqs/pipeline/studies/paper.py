"""Tables 1 to 5 and Fig. 3 in the paper's layout, from the results of this run."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from prefiqs.io.tables import read_table
from prefiqs.pipeline.run import Run
from prefiqs.reporting.figures.curves import edc_grid
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.paper.printed import Results, paper_name
from prefiqs.reporting.paper.tables import COMPANION, paper_tables, write_paper_tables
from prefiqs.reporting.tables import Table


@dataclass(frozen=True, eq=False)
class PaperStudy:
    """The paper's tables and Fig. 3 of a run.

    Attributes:
        tables: by the names of their files, as `paper_tables` returns them.
        grids: Fig. 3 by quality estimator.
    """

    tables: dict[str, Table]
    grids: dict[str, Figure]

    @property
    def comparable(self) -> pd.DataFrame:
        """One row a printed table: printed numbers, how many of them can be compared, and why most others cannot."""
        rows = []
        for name, cells in self.tables[COMPANION].frame.groupby("table", sort=True):
            missing = cells.loc[cells["ours"].isna(), "why"].value_counts()
            reason = missing.index[0] if len(missing) else ""
            rows.append((name, len(cells), int(cells["ours"].notna().sum()), reason))
        return pd.DataFrame(rows, columns=["table", "printed", "comparable", "reason"])

    def write(self, folder: str | Path) -> None:
        """Write all tables (CSV, Markdown; LaTeX of the paper's five) and edc-grid-ESTIMATOR.png."""
        write_paper_tables(self.tables, folder)
        for model, figure in self.grids.items():
            save_figure(figure, Path(folder) / f"edc-grid-{model}.png")


def paper_study(run: Run) -> PaperStudy:
    """Collect areas, drifts, accuracies and costs of this run's stages, and set them as the paper does."""
    params = run.params
    costs = read_table(run.layout.results("cost") / "costs.csv").to_dict("records")
    reason = params.report.not_comparable
    if params.align.people and not reason:
        reason = "only some people of each benchmark were used"
    printed = run.layout.data / "paper"
    tables = paper_tables(_results(run), costs, printed, params.report.gallery_ratio, reason)
    return PaperStudy(tables, {model: _grid(run, model) for model in params.models.quality})


def _results(run: Run) -> Results:
    params = run.params
    return Results(
        _collected(run, "edc", "areas.csv", params.benchmarks.paired),
        _collected(run, "jacobian", "drifts.csv", params.jacobian.benchmarks),
        _collected(run, "verification", "table4.csv", params.verification.benchmarks),
    )


def _collected(run: Run, stage: str, name: str, benchmarks: Iterable[str]) -> pd.DataFrame:
    """A table of a stage, of all benchmarks and quality estimators, with the columns benchmark and estimator."""
    parts = []
    for benchmark, model in product(benchmarks, run.params.models.quality):
        table = read_table(run.layout.results(stage, benchmark, model) / name)
        parts.append(table.assign(benchmark=paper_name(benchmark), estimator=model))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["benchmark", "estimator"])


def _grid(run: Run, model: str) -> Figure:
    """Fig. 3: PreFIQs, the norm and every other method, by verifier and benchmark."""
    edc = run.params.edc
    curves, chance = (
        pd.concat(
            [
                read_table(run.layout.results("edc", benchmark, model) / name).assign(benchmark=benchmark)
                for benchmark in run.params.benchmarks.paired
            ],
            ignore_index=True,
        )
        for name in ("edc.csv", "random-edc.csv")
    )
    usual = run.params.usual
    ours = (curves["method"] == "prefiqs") & (curves["granularity"] == usual.granularity)
    ours &= (curves["criterion"] == usual.criterion) & (curves["ratio"] == usual.ratio)
    pruned = (curves["method"] == "prefiqs") & curves["granularity"].notna()
    drawn = curves[(ours | ~pruned) & (curves["supervision"] != "oracle")]
    chance = chance[chance["fmr"] == edc.fmr[0]]
    title = f"FNMR at FMR {edc.fmr[0]:g}, quality estimated by {model}"
    return edc_grid(drawn, chance, curves.loc[ours, "key"].iloc[0], edc.fmr[0], edc.limit, title)
