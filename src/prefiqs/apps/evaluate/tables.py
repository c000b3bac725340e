"""The tables of a report. `sign`: of each method, −1 if its scores were negated; `hidden`: columns only for the CSV."""

import math
from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Context
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from prefiqs.apps.evaluate.inputs import Settings
from prefiqs.evaluation.bootstrap import FEWEST_PEOPLE
from prefiqs.evaluation.comparison import Bootstraps, Comparison
from prefiqs.evaluation.groups import QUANTILES, Grouping, differentials, group_points, group_scores
from prefiqs.evaluation.tables import UNRELIABLE, differences_table
from prefiqs.reporting.tables import Table

METHOD = {"key": "method"}  # what users call keys
_DIGITS = {"images_rejected": 3, "pairs_rejected": 3, "fnmr": 4}
_POINTS = (
    "threshold: rejection threshold on the method's own scale, with as many digits as needed to reject the same "
    "images. Images below it (above it, if lower is better) are rejected, with all of their pairs; images without a "
    "score are always rejected. fnmr: of the remaining pairs, at the similarity threshold, which is fixed at the FMR "
    "with nothing rejected; in brackets, its 95 % interval over people at fixed thresholds. reliable: at least ten "
    "false matches are expected at the FMR."
)
_TARGETS = (
    " For a target, reliable also requires ten expected non-matches among the remaining pairs. There is no "
    "threshold if none reaches the target with at least 1/target genuine pairs left. The thresholds were chosen on "
    "these pairs, so expect a somewhat larger FNMR on others."
)
_GROUPS = (
    "In brackets: 95 % intervals over people; for a share of 0 or 100 %, the other limit is the exact binomial "
    f"bound with people as trials. few people: fewer than {FEWEST_PEOPLE}. A genuine pair is in a group if both "
    "images are."
)
_DIFFERENTIALS = (
    "fta_dd: Gini coefficient of the shares rejected by group at the threshold; mdg_dd: mean over all thresholds of "
    "the largest minus the smallest share. Both in [0, 1], 0 = equal. In brackets: 95 % interval over people. _chance: "
    "95th percentile under random permutation of the groups among people; a value below it shows no difference."
)


def area_table(
    areas: pd.DataFrame,
    chance: pd.DataFrame,
    intervals: pd.DataFrame,
    settings: Settings,
    title: str,
    hidden: list[str],
) -> Table:
    """Return the areas, random order included, with their intervals; best first for each verifier and FMR."""
    # In random order, errors stay longer than by quality: where a method is reliable, it is, too.
    of_all = areas.groupby(["verifier", "fmr"], sort=False)[["fnmr", "errors", "fmr_resolvable", "reliable"]].max()
    start = of_all.reset_index().assign(key="random order", pauc=chance["pauc_mean"].to_numpy())
    notes = (
        f"fnmr: with nothing discarded. pauc: ·10³, up to a discard fraction of {settings.limit:g}, threshold "
        f"{settings.threshold}; smaller is better."
    )
    hidden = [*hidden, "random", "errors", "fewest_errors", "false_matches", "fmr_resolvable"]
    if areas["reliable"].all():
        hidden += ["reliable"]
    else:
        notes += f" reliable: not with {UNRELIABLE}; other areas are printed with two digits."
    if settings.resamples:
        columns = ["verifier", "key", "fmr", "pauc_low", "pauc_high", "unit", "undefined"]
        areas = areas.merge(intervals[columns], "left", columns[:3])  # before random order, which has none
        notes += f" In brackets: 95 % bootstrap interval over {settings.resample_unit}."
        hidden += ["unit", "undefined"]
    areas = pd.concat([areas.assign(random=False), start.assign(random=True)], ignore_index=True)
    areas = _ordered(areas, "pauc").assign(few=~areas["reliable"])
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
        coarse={"pauc": "few", "auc": "few"},
    )


def difference_table(bootstraps: Bootstraps, limit: float, hidden: list[str]) -> Table:
    """Return the paired differences from the best method, by verifier and FMR; the smallest first."""
    differences = _ordered(differences_table(bootstraps, None, limit).rename(columns=METHOD), "difference")
    notes = (
        "low, high: 95 % interval of the difference, which allows for the choice of the best method and for the number "
        "of methods. If low is 0, the two cannot be told apart."
    )
    caption = "Differences of pAUC·10³ from the best method (above 0 is worse)"
    return Table(differences, caption, digits=2, notes=notes, hidden=[*hidden, "resamples", "unit"])


def threshold_table(thresholds: pd.DataFrame, hidden: list[str]) -> Table:
    """Return the table of `evaluation.operating_points.similarity_thresholds`."""
    notes = (
        "similarity_threshold: the cosine above which two images match. fnmr: with nothing rejected. false_matches: "
        "number expected among the impostor pairs; reliable: at least ten."
    )
    digits = {"similarity_threshold": 4, "fmr_realised": 6, "fnmr": 4, "false_matches": 1}
    caption = "Similarity threshold to set in the recogniser at each FMR"
    return Table(thresholds, caption, digits=digits, notes=notes, hidden=hidden)


def point_table(points: pd.DataFrame, sign: Mapping[str, int], hidden: list[str], by_target: bool = False) -> Table:
    """Return the table of `evaluation.operating_points.operating_points`, with `printed_thresholds`.

    by_target: of `target_points`, where no threshold means that none reaches the target; else of `percentile_points`.
    """
    caption = "Operating points: images below a percentile of the scores are rejected"
    if by_target:
        caption = "Operating points for a target FNMR: the lowest rejection threshold that reaches it"
    hidden, notes = [*hidden, "similarity_threshold", "rejection_threshold"], _POINTS + _TARGETS * by_target
    own = _on_own_scale(points, sign)
    return Table(own, caption, {}, _DIGITS, notes, hidden=hidden, not_in_csv=["threshold"], intervals=["fnmr"])


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

    points: those of percentiles and of targets, with `printed_thresholds`.
    """
    found = _on_own_scale(group_points(comparison, points, grouping, draws), sign)
    shares = ("rejected", "fnmr")
    printed: dict[str, Any] = {f"{share}, %": _with_intervals(found, share, 100) for share in shares}
    printed["note"] = np.where(found["people"] < FEWEST_PEOPLE, "few people", "")
    hidden = [*hidden, "similarity_threshold", "rejection_threshold", "reliable"]
    groups = Table(
        found.assign(**printed), "Groups: images rejected and FNMR at each operating point", digits={"percentile": 0},
        notes=_GROUPS, hidden=[*hidden, *_and_bounds(shares)], not_in_csv=["threshold", *printed],
    )  # fmt: skip
    apart = points.merge(differentials(comparison, points, grouping, draws, seed), on=["key", "rejection_threshold"])
    differential = Table(
        _on_own_scale(apart, sign), "Groups: differentials of ISO/IEC 29794-1",
        digits={"percentile": 0, "fta_dd": 3, "mdg_dd": 3}, notes=_DIFFERENTIALS, hidden=hidden,
        intervals=["fta_dd", "mdg_dd"] if len(draws) else [], not_in_csv=["threshold"],
    )  # fmt: skip
    spread = group_scores(comparison, grouping, draws).rename(columns=METHOD)
    quantiles = [f"q{100 * q:g}" for q in QUANTILES]
    printed = {f"{quantile[1:]} %": _with_intervals(spread, quantile) for quantile in quantiles}
    notes = "5 % … 95 %: quantiles of the scores, with 95 % intervals over people."
    if negated := ", ".join(method for method, factor in sign.items() if factor < 0):
        notes += f" Negated, because lower is better: {negated}."
    scores = Table(
        spread.assign(**printed), "Groups: distribution of the scores", notes=notes, hidden=_and_bounds(quantiles),
        not_in_csv=[*printed],
    )  # fmt: skip
    return {"groups": groups, "group_differentials": differential, "group_scores": scores}


def printed_thresholds(
    points: pd.DataFrame, scores: Mapping[Any, np.ndarray], sign: Mapping[str, int]
) -> list[str | None]:
    """Return the rejection threshold of each point on the scale of the method's own scores; None where there is none.

    scores: by key, higher = better. Four significant digits, or as many more as it takes to reject the same images,
    rounded to the side on which images are accepted.
    """
    levels = zip(points["key"], points["rejection_threshold"], strict=True)
    return [None if np.isnan(level) else _printed(level, scores[key], sign[key]) for key, level in levels]


def _printed(level: float, scores: np.ndarray, sign: int) -> str:
    rejected = scores[scores < level].max(initial=-np.inf)
    for digits in range(4, 17):
        rounded = float(Context(digits, ROUND_FLOOR).create_decimal_from_float(level))
        text = f"{sign * rounded + 0.0:.{digits}g}"  # never -0
        if rejected < sign * float(text) <= level:
            break
    else:
        text = repr(sign * level)
    return text.replace("-", "−")


def _on_own_scale(points: pd.DataFrame, sign: Mapping[str, int]) -> pd.DataFrame:
    points = points.rename(columns=METHOD)
    return points.assign(rejection_threshold=points["rejection_threshold"] * points["method"].map(sign))


def _ordered(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Sort by a column within each verifier and FMR."""
    return table.iloc[np.lexsort([table[column], table.groupby(["verifier", "fmr"], sort=False).ngroup()])]


def _and_bounds(columns: Sequence[str]) -> list[str]:
    return [f"{column}{end}" for column in columns for end in ("", "_low", "_high")]


def _with_intervals(table: pd.DataFrame, column: str, unit: float = 1) -> list[str]:
    """Print numbers with their intervals, times a unit, so that the width of the interval has two digits."""
    cells = []
    for value, low, high in unit * table[_and_bounds([column])].to_numpy():
        if high > low:
            places = max(0, 1 - math.floor(math.log10(high - low)))
            cells.append("{:.{p}f} [{:.{p}f}, {:.{p}f}]".format(value, low, high, p=places))
        else:
            cells.append("–" if np.isnan(value) else f"{value:.4g}")
    return [cell.replace("-", "−") for cell in cells]
