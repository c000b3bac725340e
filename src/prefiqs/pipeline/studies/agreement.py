"""How similarly the methods rank the faces of a benchmark."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.io.tables import write_table
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.run import Run
from prefiqs.reporting.figures.methods import method_agreement, rank_correlations
from prefiqs.reporting.figures.style import save_figure

FACES_SHOWN = 20


@dataclass(frozen=True, eq=False)
class AgreementStudy:
    """Rank correlations of PreFIQs, the norm, compared methods and the true severity on one benchmark.

    Attributes:
        correlations: one row a pair of different methods: key, label, other_key, other_label, spearman.
        ranks: the same as a figure.
        faces: what every method says of the same faces, each of another person; None where faces must not be drawn.
    """

    correlations: pd.DataFrame
    ranks: Figure
    faces: Figure | None

    @property
    def most_alike(self) -> pd.Series:
        """The row of `correlations` with the largest correlation."""
        return self.correlations.loc[self.correlations["spearman"].idxmax()]

    @property
    def least_alike(self) -> pd.Series:
        """The row of `correlations` with the smallest correlation."""
        return self.correlations.loc[self.correlations["spearman"].idxmin()]

    def write(self, folder: str | Path) -> None:
        """Write ranks.csv, ranks.png and, where faces may be drawn, faces.png."""
        write_table(self.correlations, Path(folder) / "ranks.csv")
        save_figure(self.ranks, Path(folder) / "ranks.png")
        if self.faces:
            save_figure(self.faces, Path(folder) / "faces.png")


def agreement_study(run: Run, benchmark: str, model: str) -> AgreementStudy:
    """Compare the orders in which the methods put the faces, PreFIQs at its usual ratio alone."""
    faces, scores = run.benchmark(benchmark), run.all_scores(benchmark, model)
    other_specs = [spec for spec in run.params.prune.specs if spec != run.params.usual]
    others = [MethodId.of_spec(model, spec).key for spec in other_specs]
    scores = scores.where(~scores.methods["key"].isin(others))
    table = pd.DataFrame(scores.values)
    correlation = table.corr(method="spearman")
    square = correlation.rename(index=scores.labels, columns=scores.labels)
    return AgreementStudy(
        correlations=_as_pairs(correlation, scores.labels),
        ranks=rank_correlations(square, f"{benchmark}, {len(table):,} faces"),
        faces=_faces(faces, table.rename(columns=scores.labels)) if run.shows_faces_of(benchmark) else None,
    )


def _as_pairs(correlation: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    """One row a pair of methods, in the order of the square table."""
    keys = list(correlation)
    rows = [
        (first, labels[first], second, labels[second], correlation.loc[first, second])
        for position, first in enumerate(keys)
        for second in keys[position + 1 :]
    ]
    return pd.DataFrame(rows, columns=["key", "label", "other_key", "other_label", "spearman"])


def _faces(faces: Benchmark, scores: pd.DataFrame) -> Figure:
    """Faces evenly spread over the mean rank of all methods, and the share of faces that each method scores lower."""
    percentiles = 100 * (scores.rank() - 1) / (len(scores) - 1)
    order = np.argsort(percentiles.mean(axis=1).to_numpy(), kind="stable")
    shown = spread_over_people(order, faces.subjects, FACES_SHOWN)
    about = faces.index.iloc[shown]
    captions = about["degradation"].where(about["degradation"] != "none", about["name"]).tolist()
    return method_agreement([faces.images[row] for row in shown], percentiles.iloc[shown], captions)


def spread_over_people(order: np.ndarray, subjects: np.ndarray, count: int) -> np.ndarray:
    """Rows evenly spread over an order of all rows, each of another person: at most `count`, one a person.

    Where the row at an even step shows a person who was taken before, the nearest one that does not is taken.
    """
    taken: dict[str, int] = {}  # position in the order by person
    for step in np.linspace(0, len(order) - 1, min(count, len(set(subjects)))):
        by_distance = np.argsort(np.abs(np.arange(len(order)) - step), kind="stable")
        position = next(p for p in by_distance if subjects[order[p]] not in taken)
        taken[subjects[order[position]]] = position
    return order[sorted(taken.values())]
