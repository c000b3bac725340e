"""Fig. 2: where faces of each quality label lie, by drift and by quality."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.scores import Scores
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.density import density_panels
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.numbers import write_numbers
from prefiqs.reporting.tables import Table

EXTERNAL_PANELS = 2  # Fig. 2d and 2e: of that many score files


@dataclass(frozen=True, eq=False)
class DensityStudy:
    """Drift and quality of one benchmark over a quality label, higher = better.

    Attributes:
        figure: one panel a drift or score.
        correlation: Spearman correlation with the label, of "jacobian" and "discrete" (minus the drift) and of PreFIQs
            under the key of its pruned network.
        within_kind: Spearman correlation of PreFIQs with the label among the faces of each kind of degradation; NaN
            where all labels are the same.
        table: the same for readers.
    """

    figure: Figure
    correlation: dict[str, float]
    within_kind: dict[str, float]
    table: Table

    @property
    def numbers(self) -> dict[str, Any]:
        """What prose may quote."""
        return {"spearman_with_label": self.correlation, "within_kind": self.within_kind}

    def write(self, folder: str | Path) -> None:
        """Write density.png, within-kind (CSV, Markdown) and numbers.json."""
        save_figure(self.figure, Path(folder) / "density.png")
        self.table.write(Path(folder) / "within-kind")
        write_numbers(self.numbers, folder)


def density_study(run: Run, benchmark: str, model: str) -> DensityStudy:
    """Put both drifts, PreFIQs, and scores of other tools where there are any, over the quality label."""
    faces, spec, ratio = run.benchmark(benchmark), run.params.usual, run.params.jacobian.ratio
    label, label_name = quality_label(faces)
    drifts = Scores.read(run.layout.derivatives(benchmark, model))
    jacobian = drifts[MethodId.of("jacobian", model, ratio=ratio)]
    discrete = drifts[MethodId.of_spec(model, PruningSpec(ratio))]
    quality = Scores.read(run.layout.scores(benchmark, model))[MethodId.of_spec(model, spec)]

    drawn = {
        f"Jacobian drift, ρ = {ratio:g}": -jacobian,
        f"discrete drift, ρ = {ratio:g}": -discrete,
        f"PreFIQs, ρ = {spec.ratio:g}": quality,
    }
    external = list(run.external_scores(benchmark).items())
    drawn |= {method.label: scores for method, scores in external[:EXTERNAL_PANELS]}
    panels = [dict(x=label, y=y, xlabel=label_name, ylabel=title, title=title) for title, y in drawn.items()]

    ranked = pd.DataFrame({"label": label, "jacobian": jacobian, "discrete": discrete, spec.key: quality})
    correlation = ranked.corr(method="spearman")["label"].drop("label")
    by_kind = ranked[["label", spec.key]].groupby(faces.index["degradation"])
    within = by_kind.corr(method="spearman").xs("label", level=1)[spec.key]
    table = within.dropna().sort_values().rename("Spearman").rename_axis("degradation").reset_index()
    return DensityStudy(
        figure=density_panels(panels),
        correlation=correlation.to_dict(),
        within_kind=within.to_dict(),
        table=Table(table, f"Rank correlation of PreFIQs, {spec.label}, with the label, by kind of degradation"),
    )


def quality_label(faces: Benchmark) -> tuple[np.ndarray, str]:
    """The label of each face, higher = better, and what it is called: the data set's own, else 1 − severity."""
    if "quality" in faces.index:
        return faces.index["quality"].to_numpy(), "quality label"
    return 1 - faces.index["severity"].to_numpy(), "quality label, 1 − severity"
