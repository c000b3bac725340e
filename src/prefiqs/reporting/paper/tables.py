"""Tables 1 to 5 of the paper with the numbers of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from prefiqs.evaluation.tables import unreliable
from prefiqs.io.tables import read_table
from prefiqs.methods.registry import METHODS
from prefiqs.reporting.latex import write_latex
from prefiqs.reporting.paper import printed as paper
from prefiqs.reporting.tables import ALIKE, TRAINED_ON_NOTE, UNMOVED, Table, broken

METHODS_COLUMN = "Methods"
DRIFTS = {"jacobian": "Jacobian drift (Eq. 9 of the paper)", "discrete": "Discrete drift D(x) (Eq. 4 of the paper)"}
UNPRUNED = "Unpruned"
COMPANION = "companion"
OURS_IN_TABLE_1 = paper.OVERVIEW["prefiqs"]
# The line of Table 1 that needs what a method, or a network with a name of its own, needs; all others need what PreFIQs
# needs. Of PCNet: a network that was trained on quality labels.
SAME_NEEDS = paper.OVERVIEW | {
    "norm": OURS_IN_TABLE_1,
    "ex-fiqa": "ViT-FIQA(T)",
    "quality-network": "PCNet",
    "cr-fiqa-s": "CR-FIQA",
    "cr-fiqa-l": "CR-FIQA",
}
SPEC = ["granularity", "criterion", "ratio"]
# The two comparisons of Tables 3 and 4 (L1 stands in both), and the paper's word for each granularity and criterion.
_GRANULARITY, _CRITERION = (
    "Granularity of pruning: unstructured and structured",
    "Pruning criterion: L1 magnitude and random",
)
STRATEGIES = pd.DataFrame(
    [
        (_GRANULARITY, None, None, UNPRUNED),
        (_GRANULARITY, "unstructured", "l1", "Unstructured"),
        (_GRANULARITY, "structured", "l1", "Structured"),
        (_CRITERION, None, None, UNPRUNED),
        (_CRITERION, "unstructured", "l1", "L1 magnitude"),
        (_CRITERION, "unstructured", "random", "Random"),
    ],
    columns=["block", *SPEC[:2], METHODS_COLUMN],
)
SUPERVISION_SIGNS = {"supervised": " †", "semi-supervised": " ‡", "unsupervised": ""}


def paper_tables(
    results: paper.Results,
    costs: Sequence[Mapping[str, Any]],
    folder: str | Path,
    ratio: float = paper.RATIO,
    not_comparable: str = "",
) -> dict[str, Table]:
    """Tables 1 to 5 by the names of their files, and `companion`, which has each printed number beside ours.

    Tables 2 to 5 are `paper-tableN-ESTIMATOR`, at FMR 0.001, recomputed threshold; one without a row is left out.

    costs: one mapping a method of this run: label, method, network, milliseconds (of an image), plain passes (of that
        network, which take as long). folder: of what the paper prints, `data/paper`. ratio: of PreFIQs in Table 5.
    not_comparable: why no result of this run can be compared with the paper, if so, such as untrained weights.
    """
    printed = read_table(Path(folder) / "printed.csv")
    by_table = dict(list(printed.groupby("table")))
    tables = {"paper-table1": _overview(costs, by_table[1], read_table(Path(folder) / "overview.csv"))}
    drifts, areas = (
        values[(values["fmr"] == paper.FMR) & (values["threshold"] == paper.THRESHOLD)]
        for values in (results.drifts, results.areas)
    )
    for number, make, values in (2, _drifts, drifts), (3, _pruning, areas), (4, _accuracy, results.accuracy):
        for estimator, part in values.groupby("estimator"):
            tables[f"paper-table{number}-{estimator}"] = make(part, estimator, by_table[number])
    for estimator in areas["estimator"].unique():
        tables[f"paper-table5-{estimator}"] = _comparison(areas, estimator, by_table[5], ratio)
    tables = {name: tables[name] for name in sorted(tables) if len(tables[name].frame)}
    return tables | {COMPANION: _companion(paper.printed_beside_ours(results, printed, not_comparable))}


def write_paper_tables(tables: Mapping[str, Table], folder: str | Path) -> None:
    """Write tables into `folder` as CSV and Markdown, those in the paper's layout also as LaTeX."""
    for name, table in tables.items():
        table.write(Path(folder) / name)
        if name != COMPANION:
            write_latex(table, Path(folder) / name)


def _overview(costs: Sequence[Mapping[str, Any]], printed: pd.DataFrame, properties: pd.DataFrame) -> Table:
    """Table 1: what methods need, and their passes; as printed, and of the methods of this run with their times."""
    listed = properties.join(printed.pivot(index="method", columns="column", values="printed"), on="method")
    listed = listed[[*properties.columns[:5], *paper.PASSES, *properties.columns[5:]]]
    needs = properties.set_index("method").iloc[:, :4].to_dict("index")
    rows = [
        needs[SAME_NEEDS.get(cost["network"]) or SAME_NEEDS.get(cost["method"], OURS_IN_TABLE_1)]
        | dict(zip(paper.PASSES, METHODS[cost["method"]].passes or (), strict=False))
        | {"block": "This run", "method": cost["label"], "network": cost["network"]}
        | {"ms an image": cost["milliseconds"], "plain passes": cost["plain passes"]}
        for cost in costs
    ]
    own = ["network", "ms an image", "plain passes"] if rows else []
    table = pd.concat([listed.assign(block="As printed"), pd.DataFrame(rows)], ignore_index=True)
    table = table[["block", *listed, *own]].astype(dict.fromkeys(paper.PASSES, "Int64"))
    table.columns = [*table.columns[:1], *(name.replace("_", " ").capitalize() for name in listed), *own]
    notes = (
        "SER-FIQ repeats the last layer alone, so its hundred passes cost little more than one. Times were measured on "
        "the machine of this run, in large batches, without start-up; plain passes: forward passes of the same network "
        "that take as long."
    )
    caption = "What the methods need and what an image costs"
    return Table(table, caption, digits=2, notes=notes if rows else "", blocks="block", not_in_csv=own[1:])


def _drifts(drifts: pd.DataFrame, estimator: str, printed: pd.DataFrame) -> Table:
    """Table 2: both drifts as quality measures, mean over the FR models."""
    ratios = ", ".join(f"{ratio:g}" for ratio in drifts["ratio"].unique())
    caption = f"Jacobian and discrete drift at ρ = {ratios} as quality: pAUC·10³, drift of {estimator}"
    table = _mean_over_models(drifts, ["drift"], printed, caption)
    frame = table.frame.set_index("drift").reindex(DRIFTS).dropna(how="all").reset_index()
    frame.insert(1, METHODS_COLUMN, frame["drift"].map(DRIFTS))
    return replace(table, frame=frame, hidden=["drift"])


def _pruning(areas: pd.DataFrame, estimator: str, printed: pd.DataFrame) -> Table:
    """Table 3: PreFIQs by granularity, criterion and ratio, mean over the FR models; marked as in the paper."""
    areas = areas[(areas["method"] == "prefiqs") & (areas["network"] == estimator)].dropna(subset=SPEC)
    areas = areas.merge(STRATEGIES[SPEC[:2]].drop_duplicates())  # the paper has no structured random pruning
    areas = areas.drop_duplicates(["benchmark", "verifier", *SPEC])  # of several seeds, the first
    caption = f"PreFIQs by pruning strategy and ratio: pAUC·10³, quality from {estimator}"
    table = _by_strategy(_mean_over_models(areas, SPEC, printed, caption))
    notes = f"{table.notes} {broken(areas, f'{ALIKE}, or {UNMOVED}')}".strip()
    return replace(table, within={paper.MEAN: ["block", *SPEC[:2]]}, notes=notes)


def _accuracy(accuracy: pd.DataFrame, estimator: str, printed: pd.DataFrame) -> Table:
    """Table 4: verification accuracy of the pruned network."""
    accuracy = accuracy.merge(STRATEGIES[SPEC[:2]].drop_duplicates())
    flipped = sorted(accuracy.loc[accuracy["flip_test"].astype(bool), "benchmark"].unique())
    caption = f"Verification accuracy (%) of {estimator}, pruned"
    notes = f"{broken(accuracy)} Flip test: {', '.join(flipped) or 'none'}.".strip()
    table = _by_strategy(_layout(accuracy, SPEC, printed, caption, notes, value="accuracy"))
    return replace(table, best=dict.fromkeys(table.best, "max"), digits=2)


def _comparison(areas: pd.DataFrame, estimator: str, printed: pd.DataFrame, ratio: float) -> Table:
    """Table 5: one block per FR model, one row per method, in the order of the paper."""
    part = paper.of_table5(areas, estimator, printed, ratio).drop_duplicates(["benchmark", "verifier", "key"])
    methods = printed.drop_duplicates("method").set_index("method")
    part["supervision"] = part["printed_as"].map(methods["supervision"]).fillna(part["supervision"])
    part[METHODS_COLUMN] = part["printed_as"].fillna(part["label"])
    verifiers = list(dict.fromkeys([*paper.VERIFIERS, *part["verifier"]]))
    part["block"] = part["verifier"].map(verifiers.index)
    part["line"] = part["printed_as"].map(methods["line"]).fillna(len(methods))
    part = part.sort_values(["block", "line"], kind="stable")

    hidden = ["verifier", "key", "supervision"]
    seen = part[part["trained_on"].astype(bool)].set_index(["verifier", "key"]).groupby("benchmark")
    notes = "† supervised, ‡ semi-supervised."
    if len(seen):
        notes += f" {TRAINED_ON_NOTE}"
    caption = f"Quality assessment methods by FR model: pAUC·10³, {paper.OURS} from {estimator} at ρ = {ratio:g}"
    table = _layout(part, [*hidden, METHODS_COLUMN], printed, caption, f"{notes} {_setting(part)}")
    frame = table.frame
    frame[METHODS_COLUMN] += frame["supervision"].map(SUPERVISION_SIGNS).fillna(" (?)")
    frame.insert(0, "block", frame["verifier"].replace(paper.VERIFIERS))
    rows = pd.MultiIndex.from_frame(frame[["verifier", "key"]])
    return replace(
        table,
        blocks="block",
        hidden=hidden,
        within=dict.fromkeys(table.best, ["block"]) | {paper.MEAN: ["block", "supervision"]},
        trained_on={name: rows.isin(of_benchmark.index) for name, of_benchmark in seen},
    )


def _companion(beside: pd.DataFrame) -> Table:
    """All printed numbers beside ours as one table, one block per printed table."""
    spec = beside["granularity"] + " " + beside["criterion"] + beside["ratio"].map(", ρ = {:g}".format)
    verifier = beside["verifier"].map(paper.VERIFIERS).add(": ").fillna("")
    row = beside["drift"].map(DRIFTS).fillna(verifier + beside["method"]).fillna(spec).fillna(UNPRUNED)
    beside = beside.assign(table=beside["table"].map("Table {}".format), row=row)
    identity = ["line", "drift", *SPEC, "verifier", "method"]
    compared = int(beside["ours"].notna().sum())
    return Table(
        beside[["table", *identity, "row", "column", "printed", "ours", "difference", "why"]],
        f"The paper's numbers next to those of this run: {compared} of {len(beside)} can be compared",
        notes="difference: ours − printed. why: why there is no number of ours.",
        blocks="table",
        hidden=identity,
    )


def _layout(
    values: pd.DataFrame, rows: list[str], printed: pd.DataFrame, caption: str, notes: str, each: int = 1, value="pauc"
) -> Table:
    """Results side by side, a column a benchmark: those of the paper's table that were run, their mean, and all others.

    rows: the columns that name a row. printed: the paper's table. each: how many numbers (verifiers) a cell is the mean
    of; one with fewer is missing. A row has a mean if it has every benchmark that was run, XQLFW aside.
    """

    def wide(value: str) -> pd.DataFrame:
        cells = values.groupby([*rows, "benchmark"], sort=False, dropna=False)[value].agg(["mean", "count"])
        return cells["mean"].where(cells["count"] == each).unstack("benchmark", sort=False).dropna(axis=1, how="all")

    cells = wide(value)
    benchmarks = [name for name in printed["column"].unique() if name != paper.MEAN]
    complete = [name for name in benchmarks if name != paper.NOT_IN_MEAN]
    counted = [name for name in complete if name in cells]
    own = [name for name in cells if name not in benchmarks]
    found = [name for name in benchmarks if name in cells]
    frame = cells[[*found, *own]].astype(float)
    if counted:
        frame.insert(len(found), paper.MEAN, frame[counted].mean(axis=1, skipna=False))
    ranked, intervals = list(frame), dict[str, tuple[str, str]]()
    coarse = {}
    if "reliable" in values:
        few = ~values.groupby([*rows, "benchmark"], sort=False, dropna=False)["reliable"].min()
        coarse = {name: f"{name} is not reliable" for name in [*cells, *[paper.MEAN] * bool(counted)]}
        few = few.unstack("benchmark")[[*cells]].eq(True)
        few[paper.MEAN] = few[counted].any(axis=1)
        frame = frame.join(few[[*coarse]].rename(columns=coarse))
    if each == 1 and "pauc_low" in values:
        low, high = wide("pauc_low"), wide("pauc_high")
        intervals = {name: (f"{name} low", f"{name} high") for name in low}  # no benchmark has a space in its name
        for name, ends in intervals.items():
            place = frame.columns.get_loc(name)
            frame.insert(place + 1, ends[0], low[name])
            frame.insert(place + 2, ends[1], high[name])

    notes += f" Mean over {', '.join(counted)}." if counted else " No mean: none of the paper's benchmarks was run."
    if counted and counted != complete:
        notes += f" The printed mean is over {', '.join(complete)}."
    if paper.NOT_IN_MEAN in benchmarks:
        notes += f" {paper.NOT_IN_MEAN} is not in the mean, because its labels came from SER-FIQ."
    if own:
        notes += f" Not in the paper's table: {', '.join(own)}."
    frame = frame.rename_axis(columns=None).reset_index()
    return Table(frame, caption, dict.fromkeys(ranked, "min"), notes=notes, intervals=intervals, coarse=coarse)


def _by_strategy(table: Table) -> Table:
    """Rows of granularity, criterion and ratio in the two comparisons of Tables 3 and 4."""
    frame = STRATEGIES.merge(table.frame.sort_values("ratio"), on=SPEC[:2])
    frame[METHODS_COLUMN] += frame["ratio"].map(" ρ = {:g}".format).astype(str).where(frame["granularity"].notna(), "")
    first = ["block", *SPEC, METHODS_COLUMN]
    return replace(table, frame=frame[[*first, *frame.columns.drop(first)]], blocks="block", hidden=SPEC)


def _mean_over_models(values: pd.DataFrame, rows: list[str], printed: pd.DataFrame, caption: str) -> Table:
    """The layout of areas that are a mean over the FR models: the paper's four if all are there."""
    found = values["verifier"].unique().tolist()
    models = list(paper.VERIFIERS) if set(paper.VERIFIERS) <= set(found) else found
    part = values[values["verifier"].isin(models)]
    return _layout(part, rows, printed, caption, _setting(part, models), len(models))


def _setting(part: pd.DataFrame, models: Sequence[str] = ()) -> str:
    """Say how the areas were made, where they are not reliable, and over which FR models they are a mean."""
    limit = ", ".join(f"{value:g}" for value in part["limit"].unique())
    doubt = unreliable(part, "benchmark")
    mean = f"Mean over the FR models {', '.join(paper.VERIFIERS.get(name, name) for name in models)}." if models else ""
    setting = f"FMR {paper.FMR:g}, threshold {paper.THRESHOLD}, discard up to {limit}."
    return " ".join(filter(None, [setting, doubt, mean]))
