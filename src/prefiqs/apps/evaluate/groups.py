"""What a rejection threshold does to groups of people: reads `--groups FILE:COLUMN`, makes tables and a figure."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from prefiqs.apps.evaluate.inputs import EvaluationInputs
from prefiqs.apps.evaluate.operating_points import on_own_scale
from prefiqs.errors import InputError
from prefiqs.evaluation.bootstrap import FEWEST_PEOPLE, numbered_people
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.groups import QUANTILES, Grouping, differentials, group_points, group_scores
from prefiqs.io.names import ImageNameIndex
from prefiqs.io.user_tables import find_column, names_of, read_user_table
from prefiqs.reporting.tables import Table

MOST = 20  # groups
_DIFFERENTIALS = (
    "fta_dd: Gini coefficient of the shares rejected by group at the threshold; mdg_dd: mean over all thresholds of "
    "the largest minus the smallest share. Both in [0, 1], 0 = equal. In brackets: 95 % interval over people. _chance: "
    "95th percentile under random permutation of the groups among people; a value below it shows no difference."
)


def read_groups(given: str, inputs: EvaluationInputs) -> Grouping:
    """Read FILE:COLUMN, a table with a column that names images (or people: `subject`) and one of groups.

    An image without a row or without a value is in no group, nor is a template with images of several groups.
    Raises InputError for another form, an unknown column, an image or a person in two groups, fewer than two groups or
    more than 20.
    """
    file, _, column = given.rpartition(":")
    path = Path(file)
    if not file:
        raise InputError(f"--groups needs FILE:COLUMN, such as people.csv:sex, not {given!r}.")
    tables = (read_user_table(path, {field: "str"}) for field in ("name", "subject"))
    table = next((table for table in tables if column in table), None)
    if table is None:
        raise InputError(f"{path} needs a column {column!r} and one that names images (name) or people (subject).")
    table = table[table[column].notna() & (table[column].astype(str).str.strip() != "")]
    values = np.array(
        [str(int(v)) if isinstance(v, float) and v.is_integer() else str(v).strip() for v in table[column]]
    )
    who = find_column(table, "subject")
    if who is not None and find_column(table, "name") is None:
        people = pd.Index(np.unique(inputs.subjects))
        asked, rows = table[who].astype(str).to_numpy(), people.get_indexer(table[who].astype(str))
        place = people.get_indexer(inputs.subjects)
    else:
        asked = names_of(table, path).to_numpy()
        rows, place = ImageNameIndex(inputs.names, "the images").rows(asked), np.arange(len(inputs.names))
    asked, rows, values = asked[rows >= 0], rows[rows >= 0], values[rows >= 0]
    if not len(rows):
        raise InputError(f"{path} names none of the compared images or people. Check the names.")
    names, number = np.unique(values, return_inverse=True)
    of = np.full(place.max() + 1, -1)
    of[rows] = number
    if len(twice := np.flatnonzero(of[rows] != number)):
        raise InputError(f"{path} has two values of {column} for {asked[twice[0]]!r}. Remove one of them.")
    group = of[place]
    if inputs.templates is not None and len(group) == len(inputs.names):
        of_images, rows = group, inputs.templates.rows
        group = of_images[np.unique(rows, return_index=True)[1]]
        group[rows[group[rows] != of_images]] = -1
    left = np.unique(group[group >= 0])
    if not 2 <= len(left) <= MOST:
        raise InputError(
            f"The column {column} of {path} must have 2 to {MOST} values for these images, not {len(left)}."
        )
    group = np.where(group < 0, -1, np.searchsorted(left, group))
    return Grouping(names[left].tolist(), group, numbered_people(inputs.subjects))


def group_tables(
    comparison: Comparison,
    points: pd.DataFrame,
    grouping: Grouping,
    draws: NDArray[np.uint16],
    seed: int,
    sign: Mapping[str, int],
    hidden: list[str],
) -> dict[str, Table]:
    """Return the tables `groups`, `group_differentials` and `group_scores`; columns as of `evaluation.groups`.

    points: those of percentiles and of targets, with `printed_thresholds`. sign: of each method.
    """
    found = on_own_scale(group_points(comparison, points, grouping, draws), sign)
    digits = {"percentile": 0}
    printed = {f"{share}, %": _with_intervals(found, share, 100) for share in ("rejected", "fnmr")}
    note = np.where(found["people"] < FEWEST_PEOPLE, "few people", "")
    numbers = [f"{share}{end}" for share in ("rejected", "fnmr") for end in ("", "_low", "_high")]
    caption = "Groups: images rejected and FNMR at each operating point"
    notes = (
        "In brackets: 95 % intervals over people; for a share of 0 or 100 %, the other limit is the exact binomial "
        f"bound with people as trials. few people: fewer than {FEWEST_PEOPLE}. A genuine pair is in a group if both "
        "images are."
    )
    hidden = [*hidden, "similarity_threshold", "rejection_threshold", "reliable"]
    groups = Table(
        found.assign(**printed, note=note), caption, digits=digits, notes=notes, hidden=[*hidden, *numbers],
        not_in_csv=["threshold", *printed, "note"],
    )  # fmt: skip
    apart = on_own_scale(
        points.merge(differentials(comparison, points, grouping, draws, seed), on=["key", "rejection_threshold"]), sign
    )
    intervals = ["fta_dd", "mdg_dd"] if len(draws) else []
    differential = Table(
        apart, "Groups: differentials of ISO/IEC 29794-1", digits={**digits, "fta_dd": 3, "mdg_dd": 3},
        notes=_DIFFERENTIALS, hidden=hidden, intervals=intervals, not_in_csv=["threshold"],
    )  # fmt: skip
    spread = group_scores(comparison, grouping, draws).rename(columns={"key": "method"})
    quantiles = [f"q{100 * q:g}" for q in QUANTILES]
    numbers = [f"{quantile}{end}" for quantile in quantiles for end in ("", "_low", "_high")]
    printed = {f"{quantile[1:]} %": _with_intervals(spread, quantile) for quantile in quantiles}
    negated = ", ".join(method for method, factor in sign.items() if factor < 0)
    notes = "5 % … 95 %: quantiles of the scores, with 95 % intervals over people." + (
        f" Negated, because lower is better: {negated}." if negated else ""
    )
    scores = Table(
        spread.assign(**printed),
        "Groups: distribution of the scores",
        notes=notes,
        hidden=numbers,
        not_in_csv=[*printed],
    )
    return {"groups": groups, "group_differentials": differential, "group_scores": scores}


def _with_intervals(table: pd.DataFrame, column: str, unit: float = 1) -> list[str]:
    """Print numbers with their intervals, times a unit, so that the width of the interval has two digits."""
    cells = []
    for value, low, high in unit * table[[column, f"{column}_low", f"{column}_high"]].to_numpy():
        if not high > low:
            cells.append("–" if np.isnan(value) else f"{value:.4g}".replace("-", "−"))
            continue
        places = max(0, 1 - math.floor(math.log10(high - low)))
        cells.append("{:.{p}f} [{:.{p}f}, {:.{p}f}]".format(value, low, high, p=places).replace("-", "−"))
    return cells
