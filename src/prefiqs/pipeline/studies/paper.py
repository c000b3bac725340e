"""Tables 1 to 5 and Fig. 3 in the paper's layout, from the results of this run."""

from collections.abc import Iterable
from itertools import product
from pathlib import Path

import pandas as pd

from prefiqs.io.tables import read_parquet, read_table
from prefiqs.pipeline.identity import MethodId, short_label
from prefiqs.pipeline.run import Run
from prefiqs.reporting.figures.curves import edc_grid
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.paper.printed import Results, comparable, paper_name
from prefiqs.reporting.paper.tables import COMPANION, paper_tables, write_paper_tables
from prefiqs.reporting.study import Figure, Study, Table
from prefiqs.reporting.tables import marked


class PaperStudy(Study):
    """The paper's tables of a run, by the names of their files, and Fig. 3 by quality estimator."""

    tables: dict[str, Table]
    grids: dict[str, Figure]

    @property
    def comparable(self) -> pd.DataFrame:
        """As `comparable`, of this run."""
        return comparable(self.tables[COMPANION].frame)

    @property
    def findings(self) -> list[str]:
        """How many of the printed numbers can be compared, and why others cannot, in sentences."""
        found = self.comparable
        sentences = [
            f"{found['comparable'].sum()} of {found['printed'].sum()} printed numbers can be compared with ours."
        ]
        for row in found.itertuples():
            reason = f" Most frequent reason: {row.reason}." if row.reason else ""
            sentences.append(f"{row.table}: {row.comparable} of {row.printed}.{reason}")
        return sentences

    def write(self, folder: str | Path) -> None:
        """Write all tables (CSV, Markdown; LaTeX of the paper's five) and edc-grid-ESTIMATOR.png."""
        write_paper_tables(self.tables, folder)
        for model, figure in self.grids.items():
            save_figure(figure, Path(folder) / f"edc-grid-{model}.png")


def paper_study(run: Run) -> PaperStudy:
    """Collect areas, drifts, accuracies and costs of this run's stages, and set them as the paper does."""
    params, paired = run.params, run.params.benchmarks.paired
    results = (
        collected(run, "edc", "areas.csv", params.benchmarks.pair_lists),
        collected(run, "jacobian", "drifts.csv", params.jacobian.benchmarks),
        collected(run, "verification", "table4.csv", params.verification.benchmarks),
    )
    costs = read_table(run.layout.results("cost") / "costs.csv").to_dict("records")
    reason = params.report.not_comparable
    if params.align.people and not reason:
        reason = "only some people of each benchmark were used"
    tables = paper_tables(
        Results(*(table.assign(benchmark=table["benchmark"].map(paper_name)) for table in results)),
        costs,
        run.layout.data / "paper",
        params.report.gallery_ratio,
        reason,
    )
    curves, chance = (collected(run, "edc", name, paired) for name in ("edc.parquet", "random-edc.csv"))
    return PaperStudy(tables, {model: _grid(run, model, curves, chance) for model in params.models.quality})


def collected(run: Run, stage: str, name: str, benchmarks: Iterable[str]) -> pd.DataFrame:
    """A table of a stage, of all benchmarks and quality estimators, with the columns benchmark and estimator."""
    read = read_parquet if name.endswith(".parquet") else read_table
    parts = [
        read(run.layout.results(stage, benchmark, model) / name).assign(benchmark=benchmark, estimator=model)
        for benchmark, model in product(benchmarks, run.params.models.quality)
    ]
    nothing = pd.DataFrame(columns=["benchmark", "estimator", "fmr", "threshold"])
    return pd.concat(parts, ignore_index=True) if parts else nothing


def _grid(run: Run, model: str, curves: pd.DataFrame, chance: pd.DataFrame) -> Figure:
    """Fig. 3: PreFIQs, the norm and every other method, by verifier and benchmark."""
    edc, ours = run.params.edc, MethodId.of_spec(model, run.params.usual).key
    curves, chance = curves[curves["estimator"] == model], chance[chance["estimator"] == model]
    pruned = (curves["method"] == "prefiqs") & curves["granularity"].notna()
    drawn = curves[((curves["key"] == ours) | ~pruned) & (curves["supervision"] != "oracle")]
    drawn = drawn.assign(trained_on=drawn.groupby("key")["trained_on"].transform("any"))  # on one of the benchmarks
    drawn = drawn.assign(label=drawn["label"].mask(drawn["key"] == ours, short_label(run.params.usual)))
    return edc_grid(
        drawn.assign(label=marked(drawn)), chance, edc.fmr[0], edc.limit, f"Quality from {model}, FMR {edc.fmr[0]:g}"
    )
