"""Tables 2, 3 and 4: what pruning does to quality estimation and to recognition."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from prefiqs.reporting.paper.layout import MEAN, PaperTable, marks, mean_note, pivot_benchmarks
from prefiqs.reporting.paper.results import VERIFIERS, Results

QUALITY_BENCHMARKS = ("Adience", "AgeDB-30", "CFP-FP", "LFW", "CALFW", "CPLFW", "XQLFW")
ACCURACY_BENCHMARKS = ("LFW", "CFP-FP", "CFP-FF", "AgeDB-30", "CALFW", "CPLFW")
DRIFT_ROWS = {  # the method's name in the tables of a run: the paper's
    "Jacobian drift (eq. 9)": "Jacobian drift (Eq. 9)",
    "discrete drift (eq. 4)": "Discrete drift D(x) (Eq. 4)",
}
BLOCKS = {  # the two comparisons of Tables 3 and 4: title, and the paper's word for each strategy
    "Granularity of pruning: unstructured and structured": {
        "Unstructured": "unstructured l1",
        "Structured": "structured l1",
    },
    "Pruning criterion: L1 magnitude and random": {
        "L1 magnitude": "unstructured l1",
        "Random": "unstructured random",
    },
}
UNPRUNED = "Unpruned"
PAPER_FMR = 1e-3
_VARIANT = r"^(unstructured|structured)-(l1|random)-([\d.]+)$"


def drift_table(results: Results, quality: str, fmr: float = PAPER_FMR, threshold: str = "recomputed") -> PaperTable:
    """Table 2: both drifts as quality measures, mean over the FR models."""
    part, models = selected(results.drifts, quality, fmr, threshold)
    part = part.assign(row=part["method"].map(DRIFT_ROWS)).dropna(subset="row")
    table, layout = pivot_benchmarks(part, "pauc", ["row"], QUALITY_BENCHMARKS, len(models))
    table = table.set_index("row").reindex(DRIFT_ROWS.values()).dropna(how="all").reset_index()
    ratio = ", ".join(f"{value:g}" for value in part["ratio"].dropna().unique())
    caption = f"Jacobian and discrete drift at ρ = {ratio} as quality: pAUC·10³, drift of {quality}"
    notes = f"{setting_note(part, fmr, threshold)} {_verified(models)} {mean_note(table, QUALITY_BENCHMARKS)}"
    best = marks(table, layout, QUALITY_BENCHMARKS[0], "min")
    return PaperTable(file_name("paper-table2", quality, fmr, threshold), caption, table, notes, best, layout=layout)


def pruning_table(
    results: Results, quality: str, fmr: float = PAPER_FMR, threshold: str = "recomputed", area: str = "pauc"
) -> PaperTable:
    """Table 3 and its supplementary forms: PreFIQs by strategy and ratio, mean over the FR models.

    area: "pauc" or "auc". Marked best per column, in the mean per strategy, as the paper does.
    """
    part, models = selected(results.areas, quality, fmr, threshold)
    spec = part["method"].str.extract(_VARIANT)
    part = part.assign(strategy=spec[0] + " " + spec[1], ratio=spec[2].astype(float)).dropna(subset="strategy")
    wide, layout = pivot_benchmarks(part, area, ["strategy", "ratio"], QUALITY_BENCHMARKS, len(models))
    table = by_strategy(wide)
    layout = replace(layout, blocks="block", hidden=("strategy", "ratio"), within={MEAN: ["block", "strategy"]})
    name = {"pauc": "pAUC", "auc": "AUC"}[area]
    caption = f"PreFIQs by pruning strategy and ratio: {name}·10³, quality from {quality}"
    notes = f"{setting_note(part, fmr, threshold, area)} {_verified(models)} {mean_note(table, QUALITY_BENCHMARKS)}"
    best = marks(table, layout, QUALITY_BENCHMARKS[0], "min")
    return PaperTable(
        file_name("paper-table3", quality, fmr, threshold, area), caption, table, notes, best, layout=layout
    )


def accuracy_table(results: Results, quality: str) -> PaperTable:
    """Table 4: verification accuracy of the pruned network."""
    part = results.accuracy[results.accuracy["quality"] == quality]
    wide, layout = pivot_benchmarks(part, "accuracy", ["strategy", "ratio"], ACCURACY_BENCHMARKS)
    table = by_strategy(wide)
    layout = replace(layout, blocks="block", hidden=("strategy", "ratio"))
    flipped = sorted(part.loc[part["flip_test"].astype(bool), "benchmark"].unique())
    notes = f"Flip test: {', '.join(flipped) or 'none'}. {mean_note(table, ACCURACY_BENCHMARKS)}"
    caption = f"Verification accuracy (%) of {quality}, pruned"
    best = marks(table, layout, ACCURACY_BENCHMARKS[0], "max")
    return PaperTable(f"paper-table4-{quality}", caption, table, notes, best, 2, layout)


def by_strategy(wide: pd.DataFrame) -> pd.DataFrame:
    """Put rows named by strategy and ratio into the two comparisons of Tables 3 and 4; L1 stands in both."""
    parts = []
    for block, strategies in BLOCKS.items():
        for label, strategy in {UNPRUNED: "unpruned", **strategies}.items():
            rows = wide[wide["strategy"] == strategy].sort_values("ratio")
            names = [label if label == UNPRUNED else f"{label} ρ = {ratio:g}" for ratio in rows["ratio"]]
            parts.append(rows.assign(block=block, row=names))
    table = pd.concat(parts, ignore_index=True)
    return table[["block", "row", *wide.columns]]


def selected(values: pd.DataFrame, quality: str, fmr: float, threshold: str) -> tuple[pd.DataFrame, list[str]]:
    """The results of one estimator and setting, and the FR models that verified: the paper's four if they are there."""
    part = values[(values["quality"] == quality) & (values["fmr"] == fmr) & (values["threshold"] == threshold)]
    found = part["verifier"].unique().tolist()
    models = list(VERIFIERS) if set(VERIFIERS) <= set(found) else found
    return part[part["verifier"].isin(models)], models


def setting_note(part: pd.DataFrame, fmr: float, threshold: str, area: str = "pauc") -> str:
    """Say how the numbers of a table were made, and where they rest on too few impostor pairs."""
    limit = ", ".join(f"{value:g}" for value in part["limit"].unique())
    if area == "auc":
        reach = f"discard up to 0.95; beyond {limit} points may rest on fewer than 1/FMR impostor pairs"
    else:
        reach = f"discard up to {limit}"
    weak = [] if "reliable" not in part else part.loc[~part["reliable"].astype(bool), "benchmark"].unique()
    doubt = f" Fewer than 1/FMR impostor pairs at some point: {', '.join(weak)}." if len(weak) else ""
    return f"FMR {fmr:g}, threshold {threshold}, {reach}.{doubt}"


def file_name(table: str, quality: str, fmr: float, threshold: str, area: str = "pauc") -> str:
    """The name of a table's files; what differs from the paper's main text is in it."""
    return "-".join(
        [table, quality]
        + ([area] if area != "pauc" else [])
        + ([f"fmr{fmr:g}"] if fmr != PAPER_FMR else [])
        + ([threshold] if threshold != "recomputed" else [])
    )


def _verified(models: list[str]) -> str:
    names = [VERIFIERS.get(model, model) for model in models]
    return f"Mean over the FR models {', '.join(names)}." if len(names) > 1 else f"FR model {', '.join(names)}."
