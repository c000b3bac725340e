"""The printed tables beside ours: their companions, each cell with its difference or with why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from prefiqs.io.tables import read_table
from prefiqs.reporting.paper.companion import Condition, companion
from prefiqs.reporting.paper.comparison import BENCHMARKS, OURS, PAPER_RATIO, comparison_table, with_rows
from prefiqs.reporting.paper.layout import MEAN
from prefiqs.reporting.paper.pruning import (
    ACCURACY_BENCHMARKS,
    DRIFT_ROWS,
    PAPER_FMR,
    QUALITY_BENCHMARKS,
    accuracy_table,
    by_strategy,
    drift_table,
    pruning_table,
)
from prefiqs.reporting.paper.results import ESTIMATOR, VERIFIERS, Results

_RATIO_KEYS = ["block", "row", "strategy", "ratio"]
_PASSES = {"feed_forward": "feed forward", "backwards": "backwards"}
# The methods of Table 1 that this package has, and what they are called here.
_OVERVIEW = {
    "PreFIQs (Ours)": "prefiqs",
    "MagFace": "norm",
    "ViT-FIQA(T)": "vit-fiqa",
    "FROQ": "froq",
    "SER-FIQ": "ser-fiq",
    "FaceQAN": "faceqan",
    "GraFIQs": "grafiqs",
    "ViTNT-FIQA": "vitnt-fiqa",
}


def overview_companion(passes: Mapping[str, tuple[int, int]], printed: str | Path) -> pd.DataFrame:
    """Table 1: the printed passes beside those of our methods; passes: name -> forward and backward passes an image."""
    table = read_table(Path(printed) / "table1_overview.csv").rename(columns={"method": "row", **_PASSES})
    known = {row: passes[name] for row, name in _OVERVIEW.items() if name in passes}
    ours = pd.DataFrame(known, index=list(_PASSES.values())).T.rename_axis("row").reset_index()

    def setting(row: pd.Series, column: str) -> list[Condition]:
        return [("row", [row["row"]], "not implemented here")]

    return companion(table[["row", *_PASSES.values()]], ours, ["row"], ours, setting)


def drift_companion(results: Results, printed: str | Path) -> pd.DataFrame:
    """Table 2, beside ours where estimator, FR models, ρ, FMR and convention are the paper's."""
    table = read_table(Path(printed) / "table2_jacobian.csv").rename(columns={"mean_pauc": MEAN})
    names = dict(zip(("jacobian", "discrete"), DRIFT_ROWS.values(), strict=True))
    table = table.assign(row=table["drift"].map(names))[["row", *QUALITY_BENCHMARKS, MEAN]]
    methods = {row: method for method, row in DRIFT_ROWS.items()}

    def setting(row: pd.Series, column: str) -> list[Condition]:
        ratio = ("ratio", [0.1], "run at ρ = {found}, not 0.1")
        return [*_estimated(column, "method", methods[row["row"]]), ratio, *_verified(VERIFIERS)]

    return companion(table, drift_table(results, ESTIMATOR).table, ["row"], results.drifts, setting)


def pruning_companion(results: Results, printed: str | Path) -> pd.DataFrame:
    """Table 3, beside ours where estimator, FR models, FMR and convention are the paper's."""
    table = _by_ratio(Path(printed) / "table3_pruning_pauc.csv", QUALITY_BENCHMARKS, "mean_pauc")

    def setting(row: pd.Series, column: str) -> list[Condition]:
        variant = f"{row['strategy'].replace(' ', '-')}-{row['ratio']:g}"
        return [*_estimated(column, "method", variant), *_verified(VERIFIERS)]

    ours = pruning_table(results, ESTIMATOR).table
    found = companion(table, ours, _RATIO_KEYS, results.areas, setting)
    return found.drop(columns=["strategy", "ratio"])


def accuracy_companion(results: Results, printed: str | Path) -> pd.DataFrame:
    """Table 4, beside ours where the network is ArcFace ResNet-100 and the flip test was used."""
    table = _by_ratio(Path(printed) / "table4_verification_accuracy.csv", ACCURACY_BENCHMARKS, "mean_accuracy")

    def setting(row: pd.Series, column: str) -> list[Condition]:
        ratio = ("ratio", [row["ratio"]], "run at ρ = {found} only")
        flip = ("flip_test", [True], "run without the flip test")
        return [*_estimated(column, "strategy", row["strategy"]), ratio, flip]

    ours = accuracy_table(results, ESTIMATOR).table
    found = companion(table, ours, _RATIO_KEYS, results.accuracy, setting)
    return found.drop(columns=["strategy", "ratio"])


def comparison_companion(results: Results, printed: str | Path) -> pd.DataFrame:
    """Table 5, beside ours where FR model, FMR and convention are the paper's, and the scores the method's own."""
    table = read_table(Path(printed) / "table5_sota_pauc.csv")
    table = table.rename(columns={"fr_model": "block", "method": "row", "mean_pauc": MEAN})
    table = table[["block", "row", *BENCHMARKS, MEAN]]
    areas = with_rows(results.areas, ESTIMATOR, PAPER_RATIO, set(table["row"]))
    verifiers = {name: verifier for verifier, name in VERIFIERS.items()}

    def setting(row: pd.Series, column: str) -> list[Condition]:
        scored = [_there(column), ("row", [row["row"]], f"no scores named {row['row']}")]
        if row["row"] == OURS:
            scored = _estimated(column, "row", OURS)
        return [*scored, *_verified([verifiers[row["block"]]])]

    ours = comparison_table(results, printed, ESTIMATOR).table
    return companion(table, ours, ["block", "row"], areas, setting)


def _by_ratio(file: Path, benchmarks: Iterable[str], mean: str) -> pd.DataFrame:
    table = read_table(file).rename(columns={"rho": "ratio", mean: MEAN})
    pruned = table["granularity"] + " " + table["criterion"]
    table["strategy"] = pruned.where(table["criterion"] != "none", "unpruned")
    return by_strategy(table[["strategy", "ratio", *benchmarks, MEAN]])


def _there(benchmark: str) -> Condition:
    return ("benchmark", [benchmark], f"no results on {benchmark}")


def _estimated(benchmark: str, column: str, value: str) -> list[Condition]:
    estimator = ("quality", [ESTIMATOR], "run with {found}, not with ArcFace ResNet-100")
    return [_there(benchmark), estimator, (column, [value], "not run")]


def _verified(verifiers: Iterable[str]) -> list[Condition]:
    names = ", ".join(VERIFIERS[name] for name in verifiers)
    return [
        ("verifier", verifiers, f"verified by {{found}}, not by {names}"),
        ("threshold", ["recomputed"], "threshold {found}, not recomputed"),
        ("fmr", [PAPER_FMR], f"FMR {{found}}, not {PAPER_FMR:g}"),
        ("limit", [0.3], "pAUC up to {found}, not 0.3"),
    ]
