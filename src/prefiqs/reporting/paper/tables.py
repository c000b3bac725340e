"""Tables 1 to 5 of the paper with the numbers of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from prefiqs.io.tables import read_table
from prefiqs.reporting.latex import write_latex
from prefiqs.reporting.paper.printed import FILES, MEAN, NOT_IN_MEAN, OVERVIEW, PASSES, printed_beside_ours
from prefiqs.reporting.paper.results import FMR, OURS, RATIO, THRESHOLD, VERIFIERS, Passes, Results, of_table5
from prefiqs.reporting.tables import TRAINED_ON, Table

QUALITY_BENCHMARKS = ("Adience", "AgeDB-30", "CFP-FP", "LFW", "CALFW", "CPLFW", "XQLFW")
ACCURACY_BENCHMARKS = ("LFW", "CFP-FP", "CFP-FF", "AgeDB-30", "CALFW", "CPLFW")
COMPARISON_BENCHMARKS = (*QUALITY_BENCHMARKS, "IJB-C")
METHODS = "Methods"
DRIFTS = {"jacobian": "Jacobian drift (Eq. 9)", "discrete": "Discrete drift D(x) (Eq. 4)"}
UNPRUNED = "Unpruned"
COMPANION = "companion"
OURS_IN_TABLE_1 = OVERVIEW["prefiqs"]
# The two comparisons of Tables 3 and 4, and the paper's word for each granularity and criterion.
STRATEGIES = {
    "Granularity of pruning: unstructured and structured": {
        ("unstructured", "l1"): "Unstructured",
        ("structured", "l1"): "Structured",
    },
    "Pruning criterion: L1 magnitude and random": {
        ("unstructured", "l1"): "L1 magnitude",
        ("unstructured", "random"): "Random",
    },
}
SPEC = ["granularity", "criterion", "ratio"]
SUPERVISION_SIGNS = {"supervised": " †", "semi-supervised": " ‡", "unsupervised": ""}


def paper_tables(
    results: Results,
    costs: Sequence[Mapping[str, Any]],
    passes: Passes,
    printed: str | Path,
    ratio: float = RATIO,
    not_comparable: str = "",
) -> dict[str, Table]:
    """Tables 1 to 5 and the companion, by the names of their files.

    The tables of each estimator are `paper-tableN-ESTIMATOR` (Table 1: `paper-table1`), at FMR 0.001 with the
    recomputed threshold; one without a row is left out. `companion` has each printed number beside ours.

    costs: one mapping a method of this run: label, method, network, milliseconds (of an image), plain (milliseconds of
        a forward pass of that network).
    passes: forward and backward passes of an image by method. printed: folder of the printed tables.
    ratio: of PreFIQs in Table 5. not_comparable: why no result of this run can be compared with the paper, if so, such
        as untrained weights.
    """
    order = read_table(Path(printed) / FILES[5])
    tables = {"paper-table1": overview_table(costs, passes, printed)}
    for estimator in results.drifts["estimator"].unique():
        tables[f"paper-table2-{estimator}"] = drift_table(results.drifts, estimator)
    for estimator in results.accuracy["estimator"].unique():
        tables[f"paper-table4-{estimator}"] = accuracy_table(results.accuracy, estimator)
    for estimator in results.areas["estimator"].unique():
        tables[f"paper-table3-{estimator}"] = pruning_table(results.areas, estimator)
        tables[f"paper-table5-{estimator}"] = comparison_table(results.areas, estimator, order, ratio)
    tables = {name: tables[name] for name in sorted(tables) if len(tables[name].frame)}
    return tables | {COMPANION: companion_table(printed_beside_ours(results, passes, printed, not_comparable))}


def write_paper_tables(tables: Mapping[str, Table], folder: str | Path) -> None:
    """Write tables into `folder` as CSV and Markdown, those in the paper's layout also as LaTeX."""
    for name, table in tables.items():
        table.write(Path(folder) / name)
        if name != COMPANION:
            write_latex(table, Path(folder) / name)


def overview_table(costs: Sequence[Mapping[str, Any]], passes: Passes, printed: str | Path) -> Table:
    """Table 1: what methods need, and their passes; as printed, and of the methods of this run with their times.

    What a method of this run needs is what the paper says of it; those that the paper does not list need what PreFIQs
    does. Times are not in the CSV.
    """
    paper = read_table(Path(printed) / FILES[1])
    lines = OVERVIEW | {"norm": OURS_IN_TABLE_1, "ex-fiqa": "ViT-FIQA(T)"}
    needs = paper.set_index("method").iloc[:, :4].to_dict("index")
    rows = [
        needs[lines.get(cost["method"], OURS_IN_TABLE_1)]
        | dict(zip(PASSES, passes[cost["method"]] or (), strict=False))
        | {"block": "This run", "method": cost["label"], "network": cost["network"]}
        | {"ms an image": cost["milliseconds"], "plain passes": cost["milliseconds"] / cost["plain"]}
        for cost in costs
    ]
    own = ["network", "ms an image", "plain passes"] if rows else []
    table = pd.concat([paper.assign(block="As printed"), pd.DataFrame(rows)], ignore_index=True)
    table = table[["block", *paper, *own]].astype(dict.fromkeys(PASSES, "Int64"))
    table.columns = [*table.columns[:1], *(name.replace("_", " ").capitalize() for name in paper), *own]
    notes = (
        "SER-FIQ repeats the last layer alone, so its hundred passes cost little more than one. Times were measured on "
        "the machine of this run, in large batches, without start-up; plain passes: forward passes of the same network "
        "that take as long."
    )
    caption = "What the methods need and what an image costs"
    return Table(table, caption, digits=2, notes=notes if rows else "", blocks="block", not_in_csv=own[1:])


def drift_table(drifts: pd.DataFrame, estimator: str) -> Table:
    """Table 2: both drifts as quality measures, mean over the FR models."""
    part, models = _selected(drifts, estimator)
    wide = pivot_benchmarks(part, ["drift"], QUALITY_BENCHMARKS, len(models))
    table = wide.frame.set_index("drift").reindex(DRIFTS).dropna(how="all").reset_index()
    table.insert(1, METHODS, table["drift"].map(DRIFTS))
    ratios = ", ".join(f"{ratio:g}" for ratio in part["ratio"].unique())
    caption = f"Jacobian and discrete drift at ρ = {ratios} as quality: pAUC·10³, drift of {estimator}"
    notes = f"{_setting(part, models)} {wide.notes()}"
    return Table(table, caption, wide.ranked("min"), notes=notes, hidden=["drift"])


def pruning_table(areas: pd.DataFrame, estimator: str) -> Table:
    """Table 3: PreFIQs by granularity, criterion and ratio, mean over the FR models.

    The best are marked by column, and in the mean by granularity and criterion, as in the paper.
    """
    part, models = _selected(areas[(areas["method"] == "prefiqs") & (areas["network"] == estimator)], estimator)
    part = part.dropna(subset=SPEC).drop_duplicates(["benchmark", "verifier", *SPEC])  # of several seeds, the first
    wide = pivot_benchmarks(part, SPEC, QUALITY_BENCHMARKS, len(models))
    return Table(
        _by_strategy(wide.frame),
        f"PreFIQs by pruning strategy and ratio: pAUC·10³, quality from {estimator}",
        wide.ranked("min"),
        notes=f"{_setting(part, models)} {wide.notes()}",
        blocks="block",
        hidden=SPEC,
        within={MEAN: ["block", *SPEC[:2]]},
    )


def accuracy_table(accuracy: pd.DataFrame, estimator: str) -> Table:
    """Table 4: verification accuracy of the pruned network."""
    part = accuracy[accuracy["estimator"] == estimator]
    wide = pivot_benchmarks(part, SPEC, ACCURACY_BENCHMARKS, value="accuracy")
    flipped = sorted(part.loc[part["flip_test"].astype(bool), "benchmark"].unique())
    notes = f"Flip test: {', '.join(flipped) or 'none'}. {wide.notes()}"
    caption = f"Verification accuracy (%) of {estimator}, pruned"
    return Table(_by_strategy(wide.frame), caption, wide.ranked("max"), 2, notes, blocks="block", hidden=SPEC)


def comparison_table(areas: pd.DataFrame, estimator: str, order: pd.DataFrame, ratio: float = RATIO) -> Table:
    """Table 5: one block an FR model, one row a method.

    order: the printed table, for the order of the methods and how each is supervised. The best are marked by FR model,
    and in the mean also by supervision; a § stands where a network was trained on images of the benchmark.
    """
    part = areas[(areas["fmr"] == FMR) & (areas["threshold"] == THRESHOLD)]
    part = of_table5(part, estimator, order["method"], ratio).drop_duplicates(["benchmark", "verifier", "key"])
    printed = dict(zip(order["method"], order["supervision"], strict=True))
    part["supervision"] = part["printed_as"].map(printed).fillna(part["supervision"])
    blocks, lines = (list(dict.fromkeys(names)) for names in ([*VERIFIERS, *part["verifier"]], printed))
    part[METHODS] = part["printed_as"].fillna(part["label"])
    part["block"] = part["verifier"].map(blocks.index)
    part["line"] = part["printed_as"].map(lines.index, na_action="ignore").fillna(len(lines))
    part = part.sort_values(["block", "line"], kind="stable")

    hidden = ["verifier", "key", "supervision"]
    wide = pivot_benchmarks(part, [*hidden, METHODS], COMPARISON_BENCHMARKS)
    table, best = wide.frame, wide.ranked("min")
    table[METHODS] += table["supervision"].map(SUPERVISION_SIGNS).fillna(" (?)")
    table.insert(0, "block", table["verifier"].replace(VERIFIERS))
    rows = pd.MultiIndex.from_frame(table[["verifier", "key"]])
    seen = part[part["trained_on"].astype(bool)].set_index(["verifier", "key"]).groupby("benchmark")
    explained = f"{TRAINED_ON} The network was trained on images of this benchmark. " if len(seen) else ""
    return Table(
        table,
        f"Quality assessment methods by FR model: pAUC·10³, {OURS} from {estimator} at ρ = {ratio:g}",
        best,
        notes=f"† supervised, ‡ semi-supervised. {explained}{_setting(part)} {wide.notes()}",
        blocks="block",
        hidden=hidden,
        within=dict.fromkeys(best, ["block"]) | {MEAN: ["block", "supervision"]},
        intervals=wide.intervals,
        trained_on={name: rows.isin(of_benchmark.index) for name, of_benchmark in seen},
    )


def companion_table(beside: pd.DataFrame) -> Table:
    """All printed numbers beside ours as one table, one block a printed table."""
    spec = beside["granularity"] + " " + beside["criterion"] + beside["ratio"].map(", ρ = {:g}".format)
    verifier = beside["verifier"].map(VERIFIERS).add(": ").fillna("")
    row = beside["drift"].map(DRIFTS).fillna(verifier + beside["method"]).fillna(spec).fillna(UNPRUNED)
    beside = beside.assign(table=beside["table"].map("Table {}".format), row=row)
    identity = ["line", "drift", *SPEC, "verifier", "method"]
    compared = int(beside["ours"].notna().sum())
    return Table(
        beside[["table", *identity, "row", "column", "printed", "ours", "difference", "why"]],
        f"Printed numbers beside those of this run: {compared} of {len(beside)} can be compared",
        notes="difference: ours − printed. why: why there is no number of ours.",
        blocks="table",
        hidden=identity,
    )


class Wide(NamedTuple):
    """Results side by side.

    frame: the columns that name a row, the paper's benchmarks, MEAN, the benchmarks that the paper lacks (`own`), and
    NAME_low and NAME_high beside the columns in `intervals`. benchmarks: the paper's.
    """

    frame: pd.DataFrame
    benchmarks: Sequence[str]
    own: list[str]
    intervals: list[str]

    def ranked(self, direction: str) -> dict[str, str]:
        """All columns of numbers, for `Table.best`."""
        return dict.fromkeys([*self.benchmarks, MEAN, *self.own], direction)

    def notes(self) -> str:
        """Say over which benchmarks the mean is, and which columns the paper does not have."""
        complete = [name for name in self.benchmarks if name != NOT_IN_MEAN]
        part = [name for name in complete if self.frame[name].notna().any()]
        notes = [f"Mean over {', '.join(part)}." if part else "No mean: none of the paper's benchmarks was run."]
        if part and part != complete:
            notes.append(f"The printed mean is over {', '.join(complete)}.")
        if NOT_IN_MEAN in self.benchmarks:
            notes.append(f"{NOT_IN_MEAN} is not in the mean, because its labels came from SER-FIQ.")
        if self.own:
            notes.append(f"Not in the paper's table: {', '.join(self.own)}.")
        return " ".join(notes)


def pivot_benchmarks(
    values: pd.DataFrame, rows: list[str], benchmarks: Sequence[str], each: int = 1, value: str = "pauc"
) -> Wide:
    """Set long results side by side, one column a benchmark.

    rows: the columns that name a row. each: how many numbers (verifiers) make a cell, which is their mean; a cell with
    fewer is missing. MEAN is over the paper's benchmarks that were run, without XQLFW; a row that lacks one has none.
    """

    def wide(value: str) -> pd.DataFrame:
        cells = values.groupby([*rows, "benchmark"], sort=False, dropna=False)[value].agg(["mean", "count"])
        return cells["mean"].where(cells["count"] == each).unstack("benchmark", sort=False).dropna(axis=1, how="all")

    cells = wide(value)
    own = [name for name in cells if name not in benchmarks]
    counted = [name for name in benchmarks if name in cells and name != NOT_IN_MEAN]
    table = cells.reindex(columns=[*benchmarks, MEAN, *own]).astype(float)
    if counted:
        table[MEAN] = table[counted].mean(axis=1, skipna=False)
    intervals: list[str] = []
    if value == "pauc" and each == 1 and "pauc_low" in values:
        low, high = wide("pauc_low"), wide("pauc_high")
        intervals = list(low)
        for name in intervals:
            place = list(table).index(name)
            table.insert(place + 1, f"{name}_low", low[name])
            table.insert(place + 2, f"{name}_high", high[name])
    return Wide(table.rename_axis(columns=None).reset_index(), benchmarks, own, intervals)


def _selected(values: pd.DataFrame, estimator: str) -> tuple[pd.DataFrame, list[str]]:
    """The results of one estimator in the paper's setting, and the FR models: the paper's four if all are there."""
    part = values[(values["estimator"] == estimator) & (values["fmr"] == FMR) & (values["threshold"] == THRESHOLD)]
    found = part["verifier"].unique().tolist()
    models = list(VERIFIERS) if set(VERIFIERS) <= set(found) else found
    return part[part["verifier"].isin(models)], models


def _by_strategy(wide: pd.DataFrame) -> pd.DataFrame:
    """Put rows of granularity, criterion and ratio into the two comparisons of Tables 3 and 4; L1 stands in both."""
    parts = []
    for block, strategies in STRATEGIES.items():
        unpruned = wide[wide["granularity"].isna()]
        parts.append(unpruned.assign(**{"block": block, METHODS: UNPRUNED}))
        for (granularity, criterion), name in strategies.items():
            rows = wide[(wide["granularity"] == granularity) & (wide["criterion"] == criterion)].sort_values("ratio")
            parts.append(rows.assign(**{"block": block, METHODS: [f"{name} ρ = {ratio:g}" for ratio in rows["ratio"]]}))
    return pd.concat(parts, ignore_index=True)[["block", *SPEC, METHODS, *[n for n in wide if n not in SPEC]]]


def _setting(part: pd.DataFrame, models: Sequence[str] = ()) -> str:
    """Say how the areas were made, where they rest on few impostor pairs, and over which FR models they are a mean."""
    limit = ", ".join(f"{value:g}" for value in part["limit"].unique())
    weak = part.loc[~part["fmr_resolvable"].astype(bool), "benchmark"].unique() if "fmr_resolvable" in part else []
    doubt = f" Too few impostor pairs for this FMR at some point: {', '.join(weak)}." if len(weak) else ""
    mean = f" Mean over the FR models {', '.join(VERIFIERS.get(name, name) for name in models)}." if models else ""
    return f"FMR {FMR:g}, threshold {THRESHOLD}, discard up to {limit}.{doubt}{mean}"
