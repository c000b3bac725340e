"""Table 4: verification accuracy of every pruned network, by the 10-fold protocol of LFW."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.errors import InputError
from prefiqs.evaluation.verification import Accuracy, verification_accuracy
from prefiqs.pipeline.run import Run
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.curves import accuracy_by_ratio
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.numbers import write_numbers
from prefiqs.reporting.tables import Table

TOLERATED = 1.0  # percentage points below the unpruned network


@dataclass(frozen=True, eq=False)
class VerificationStudy:
    """Accuracy of a network and of its pruned variants on one benchmark.

    Attributes:
        table: granularity, criterion (missing: unpruned), ratio (0: unpruned), accuracy and std over the folds (%),
            flip_test (in the CSV only).
        figure: accuracy over the ratio.
        pairs: how many the protocol uses.
        flip_test: whether an embedding is the sum of that of a face and that of its mirror image.
        without_flip_test: accuracy (%) of the unpruned network without the flip test.
        largest_ratio: by strategy, the largest ratio that stays within one point of the unpruned network.
    """

    table: Table
    figure: Figure
    pairs: int
    flip_test: bool
    without_flip_test: float
    largest_ratio: dict[str, float]

    @property
    def unpruned(self) -> float:
        """Accuracy of the unpruned network, %."""
        return float(self.table.frame["accuracy"].iloc[0])

    @property
    def numbers(self) -> dict[str, Any]:
        """What prose may quote."""
        return {
            "unpruned": self.unpruned,
            "flip_test": self.flip_test,
            "unpruned_without_flip_test": self.without_flip_test,
            "pairs": self.pairs,
            "largest_ratio_within_one_point": self.largest_ratio,
        }

    def write(self, folder: str | Path) -> None:
        """Write table4 (CSV, Markdown), accuracy.png and numbers.json."""
        self.table.write(Path(folder) / "table4")
        save_figure(self.figure, Path(folder) / "accuracy.png")
        write_numbers(self.numbers, folder)


def verification_study(run: Run, benchmark: str, model: str) -> VerificationStudy:
    """Verify with the unpruned network and with every pruned network of Table 4."""
    protocol, faces = run.params.verification, run.benchmark(benchmark)
    flip_test, folds = benchmark in protocol.flip_test, faces.folds
    if folds is None:
        raise InputError(f"Benchmark {benchmark} has no folds; take it off `verification.benchmarks` in params.yaml.")

    def accuracy(spec: PruningSpec | None, flipped: bool) -> Accuracy:
        embeddings = run.raw_embeddings(benchmark, model, spec)
        if flipped:
            embeddings = embeddings + run.raw_embeddings(benchmark, model, spec, mirrored=True)
        return verification_accuracy(embeddings, faces.pairs, faces.genuine, folds, protocol.thresholds)

    unpruned = accuracy(None, flip_test)
    rows: list[tuple] = [(None, None, 0.0, 100 * unpruned.mean, 100 * unpruned.std)]
    for spec in protocol.specs(run.params.prune):
        found = accuracy(spec, flip_test)
        rows.append((spec.granularity, spec.criterion, spec.ratio, 100 * found.mean, 100 * found.std))
    frame = pd.DataFrame(rows, columns=["granularity", "criterion", "ratio", "accuracy", "std"])
    frame["flip_test"] = flip_test

    pruned = frame.iloc[1:].assign(strategy=lambda t: t["granularity"] + " " + t["criterion"])
    kept = pruned[pruned["accuracy"] >= 100 * unpruned.mean - TOLERATED]
    pairs = int(np.sum(folds >= 0))
    caption = (
        f"Verification accuracy (%) of pruned {model} on {benchmark}: {pairs:,} balanced pairs, "
        f"{folds.max() + 1} folds, flip test {'on' if flip_test else 'off'}"
    )
    return VerificationStudy(
        table=Table(frame, caption, best={"accuracy": "max"}, digits=2, hidden=["flip_test"]),
        figure=accuracy_by_ratio(pruned, 100 * unpruned.mean, f"{benchmark}, {model}"),
        pairs=pairs,
        flip_test=flip_test,
        without_flip_test=100 * accuracy(None, False).mean,
        largest_ratio=kept.groupby("strategy")["ratio"].max().to_dict(),
    )
