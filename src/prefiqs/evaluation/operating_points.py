"""What a gate before a recogniser costs and brings: images below a quality are turned away and never compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from prefiqs.evaluation.error_rates import false_non_match_rate, is_reliable, threshold_at_fmr
from prefiqs.evaluation.inputs import as_genuine, as_scores, check_choice
from prefiqs.evaluation.pairs import pair_quality


def operating_points(
    scores: ArrayLike,
    similarity: ArrayLike,
    pairs: ArrayLike,
    genuine: ArrayLike,
    gates: Sequence[float],
    fmrs: Sequence[float] = (1e-3,),
    threshold: str = "fixed",
    rule: str = "nearest",
) -> pd.DataFrame:
    """One row a gate and FMR: what is discarded, and the FNMR of what passes.

    scores: (n,) higher = better. similarity: (P,) larger = more alike. pairs: (P, 2) int. genuine: (P,) bool.
    gates: qualities; an image passes if its score is at least the gate, a pair if both its images do.
    threshold: "fixed" where nothing is discarded, as a recogniser in use has it; or "recomputed" on what passes.

    Columns: gate; images_discarded, pairs_discarded (shares); fmr; fnmr (NaN where nothing genuine passes); reliable:
    at least 1/fmr impostor pairs set the threshold. Raises InputError as `error_discard_curve` does.
    """
    check_choice(threshold, "threshold", ("fixed", "recomputed"))
    scores = as_scores(scores, "scores")
    similarity = as_scores(similarity, "similarity")
    genuine = as_genuine(genuine, len(similarity))
    order = np.argsort(similarity)
    similarity, genuine, quality = similarity[order], genuine[order], pair_quality(scores, pairs)[order]
    rows = []
    for gate in gates:
        passed = quality >= gate
        setting = ~genuine if threshold == "fixed" else ~genuine & passed
        for fmr in fmrs:
            at = threshold_at_fmr(similarity[setting], fmr, rule)
            rows.append(
                {
                    "gate": gate,
                    "images_discarded": np.mean(scores < gate),
                    "pairs_discarded": 1 - np.mean(passed),
                    "fmr": fmr,
                    "fnmr": false_non_match_rate(similarity[genuine & passed], at),
                    "reliable": is_reliable(int(setting.sum()), fmr),
                }
            )
    return pd.DataFrame(rows)
