"""Tables of areas and of their differences from the best method."""

import numpy as np
import pandas as pd

from prefiqs.apps.evaluate.settings import Settings
from prefiqs.evaluation.comparison import Bootstraps
from prefiqs.evaluation.tables import FEW_ERRORS, differences_table
from prefiqs.reporting.tables import Table

METHOD = {"key": "method"}  # what users call keys


def area_table(
    areas: pd.DataFrame,
    chance: pd.DataFrame,
    intervals: pd.DataFrame,
    settings: Settings,
    title: str,
    hidden: list[str],
) -> Table:
    """Return the areas, random order included, with their intervals; best first for each verifier and FMR."""
    of_all = areas.drop_duplicates(["verifier", "fmr"])[["verifier", "fmr", "fnmr", "errors", "fmr_resolvable"]]
    start = of_all.assign(key="random order", pauc=chance["pauc_mean"].to_numpy())
    areas = pd.concat([areas.assign(random=False), start.assign(random=True)], ignore_index=True)
    notes = (
        f"fnmr: with nothing discarded. pauc: ·10³, up to a discard fraction of {settings.limit:g}, threshold "
        f"{settings.threshold}; smaller is better."
    )
    if (areas["errors"] < FEW_ERRORS).any():
        notes += f" No third digit where fewer than {FEW_ERRORS} genuine pairs are rejected."
    hidden = [*hidden, "random", "errors"]
    if areas["fmr_resolvable"].all():
        hidden += ["fmr_resolvable"]
    else:
        notes += " fmr_resolvable: at least 1/FMR impostor pairs are left at this discard fraction."
    if settings.resamples:
        columns = ["verifier", "key", "fmr", "pauc_low", "pauc_high", "unit", "undefined"]
        areas = areas.merge(intervals[columns], "left", columns[:3])
        notes += f" In brackets: 95 % bootstrap interval over {settings.resample_unit}."
        hidden += ["unit", "undefined"]
    areas = _ordered(areas, "pauc")
    few = (areas["errors"] < FEW_ERRORS).tolist()
    return Table(
        areas.rename(columns=METHOD),
        f"Areas under the error-versus-discard curves of {title} (smaller is better)",
        best={"pauc": "min", "auc": "min"},
        digits={"fnmr": 4, "pauc": 2, "auc": 2},
        notes=notes,
        hidden=hidden,
        not_in_csv=["random"],
        within=dict.fromkeys(["pauc", "auc"], ["verifier", "fmr", "random"]),  # the random order does not compete
        intervals=["pauc"] if settings.resamples else (),
        coarse={"pauc": few, "auc": few},
    )


def difference_table(bootstraps: Bootstraps, limit: float, hidden: list[str]) -> Table:
    """Return the paired differences from the best method, by verifier and FMR; the smallest first."""
    differences = _ordered(differences_table(bootstraps, None, limit).rename(columns=METHOD), "difference")
    notes = (
        "low, high: 95 % interval of the paired difference. If it contains 0, the two cannot be told apart. The "
        "intervals are not corrected for the choice of the best method on the same pairs, nor for the number of "
        "methods: of many equally good ones, some look worse by chance."
    )
    caption = "Differences of pAUC·10³ from the best method (above 0 is worse)"
    return Table(differences, caption, digits=2, notes=notes, hidden=[*hidden, "resamples", "unit"])


def _ordered(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Sort by a column within each verifier and FMR."""
    return table.iloc[np.lexsort([table[column], table.groupby(["verifier", "fmr"], sort=False).ngroup()])]
