"""The areas of every method, verifier and benchmark of a published run, for its page of results."""

from pathlib import Path

import pandas as pd

from prefiqs.errors import InputError
from prefiqs.io.tables import read_table
from prefiqs.reporting.tables import marked


def results_of(reports: Path) -> pd.DataFrame:
    """Areas, times 1000, from `edc/BENCHMARK/ESTIMATOR/` of a run's reports; raises `InputError` if there are none.

    The random order is a method here: its area is the mean over the orders, low and high are the least and the largest.
    It has the convention of the threshold that the intervals have, and is as reliable as the norm.
    """
    parts = []
    for folder in sorted(path.parent for path in reports.glob("edc/*/*/areas.csv")):
        areas = read_table(folder / "areas.csv").rename(columns={"pauc_low": "low", "pauc_high": "high"})
        columns = {"random": "pauc", "random_low": "low", "random_high": "high"}
        chance = areas[areas["method"] == "norm"].dropna(subset="random")
        chance = chance[["verifier", "fmr", "threshold", "fnmr", "reliable", *columns]].rename(columns=columns)
        areas["method"], chance["method"] = marked(areas), "random order"
        parts += [part.assign(benchmark=folder.parent.name, estimator=folder.name) for part in (areas, chance)]
    if not parts:
        raise InputError(f"No published results: {reports / 'edc'} contains no areas.csv. Run `dvc repro` first.")
    return pd.concat(parts, ignore_index=True)


def shown_first(areas: pd.DataFrame, claims: pd.DataFrame) -> pd.Series:
    """The row of `results_of` whose benchmark, estimator, verifier, FMR and threshold are shown when the page opens.

    They are those of the first claim that is reliable, or of the first of all, with the estimator as the verifier.
    """
    same_model = areas[areas["estimator"] == areas["verifier"]].dropna(subset="low")
    judged = claims.sort_values("reliable", ascending=False, kind="stable")[["benchmark", "estimator"]].head(1)
    return (same_model.merge(judged) if len(judged) else same_model).iloc[0]
