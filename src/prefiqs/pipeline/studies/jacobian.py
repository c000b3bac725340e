"""Table 2, Fig. 2a and 2b: is drift a derivative?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from prefiqs.evaluation.tables import areas_table
from prefiqs.io.tables import read_parquet, write_table
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.scores import Scores
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.distributions import scatter_agreement
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.numbers import write_numbers
from prefiqs.reporting.tables import Table

TITLES = {"jacobian": "Jacobian drift (eq. 9)", "discrete": "discrete drift (eq. 4)"}


@dataclass(frozen=True, eq=False)
class JacobianStudy:
    """Jacobian and discrete drift of one benchmark side by side.

    Attributes:
        ratio: pruning ratio.
        faces: how many were compared.
        spearman: rank correlation of the two drifts.
        relative_difference: median of |‖J·Δθ‖ − D| / D.
        scatter: one drift against the other.
        drifts: one row a verifier, drift ("jacobian" or "discrete") and FMR: pAUC·10³ of minus the drift as a quality
            measure; empty for a benchmark without pairs.
        table: the same for readers, a column a verifier.
        ablation: for every ratio of the grid, rank correlation and medians of both drifts on a few faces.
        pauc: pAUC·10³ by drift where the estimator verifies, at the first FMR; empty without pairs.
    """

    ratio: float
    faces: int
    spearman: float
    relative_difference: float
    scatter: Figure
    drifts: pd.DataFrame
    table: Table
    ablation: Table
    pauc: dict[str, float]

    @property
    def numbers(self) -> dict[str, Any]:
        """What prose may quote."""
        return {
            "ratio": self.ratio,
            "spearman": self.spearman,
            "median_relative_difference": self.relative_difference,
            **{f"pauc_{drift}": pauc for drift, pauc in self.pauc.items()},
        }

    def write(self, folder: str | Path) -> None:
        """Write drifts.csv, table2 and ablation (CSV, Markdown), scatter.png and numbers.json."""
        write_table(self.drifts, Path(folder) / "drifts.csv")
        self.table.write(Path(folder) / "table2")
        self.ablation.write(Path(folder) / "ablation")
        save_figure(self.scatter, Path(folder) / "scatter.png")
        write_numbers(self.numbers, folder)


def jacobian_study(run: Run, benchmark: str, model: str) -> JacobianStudy:
    """Compare the drifts that the stage `derivatives` computed: value by value, by rank, and as quality measures."""
    folder, ratio = run.layout.derivatives(benchmark, model), run.params.jacobian.ratio
    scores = Scores.read(folder)
    jacobian = -scores[MethodId.of("jacobian", model, ratio=ratio)]
    discrete = -scores[MethodId.of_spec(model, PruningSpec(ratio))]
    faces = run.benchmark(benchmark)

    drifts = _areas(run, benchmark, model, {"jacobian": -jacobian, "discrete": -discrete})
    usual = drifts[(drifts["verifier"] == model) & (drifts["fmr"] == run.params.edc.fmr[0])]
    few = read_parquet(folder / "ablation.parquet", ["ratio", "face", "jacobian", "discrete"])
    labels = f"discrete drift D, ρ = {ratio:g}", "Jacobian drift ‖J·Δθ‖"
    return JacobianStudy(
        ratio=ratio,
        faces=len(jacobian),
        spearman=spearmanr(discrete, jacobian).statistic,
        relative_difference=float(np.median(np.abs(jacobian - discrete) / discrete)),
        scatter=scatter_agreement(discrete, jacobian, *labels),
        drifts=drifts,
        table=_table2(drifts, run.verifiers(model), f"{benchmark}, drift of {model} at ρ = {ratio:g}"),
        ablation=Table(
            _by_ratio(few),
            f"Rank agreement of Jacobian and discrete drift, {few['face'].nunique()} of {len(faces.images):,} images "
            f"of {benchmark}",
        ),
        pauc=usual.set_index("drift")["pauc"].to_dict(),
    )


def _areas(run: Run, benchmark: str, model: str, scores: dict[str, np.ndarray]) -> pd.DataFrame:
    """pAUC·10³ of each score as a quality measure, by verifier and FMR."""
    columns = ["verifier", "drift", "ratio", "fmr", "threshold", "limit", "fnmr", "pauc"]
    if not len(run.benchmark(benchmark).pairs):
        return pd.DataFrame(columns=columns)
    protocol = run.params.edc.protocol
    curves = run.comparison(benchmark, run.verifiers(model), scores).curves(protocol)
    areas = areas_table(curves, protocol.limit).rename(columns={"key": "drift"})
    about = dict(ratio=run.params.jacobian.ratio, threshold=protocol.threshold, limit=protocol.limit)
    return areas.assign(**about)[columns]


def _table2(drifts: pd.DataFrame, verifiers: list[str], title: str) -> Table:
    """One row a FMR and drift, one column a verifier."""
    wide = drifts.pivot(index=["fmr", "drift"], columns="verifier", values="pauc").reset_index()
    wide = wide.sort_values("fmr", ascending=False, kind="stable", ignore_index=True)
    wide["drift"] = wide["drift"].map(TITLES)
    shown = verifiers if len(drifts) else []
    return Table(
        wide[["drift", "fmr", *shown]],
        f"pAUC·10³ on {title}, one column a verifier",
        best=dict.fromkeys(shown, "min"),
        within=dict.fromkeys(shown, ["fmr"]),
        digits=dict.fromkeys(shown, 2),
    )


def _by_ratio(few: pd.DataFrame) -> pd.DataFrame:
    rows = [
        {
            "ratio": ratio,
            "spearman": spearmanr(part["discrete"], part["jacobian"]).statistic,
            "median discrete drift": part["discrete"].median(),
            "median Jacobian drift": part["jacobian"].median(),
        }
        for ratio, part in few.groupby("ratio")
    ]
    return pd.DataFrame(rows)
