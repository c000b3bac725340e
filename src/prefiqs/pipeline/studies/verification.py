"""Table 4: verification accuracy of every pruned network, by the 10-fold protocol of LFW."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from prefiqs.embedding.vectors import all_alike
from prefiqs.errors import InputError
from prefiqs.evaluation.verification import Accuracy, verification_accuracy
from prefiqs.pipeline.run import Run
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.areas import lines_by_ratio
from prefiqs.reporting.study import Figure, Study, Table, saved_as
from prefiqs.reporting.tables import broken

TOLERATED = 1.0  # percentage points below the unpruned network


class VerificationStudy(Study):
    """Accuracy of a network and of its pruned variants on one benchmark, in %; the unpruned network has the ratio 0.

    figure: None for one ratio. numbers: flip_test: whether an embedding is the sum of those of a face and of its mirror
    image.
    """

    table: Table = saved_as("table4")
    figure: Figure | None = saved_as("accuracy")
    findings: list[str]


def verification_study(run: Run, benchmark: str, model: str) -> VerificationStudy:
    """Verify with the unpruned network and with every pruned network of Table 4."""
    protocol, faces = run.params.verification, run.benchmark(benchmark)
    flip_test, folds = benchmark in protocol.flip_test, faces.folds
    if folds is None:
        raise InputError(f"Benchmark {benchmark} has no folds; remove it from `verification.benchmarks`.")

    def accuracy(spec: PruningSpec | None, flipped: bool) -> Accuracy:
        embeddings = run.raw_embeddings(benchmark, model, spec)
        if flipped:
            embeddings = embeddings + run.raw_embeddings(benchmark, model, spec, mirrored=True)
        return verification_accuracy(embeddings, faces.pairs, faces.genuine, folds, protocol.thresholds)

    rows = []
    for spec in [None, *protocol.specs(run.params.prune.specs_of(model))]:
        found = accuracy(spec, flip_test)
        about = (spec.granularity, spec.criterion, spec.ratio) if spec else (None, None, 0.0)
        constant = all_alike(run.raw_embeddings(benchmark, model, spec))
        rows.append((*about, 100 * found.mean, 100 * found.std, flip_test, constant))
    columns = ["granularity", "criterion", "ratio", "accuracy", "std", "flip_test", "constant"]
    frame = pd.DataFrame(rows, columns=columns)

    unpruned, pruned = float(frame["accuracy"].iloc[0]), frame.iloc[1:]
    pruned = pruned.assign(strategy=pruned["granularity"] + " " + pruned["criterion"])
    kept = pruned[pruned["accuracy"] >= unpruned - TOLERATED].groupby("strategy")["ratio"].max()
    without = 100 * accuracy(None, False).mean
    pairs = int(np.sum(folds >= 0))
    level = {"not pruned": ("", unpruned)}
    caption = (
        f"Verification accuracy (%) of pruned {model} on {benchmark}: {pairs:,} balanced pairs, "
        f"{folds.max() + 1} folds, flip test {'on' if flip_test else 'off'}"
    )
    notes = f"Ratio 0: not pruned. std: standard deviation over the folds. {broken(frame)}".rstrip()
    return VerificationStudy(
        table=Table(frame, caption, {"accuracy": "max"}, 2, notes, hidden=["flip_test", "constant"]),
        figure=lines_by_ratio(pruned, "accuracy", f"{benchmark}, verified by pruned {model}", level)
        if pruned["ratio"].nunique() > 1
        else None,
        findings=[
            f"Unpruned, {model} has an accuracy of {without:.2f} %"
            + (f", with the flip test {unpruned:.2f} %." if flip_test else "."),
            *_of_strategies(kept.reindex(pruned["strategy"].unique())),
        ],
        numbers={
            "unpruned": unpruned,
            "flip_test": flip_test,
            "unpruned_without_flip_test": without,
            "pairs": pairs,
            "largest_ratio_within_one_point": kept.to_dict(),
        },
    )


def _of_strategies(largest: pd.Series) -> Iterator[str]:
    """largest: by strategy, the largest ratio that is tolerated; missing if there is none."""
    for strategy, ratio in largest.items():
        name = str(strategy).replace("l1", "L1")
        if np.isnan(ratio):
            yield f"With {name} pruning, every ratio costs more than one percentage point."
        else:
            yield f"With {name} pruning, ρ = {ratio:g} is the largest ratio that costs at most one percentage point."
