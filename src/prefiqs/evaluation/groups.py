"""How unequally a rejection threshold treats groups of people: shares rejected, errors, and their differentials.

* FTA-DD, the quality-related failure-to-acquire demographic differential: the Gini coefficient G of the shares R_i of n
  groups that are rejected at a threshold, G = n/(n−1) · Σ_i Σ_j |R_i − R_j| / (2n²·mean(R)), in [0, 1].
* MDG-DD, the mean discard gap: the largest minus the smallest share R_i, averaged over all thresholds from the lowest
  to the highest score, in [0, 1]. For whole scores this is the mean over all whole thresholds; for others, its limit.

For both, 0 = equal treatment, smaller = better. Source: ISO/IEC 29794-1 (working draft 3 of the next edition, formula
8), Dörsch et al., "Fairness measures for biometric quality assessment", arXiv:2408.11392, and the script of the
standard's editors, `DV-OFIQ-stats-with-plots.py`. Where that script drops images without a score, here they count as
rejected: their score is −∞. Both are above 0 by chance alone, and the more so, the fewer people there are: so each has
a level "by chance", the 95 % quantile when the groups of people are exchanged at random. Intervals are those of a
bootstrap over people.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from prefiqs.errors import InputError
from prefiqs.evaluation.bootstrap import share_interval
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.pairs import pair_quality

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Grouping(NamedTuple):
    """n images by group and person.

    names: of the groups, each of an image or more. group: (n,) int, −1 = in none. person: (n,) int, numbered from 0.
    """

    names: list[str]
    group: NDArray[np.integer]
    person: NDArray[np.integer]

    def of_people(self) -> NDArray[np.integer] | None:
        """Return the group of each person, −1 = none; None if somebody is in several groups, such as with glasses."""
        of = np.full(self.person.max() + 1, -1)
        of[self.person] = self.group
        return of if (of[self.person] == self.group).all() else None


def gini(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Gini coefficient of n rates, (…, n) in [0, 1], corrected for n; NaN if all are 0 or one is NaN."""
    n = rates.shape[-1]
    distances = np.abs(rates[..., :, None] - rates[..., None, :]).sum(axis=(-1, -2))
    mean = rates.mean(axis=-1)
    return np.where(mean > 0, n / (n - 1) * distances / (2 * n**2 * np.where(mean > 0, mean, 1)), np.nan)


def mean_discard_gap(levels: NDArray[np.float64], rejected: NDArray[np.float64]) -> float:
    """Return the mean of max − min of the shares rejected, over thresholds from the lowest to the highest score.

    levels: (k,) distinct scores, ascending, −∞ too. rejected: (k, n groups), the share of each group below each. NaN
    for fewer than two finite scores.
    """
    finite = np.isfinite(levels)
    if finite.sum() < 2:
        return np.nan
    levels, gaps = levels[finite], np.ptp(rejected[finite], axis=1)
    return float(gaps[1:] @ np.diff(levels) / np.ptp(levels))


def group_points(
    comparison: Comparison, points: pd.DataFrame, grouping: Grouping, draws: NDArray[np.uint16]
) -> pd.DataFrame:
    """Return one row per operating point that has a rejection threshold, and group.

    points: as of `operating_points.percentile_points` or `target_points`. draws: of `bootstrap.people_draws`; without
    any, there are no intervals.

    people, images, genuine: how many of the group; a genuine pair belongs to a group if both images do. rejected: share
    of its images; fnmr: of its genuine pairs left, at the similarity threshold of *all* pairs, NaN without one; each
    with _low and _high, a 95 % interval over people.
    """
    rows, (names, group, person) = [], grouping
    points = points.dropna(subset="rejection_threshold")
    for row in points.to_dict("records"):
        scores, ranks = comparison.scores[row["key"]], comparison.similarities[row["verifier"]]
        pairs = comparison.pairs[ranks.genuine_pairs]
        left = pair_quality(scores, pairs) >= row["rejection_threshold"]
        errors = ranks.genuine_similarity <= row["similarity_threshold"]
        for number, name in enumerate(names):
            own, own_pairs = group == number, (group[pairs] == number).all(axis=1)
            counts = dict(people=len(np.unique(person[own])), images=own.sum(), genuine=own_pairs.sum())
            images = _share("rejected", person, scores < row["rejection_threshold"], own, draws)
            fnmr = _share("fnmr", person[pairs[:, 0]], errors, left & own_pairs, draws)
            rows.append(row | dict(group=name) | counts | images | fnmr)
    return pd.DataFrame(rows)


def group_scores(comparison: Comparison, grouping: Grouping, draws: NDArray[np.uint16]) -> pd.DataFrame:
    """Return one row per key and group: how its scores are spread.

    people, images; without_score: share of the images, which the following ignore. q5, q25, q50, q75, q95: quantiles
    (the smallest score that so many are not above), each with _low and _high as in `group_points`.
    """
    rows = []
    for key, scores in comparison.scores.items():
        for number, name in enumerate(grouping.names):
            own = np.flatnonzero(grouping.group == number)
            scored = own[np.isfinite(scores[own])]
            order = scored[np.argsort(scores[scored])]
            values, person = scores[order], grouping.person[order]
            row = dict(key=key, group=name, people=len(np.unique(grouping.person[own])), images=len(own))
            row["without_score"] = 1 - len(scored) / len(own)
            estimate = _quantiles(values, np.ones(len(order)))
            ends = _quantiles_of([_quantiles(values, drawn[person]) for drawn in draws], [0.025, 0.975], estimate)
            for q, value, low, high in zip(QUANTILES, estimate, *ends, strict=True):
                row |= {f"q{100 * q:g}": value, f"q{100 * q:g}_low": low, f"q{100 * q:g}_high": high}
            rows.append(row)
    return pd.DataFrame(rows)


def differentials(
    comparison: Comparison, points: pd.DataFrame, grouping: Grouping, draws: NDArray[np.uint16], seed: int = 0
) -> pd.DataFrame:
    """Return one row per key and rejection threshold of `points`: fta_dd and mdg_dd (the same for each threshold).

    Each has _low and _high, a 95 % interval over people, and _chance: what 95 % of as many random exchanges of groups
    between people (by `seed`) stay below; NaN if somebody is in several groups.
    Raises InputError for fewer than two groups.
    """
    if len(grouping.names) < 2:
        raise InputError(f"Groups are compared, so at least two are needed, not {len(grouping.names)}.")
    labelled = np.flatnonzero(grouping.group >= 0)
    group, person = grouping.group[labelled], grouping.person[labelled]
    of_people = Grouping(grouping.names, group, person).of_people()
    parts = []
    for key, of_key in points.dropna(subset="rejection_threshold").groupby("key", sort=False):
        thresholds = of_key["rejection_threshold"].unique()
        measure = partial(_both, *np.unique(comparison.scores[key][labelled], return_inverse=True), thresholds)
        drawn = [measure(group, weights[person]) for weights in draws]
        exchanged = [measure(of[person]) for of in _exchanges(of_people, len(draws), seed)]
        estimate = measure(group)
        ends, chance = _quantiles_of(drawn, [0.025, 0.975], estimate), _quantiles_of(exchanged, [0.95], estimate)
        columns = {"key": key, "rejection_threshold": thresholds}
        for end, of in zip(("", "_low", "_high", "_chance"), (estimate, *ends, *chance), strict=True):
            columns |= {f"fta_dd{end}": of[:-1], f"mdg_dd{end}": of[-1]}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _both(
    levels: NDArray, level: NDArray, thresholds: NDArray, group: NDArray, weights: NDArray | None = None
) -> NDArray[np.float64]:
    """Return the Gini coefficient at each threshold, and last the mean discard gap, of images of weighted people."""
    n_groups = group.max() + 1
    counts = np.bincount(level * n_groups + group, weights, len(levels) * n_groups).reshape(-1, n_groups)
    with np.errstate(invalid="ignore"):  # a group that was not drawn has no share
        rejected = np.vstack([np.zeros(n_groups), counts.cumsum(axis=0)]) / counts.sum(axis=0)
    return np.append(gini(rejected[np.searchsorted(levels, thresholds)]), mean_discard_gap(levels, rejected[:-1]))


def _quantiles_of(rows: list[NDArray], quantiles: list[float], like: NDArray) -> NDArray[np.float64]:
    """Return quantiles of each column, (quantiles, columns), without NaN; NaN where there are no rows."""
    return pd.DataFrame(rows or [np.full(len(like), np.nan)]).quantile(quantiles).to_numpy(float)


def _exchanges(of_people: NDArray | None, times: int, seed: int) -> Iterator[NDArray]:
    """Yield the groups of people, exchanged at random among those that are in one."""
    if of_people is None:
        return
    rng, in_one = np.random.default_rng(seed), np.flatnonzero(of_people >= 0)
    for _ in range(times):
        exchanged = of_people.copy()
        exchanged[in_one] = rng.permutation(of_people[in_one])
        yield exchanged


def _quantiles(rising: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    ends = weights.cumsum()
    if not len(rising) or not ends[-1]:
        return np.full(len(QUANTILES), np.nan)
    return rising[np.searchsorted(ends, np.array(QUANTILES) * ends[-1] - 1e-9)]


def _share(name: str, person: NDArray, hits: NDArray, of: NDArray, draws: NDArray) -> dict[str, float]:
    """Return the share of `hits` among `of`, with its interval; both (k,) bool, of items that belong to people."""
    n_hits, total = (np.bincount(person[chosen], minlength=draws.shape[1]) for chosen in (hits & of, of))
    low, high = share_interval(n_hits, total, draws)
    return {name: n_hits.sum() / total.sum() if of.any() else np.nan, f"{name}_low": low, f"{name}_high": high}
