"""Operating points: what it costs and brings to reject images below a quality before a recogniser compares them.

The similarity threshold is that of the target FMR with nothing rejected, and stays fixed, as in a recogniser in use. An
image without a score (a failure to acquire, ISO/IEC 19795-1) has the score −∞, so it is rejected at every threshold.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from prefiqs.evaluation.bootstrap import share_interval
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.error_rates import false_non_match_rate, threshold_at_fmr
from prefiqs.evaluation.inputs import as_fraction
from prefiqs.evaluation.pairs import pair_quality

_POINT = ["verifier", "key", "fmr", "similarity_threshold", "reliable"]


def similarity_thresholds(comparison: Comparison, fmrs: Sequence[float], rule: str = "nearest") -> pd.DataFrame:
    """Return one row per verifier and FMR: what to set in the recogniser, with nothing rejected.

    similarity_threshold: pairs match above it; rule: see `error_rates.threshold_at_fmr`, with "nearest" for "cr-fiqa",
    because a recogniser decides about all pairs alike. fmr_realised, fnmr: at that threshold, in [0, 1].
    false_matches: how many impostor pairs are expected above the threshold; reliable: ten or more.
    """
    rows = []
    for verifier, ranks in comparison.similarities.items():
        impostor = ranks.similarity[ranks.impostor_pairs]
        for fmr in fmrs:
            threshold = threshold_at_fmr(impostor, fmr, "nearest" if rule == "cr-fiqa" else rule)
            realised = 1 - np.searchsorted(impostor, threshold, side="right") / len(impostor)
            fnmr = false_non_match_rate(ranks.genuine_similarity, threshold)
            enough = len(impostor) * as_fraction(fmr) >= 10  # fewer expected false matches make the threshold a guess
            rows.append((verifier, fmr, threshold, realised, fnmr, len(impostor) * fmr, enough))
    columns = ["similarity_threshold", "fmr_realised", "fnmr", "false_matches", "reliable"]
    return pd.DataFrame(rows, columns=["verifier", "fmr", *columns])


def percentile_points(comparison: Comparison, thresholds: pd.DataFrame, percentiles: Sequence[float]) -> pd.DataFrame:
    """Return the rejection thresholds at percentiles, in [0, 100], of the scores of each measure; images without none.

    thresholds: as of `similarity_thresholds`. Returns one row per verifier, key, percentile and FMR: verifier, key,
    fmr, similarity_threshold, reliable, percentile, rejection_threshold.
    """
    shares = np.array(percentiles) / 100
    levels = {key: np.quantile(scores[np.isfinite(scores)], shares) for key, scores in comparison.scores.items()}
    rows = [
        (verifier, key, row.fmr, row.similarity_threshold, row.reliable, percentile, level)
        for verifier, of_verifier in thresholds.groupby("verifier", sort=False)
        for key in levels
        for percentile, level in zip(percentiles, levels[key], strict=True)
        for row in of_verifier.itertuples()
    ]
    return pd.DataFrame(rows, columns=[*_POINT, "percentile", "rejection_threshold"])


def target_points(comparison: Comparison, thresholds: pd.DataFrame, target_fnmrs: Sequence[float]) -> pd.DataFrame:
    """Return the lowest rejection threshold at which the FNMR of the pairs left is at most a target, in (0, 1).

    Candidates are the scores of the images. NaN if none reaches it while 1/target genuine pairs are left. The FNMR may
    be above the target again at a higher threshold.

    Returns one row per verifier, key, target and FMR: as of `percentile_points`, with target_fnmr for percentile.
    reliable: also, ten or more non-matches are expected at the target among the genuine pairs left.
    """
    candidates = {key: np.unique(scores[np.isfinite(scores)]) for key, scores in comparison.scores.items()}
    rows = []
    for verifier, of_verifier in thresholds.groupby("verifier", sort=False):
        ranks = comparison.similarities[verifier]
        for key, levels in candidates.items():
            quality = pair_quality(comparison.scores[key], comparison.pairs[ranks.genuine_pairs])
            left = len(quality) - np.searchsorted(np.sort(quality), levels)
            for target, row in product(target_fnmrs, of_verifier.itertuples()):
                n_errors = np.searchsorted(ranks.genuine_similarity, row.similarity_threshold, side="right")
                errors = n_errors - np.searchsorted(np.sort(quality[:n_errors]), levels)
                most = as_fraction(target)
                expected = left * most.numerator  # times the denominator: whole numbers do not round
                met = np.flatnonzero((expected >= most.denominator) & (errors * most.denominator <= expected))
                level, enough = np.nan, False
                if len(met):
                    level, enough = levels[met[0]], bool(expected[met[0]] >= 10 * most.denominator)
                rows.append((verifier, key, row.fmr, row.similarity_threshold, row.reliable and enough, target, level))
    return pd.DataFrame(rows, columns=[*_POINT, "target_fnmr", "rejection_threshold"])


def operating_points(
    comparison: Comparison, points: pd.DataFrame, people: ArrayLike, draws: NDArray[np.uint16], n_lost: int = 0
) -> pd.DataFrame:
    """Add what is rejected and what errors remain to points with verifier, key, similarity and rejection threshold.

    An image is rejected if its score is below the rejection threshold, a pair if one of its images is.
    people: (n,) int, who is shown on each row that pairs refer to. draws: of `bootstrap.people_draws`.
    n_lost: pairs that could not be compared, which count as rejected.

    images_rejected, pairs_rejected: shares in [0, 1]. fnmr: of the pairs left, NaN without a genuine one; fnmr_low,
    fnmr_high: its 95 % interval over people, at these thresholds. All are NaN where there is no rejection threshold.
    """
    people, found = np.asarray(people), []
    for key, of_key in points.groupby("key", sort=False):
        scores = comparison.scores[key]
        quality = pair_quality(scores, comparison.pairs)
        for row in of_key.dropna(subset="rejection_threshold").itertuples():
            ranks, threshold = comparison.similarities[row.verifier], row.rejection_threshold
            left = ranks.genuine_pairs[quality[ranks.genuine_pairs] >= threshold]
            errors = ranks.similarity[left] <= row.similarity_threshold
            person = people[comparison.pairs[left, 0]]
            counts = np.bincount(person, errors, draws.shape[1]), np.bincount(person, minlength=draws.shape[1])
            pairs = (np.sum(quality < threshold) + n_lost) / (len(quality) + n_lost)
            fnmr = errors.mean() if len(errors) else np.nan, *share_interval(counts[0], counts[1], draws)
            found.append((row.Index, np.mean(scores < threshold), pairs, *fnmr))
    columns = ["index", "images_rejected", "pairs_rejected", "fnmr", "fnmr_low", "fnmr_high"]
    return points.join(pd.DataFrame(found, columns=columns).set_index("index"))
