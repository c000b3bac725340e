"""Table 4: verification accuracy of every pruned network, by the 10-fold protocol of LFW."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.evaluation.verification import Accuracy, verification_accuracy
from prefiqs.pipeline.run import Run
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.curves import accuracy_by_ratio
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.numbers import write_numbers
from prefiqs.reporting.tables import write_table_files

WITHIN = 1.0  # percentage points below the unpruned network


@dataclass(frozen=True)
class VerificationStudy:
    """Accuracy of a network and its pruned variants on one benchmark.

    Attributes:
        table: granularity, criterion (missing: unpruned), ratio (0: unpruned), accuracy and its standard deviation over
            the folds (%), flip_test.
        pairs, folds: how many of each the protocol uses.
        without_flip_test: accuracy (%) of the unpruned network without the flip test.
        largest_ratio: by strategy, the largest ratio that stays within one point of the unpruned network.
        figure: accuracy over the ratio.
    """

    benchmark: str
    model: str
    table: pd.DataFrame
    pairs: int
    folds: int
    flip_test: bool
    without_flip_test: float
    largest_ratio: pd.Series
    figure: Figure

    @property
    def unpruned(self) -> float:
        """Accuracy of the unpruned network, %."""
        return float(self.table["accuracy"].iloc[0])

    @property
    def numbers(self) -> dict[str, Any]:
        """What prose may quote."""
        return {
            "unpruned": self.unpruned,
            "flip_test": self.flip_test,
            "unpruned_without_flip_test": self.without_flip_test,
            "pairs": self.pairs,
            "largest_ratio_within_one_point": self.largest_ratio.to_dict(),
        }

    def write(self, folder: str | Path) -> None:
        """Write table4 (CSV, Markdown), accuracy.png and numbers.json."""
        caption = (
            f"Verification accuracy (%) of pruned {self.model} on {self.benchmark}: {self.pairs:,} balanced pairs, "
            f"{self.folds} folds, flip test {'on' if self.flip_test else 'off'}"
        )
        write_table_files(self.table, "table4", folder, caption, best={"accuracy": "max"}, digits=2)
        save_figure(self.figure, "accuracy", folder)
        write_numbers("numbers", self.numbers, folder)


def verification_study(run: Run, benchmark: str, model: str) -> VerificationStudy:
    """Verify with the unpruned network and with every pruned network of Table 4."""
    protocol = run.params.verification
    faces = run.benchmark(benchmark)
    flip = benchmark in protocol.flip_test

    def accuracy(spec: PruningSpec | None, views: tuple[bool, ...]) -> Accuracy:
        # The flip test adds the embeddings of a face and of its mirror image.
        embeddings = sum(run.raw_embeddings(benchmark, model, spec, mirrored) for mirrored in views)
        return verification_accuracy(
            np.asarray(embeddings), faces.pairs, faces.genuine, faces.folds, protocol.thresholds
        )

    views = (False, True) if flip else (False,)
    rows: list[dict[str, Any]] = []
    for spec in [None, *protocol.specs(run.params.prune)]:
        found = accuracy(spec, views)
        rows.append({
            "granularity": spec.granularity if spec else None,
            "criterion": spec.criterion if spec else None,
            "ratio": spec.ratio if spec else 0.0,
            "accuracy": 100 * found.mean,
            "std": 100 * found.std,
            "flip_test": flip,
        })  # fmt: skip
    table = pd.DataFrame(rows)
    unpruned, pruned = table.iloc[0], table.iloc[1:].assign(strategy=lambda t: t["granularity"] + " " + t["criterion"])
    kept = pruned[pruned["accuracy"] >= unpruned["accuracy"] - WITHIN]
    return VerificationStudy(
        benchmark,
        model,
        table,
        pairs=int((faces.folds >= 0).sum()),
        folds=int(faces.folds.max()) + 1,
        flip_test=flip,
        without_flip_test=100 * accuracy(None, (False,)).mean,
        largest_ratio=kept.groupby("strategy")["ratio"].max(),
        figure=accuracy_by_ratio(pruned.assign(accuracy=pruned["accuracy"] / 100), unpruned["accuracy"] / 100),
    )
