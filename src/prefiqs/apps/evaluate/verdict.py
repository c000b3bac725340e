"""The verdict on several methods in words."""

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from prefiqs.evaluation.bootstrap import FEW_PEOPLE, FEWEST_PEOPLE, Difference
from prefiqs.evaluation.comparison import Bootstraps
from prefiqs.evaluation.verdict import Verdict, verdict

NEXT = 3  # ties of the best whose difference is said


def verdicts_in_words(
    bootstraps: Bootstraps,
    thresholds: pd.DataFrame,
    targets: pd.DataFrame,
    sign: Mapping[str, int],
    limit: float,
    people: int,
) -> dict[str, str]:
    """Return a paragraph for each verifier and FMR, by a heading.

    thresholds, targets: of `evaluation.operating_points`, with `printed_thresholds`. people: who have pairs of either
    kind.
    """
    several = thresholds["verifier"].nunique() > 1
    found = {}
    for row in thresholds.itertuples():
        text = [f"Set the recogniser's similarity threshold to {row.similarity_threshold:.4f}."]
        if drawn := bootstraps.get((row.verifier, row.fmr)):
            judged = verdict(drawn, limit)
            area = drawn.curves[judged.best].pauc(limit) if judged.best is not None else None
            text.insert(0, in_words(judged, area))
            mine = (targets["verifier"] == row.verifier) & (targets["fmr"] == row.fmr)
            mine &= targets["key"] == judged.recommended
            text += [target_in_words(point, sign[point.key]) for point in targets[mine].itertuples()]
        if people < FEW_PEOPLE and (bootstraps or people < FEWEST_PEOPLE):
            text.append(_few_people(people))
        if not row.reliable:
            text.append(
                f"Do not rely on these numbers: at this FMR, {row.false_matches:.2g} false matches are expected among "
                "the impostor pairs, but at least ten are needed. Use a larger FMR or more impostor pairs."
            )
        found[f"{row.verifier}, FMR {row.fmr:g}" if several else f"FMR {row.fmr:g}"] = " ".join(text)
    return found


def _few_people(people: int) -> str:
    who = f"The genuine pairs, or the impostor pairs, show {people} people only"
    if people < FEWEST_PEOPLE:
        return f"{who}: no intervals and no verdict on methods are given for fewer than {FEWEST_PEOPLE}."
    return f"{who}, so take this with caution: for fewer than {FEW_PEOPLE}, intervals may be too narrow."


def target_in_words(point: Any, sign: int) -> str:
    """Say below which score to reject for a wanted FNMR, and what that costs. point: a row of `target_table`."""
    wanted = f"an FNMR of at most {100 * point.target_fnmr:g} %"
    if point.rejection_threshold != point.rejection_threshold:
        return f"No rejection threshold of {point.key} reaches {wanted}."
    where = f"{'below' if sign > 0 else 'above'} {point.threshold}"
    cost = f"{point.images_rejected:.1%} of the images and {point.pairs_rejected:.1%} of the pairs".replace("%", " %")
    rough = "" if point.reliable else " This is only a rough estimate, because there are too few pairs."
    return f"For {wanted}, reject images whose {point.key} score is {where}. This rejects {cost}.{rough}"


def in_words(judged: Verdict, area: float | None) -> str:
    """Say which method is best and by how much, whether methods beat random order, and which one to use."""
    if judged.best is None or area is None:
        return "No method has a pAUC at this FMR, because too few pairs are left."
    worse = [key for key in judged.behind if key not in judged.tied]
    nearest = {key: judged.behind[key] for key in [*judged.tied[:NEXT], *worse[:1]]}
    text = [f"The best method is {judged.best} (pAUC·10³ {1e3 * area:.1f}; smaller is better)."]
    if judged.tied:
        ties = _listed([_with_interval(key, nearest.get(key)) for key in judged.tied])
        text.append(f"It cannot be told apart from {ties}: the 95 % interval of the difference in pAUC·10³ contains 0.")
    if worse:
        others = _listed([_with_interval(key, nearest.get(key)) for key in worse])
        text.append(f"It is better than {others}.")
    failing = [key for key in judged.gain if key not in judged.useful]
    if not failing:
        text.append("It beats random order." if len(judged.gain) == 1 else "All methods beat random order.")
    elif judged.useful:
        text.append(f"Not shown to beat random order: {_listed(failing)}.")
    else:
        text.append("No method was shown to beat random order, so none is recommended.")
    if judged.recommended is not None:
        text.append(f"Recommended: {judged.recommended}.")
        if judged.tied:
            text.append("Of the best methods that beat random order, it comes first in the order given.")
    elif judged.useful:
        text.append("None is recommended, because none of the best methods was shown to beat random order.")
    return " ".join(text)


def _with_interval(key: object, difference: Difference | None) -> str:
    if difference is None:
        return str(key)
    ends = (f"{1e3 * value:+.1f}".replace("-", "−") for value in difference[:3])
    return "{} ({} [{}, {}])".format(key, *ends)


def _listed(words: Collection[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
