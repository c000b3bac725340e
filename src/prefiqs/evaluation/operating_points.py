"""Operating points: what it costs and brings to reject images below a quality before a recogniser compares them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.error_rates import false_non_match_rate, is_resolvable, threshold_at_fmr
from prefiqs.evaluation.pairs import pair_quality


def operating_points(
    comparison: Comparison,
    rejection_thresholds: Mapping[Any, ArrayLike],
    fmrs: Sequence[float] = (1e-3,),
    rule: str = "nearest",
) -> pd.DataFrame:
    """Return one row per verifier, key, rejection threshold and FMR, in this order.

    rejection_thresholds: by key, on the scale of its scores. An image is rejected if its score is below, a pair if one
    of its images is. The similarity threshold is that of `fmr` with nothing rejected, fixed as in deployment;
    rule: see `error_rates.threshold_at_fmr`; fmr_resolvable: at least 1/fmr impostor pairs set it.

    images_rejected, pairs_rejected: shares in [0, 1]. fnmr: of the pairs left, NaN without a genuine one.
    """
    rows = []
    for verifier, ranks in comparison.similarities.items():
        impostor = ranks.similarity[ranks.impostor_pairs]
        cutoffs = [(fmr, threshold_at_fmr(impostor, fmr, rule), is_resolvable(len(impostor), fmr)) for fmr in fmrs]
        for key, thresholds in rejection_thresholds.items():
            scores = comparison.scores[key]
            quality = pair_quality(scores, comparison.pairs)
            for threshold in np.asarray(thresholds):
                left = ranks.genuine_pairs[quality[ranks.genuine_pairs] >= threshold]
                shares = np.mean(scores < threshold), np.mean(quality < threshold)
                for fmr, cutoff, resolvable in cutoffs:
                    fnmr = false_non_match_rate(ranks.similarity[left], cutoff)
                    rows.append((verifier, key, threshold, *shares, fmr, fnmr, resolvable))
    columns = ["rejection_threshold", "images_rejected", "pairs_rejected", "fmr", "fnmr", "fmr_resolvable"]
    return pd.DataFrame(rows, columns=["verifier", "key", *columns])
