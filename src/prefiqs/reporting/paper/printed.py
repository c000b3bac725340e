"""What the paper prints, one row a number, and beside it the number of a run or why there is none."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from prefiqs.io.tables import read_table
from prefiqs.reporting.paper.results import (
    BENCHMARKS,
    ESTIMATOR,
    FMR,
    LIMIT,
    THRESHOLD,
    VERIFIERS,
    Passes,
    Results,
    of_table5,
)

FILES = {
    1: "table1_overview.csv",
    2: "table2_jacobian.csv",
    3: "table3_pruning_pauc.csv",
    4: "table4_verification_accuracy.csv",
    5: "table5_sota_pauc.csv",
}
NOT_IN_MEAN = "XQLFW"  # its labels came from SER-FIQ, one of the methods compared
MEAN = "mean"
PASSES = ("feed_forward", "backwards")
# Lines of Table 1 by the method of this package.
OVERVIEW = {
    "prefiqs": "PreFIQs (Ours)",
    "norm": "MagFace",
    "vit-fiqa": "ViT-FIQA(T)",
    "froq": "FROQ",
    "ser-fiq": "SER-FIQ",
    "faceqan": "FaceQAN",
    "grafiqs": "GraFIQs",
    "vitnt-fiqa": "ViTNT-FIQA",
}
KEYS = ("drift", "granularity", "criterion", "ratio", "verifier", "method")
_COLUMNS = {"rho": "ratio", "fr_model": "verifier", "mean_pauc": MEAN, "mean_accuracy": MEAN}
_NAMES = {name: verifier for verifier, name in VERIFIERS.items()}


def printed_numbers(folder: str | Path) -> pd.DataFrame:
    """The numbers of the five printed tables, line by line.

    folder: of the tables (`data/paper`). Returns the columns table (1 to 5), line (of that table, from 0), those of
    `KEYS`, column (a benchmark, "mean", or a kind of pass), printed (pAUC·10³, accuracy in %, or passes). Ratio 0
    without granularity and criterion: not pruned.
    """
    parts = []
    for number, file in FILES.items():
        wide = read_table(Path(folder) / file).rename(columns=_COLUMNS)
        wide = wide.replace({"granularity": {"none": None}, "criterion": {"none": None}, "verifier": _NAMES})
        values = [name for name in wide if name in (*BENCHMARKS, MEAN, *PASSES)]
        wide["line"] = wide.index
        long = wide.melt(["line", *(name for name in wide if name in KEYS)], values, "column", "printed")
        parts.append(long.sort_values("line", kind="stable").assign(table=number))
    return pd.concat(parts, ignore_index=True)[["table", "line", *KEYS, "column", "printed"]]


def printed_beside_ours(results: Results, passes: Passes, folder: str | Path, not_comparable: str = "") -> pd.DataFrame:
    """Each printed number beside ours where all that it depends on is as in the paper.

    passes: by method. folder: of the printed tables. not_comparable: why no result of this run can be compared; passes
    can always be. Returns the columns of `printed_numbers`, ours, difference (ours − printed), and why there is no
    number of ours ("" where there is).
    """
    numbers = printed_numbers(folder)
    compared = of_table5(results.areas, ESTIMATOR, numbers["method"][numbers["table"] == 5].unique())
    compared = compared.assign(method=compared["printed_as"]).dropna(subset="method")
    prefiqs = results.areas[results.areas["method"] == "prefiqs"]
    prefiqs = prefiqs[prefiqs["network"] == prefiqs["estimator"]]
    counted = pd.DataFrame(
        [
            (line, *kind_and_count)
            for method, line in OVERVIEW.items()
            for kind_and_count in zip(PASSES, passes.get(method) or (), strict=False)
        ],
        columns=["method", "column", "passes"],
    )
    benchmark, estimator = {"column": "no results on {column}"}, {"estimator": "no results of ArcFace ResNet-100"}
    pruned = dict.fromkeys(("granularity", "criterion", "ratio"), "not run")
    setting = {
        "verifier": "not verified by {verifier}",
        "threshold": "threshold not {threshold}",
        "fmr": "not at FMR {fmr:g}",
        "limit": "pAUC not up to {limit:g}",
    }
    found = {
        1: _beside(numbers, 1, counted, "passes", {"method": "not implemented here", "column": "not counted"}),
        2: _beside(numbers, 2, results.drifts, "pauc",
                   benchmark | estimator | {"drift": "not run", "ratio": "not run at ρ = {ratio:g}"} | setting),
        3: _beside(numbers, 3, prefiqs, "pauc", benchmark | estimator | pruned | setting),
        4: _beside(numbers, 4, results.accuracy, "accuracy",
                   benchmark | estimator | pruned | {"flip_test": "run without the flip test"}),
        5: _beside(numbers, 5, compared, "pauc", benchmark | {"method": "no scores of {method}"} | setting),
    }  # fmt: skip
    beside = numbers.join(pd.concat(found.values()))
    if not_comparable:
        beside.loc[beside["table"] > 1, ["ours", "why"]] = float("nan"), not_comparable
    beside.insert(beside.columns.get_loc("why"), "difference", beside["ours"] - beside["printed"])
    return beside


def _beside(
    numbers: pd.DataFrame, table: int, results: pd.DataFrame, value: str, conditions: Mapping[str, str]
) -> pd.DataFrame:
    """Find our numbers of one table, or the first of the conditions that no result meets: columns ours, why.

    conditions: column in which a result must be as in the paper -> what to say where none is.
    """
    numbers = numbers[numbers["table"] == table]
    wanted = numbers[numbers["column"] != MEAN]
    wanted = wanted.assign(estimator=ESTIMATOR, threshold=THRESHOLD, fmr=FMR, limit=LIMIT, flip_test=True)
    if "verifier" in conditions and wanted["verifier"].isna().all():  # printed is the mean over the FR models
        wanted = wanted.assign(verifier=[list(VERIFIERS)] * len(wanted)).explode("verifier")
    results = results.rename(columns={"benchmark": "column"})
    results = results.astype({key: wanted[key].dtype for key in conditions})  # an empty table has no types
    why = pd.Series("", index=range(len(wanted)))
    keys: list[str] = []
    for column, sentence in conditions.items():
        keys.append(column)
        met = wanted[keys].merge(results[keys].drop_duplicates().assign(met=True), "left", keys)["met"].notna()
        unmet = ~met & (why == "")
        why[unmet] = [sentence.format(**row) for row in wanted[unmet.to_numpy()].to_dict("records")]
    ours = wanted[keys].merge(results[[*keys, value]].drop_duplicates(keys), "left", keys)[value]
    found = pd.DataFrame({"ours": ours.to_numpy(), "why": why.to_numpy()}, index=wanted.index).groupby(level=0)
    found = pd.DataFrame({"ours": found["ours"].mean(skipna=False), "why": found["why"].max()})

    counted = numbers[~numbers["column"].isin([MEAN, NOT_IN_MEAN])].join(found)
    missing = counted[counted["why"] != ""].groupby("line")["column"].agg(", ".join)
    line = numbers["line"][numbers["column"] == MEAN]
    ours, why = (line.map(counted.groupby("line")["ours"].mean(skipna=False)), line.map(missing))
    why = why.map("the mean needs {}".format, na_action="ignore").astype(object).fillna("")
    return pd.concat([found, pd.DataFrame({"ours": ours, "why": why})])
