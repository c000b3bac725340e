"""Confidence intervals of all methods against all verifiers on one benchmark, beside the tables of `study`."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from prefiqs.evaluation.bootstrap import BootstrapCurves, bootstrap_curves
from prefiqs.evaluation.pairs import cosine_similarity, pair_quality

# Bootstrapped curves of all methods by verifier and target FMR.
Bootstraps = dict[tuple[str, float], BootstrapCurves]


def bootstrap_methods(
    scores: Mapping[str, ArrayLike],
    embeddings: Mapping[str, ArrayLike],
    pairs: NDArray[np.integer],
    genuine: ArrayLike,
    fmrs: Sequence[float],
    subjects: ArrayLike | None = None,
    **options,
) -> Bootstraps:
    """Resample all methods for each verifier, on the same resamples for all of them.

    scores: (n,) by method, higher = better. embeddings: (n, d) by verifier, raw or normalised.
    pairs: (P, 2) int. genuine: (P,) bool. subjects: (n,) who is shown; people are drawn, or pairs if None.
    options: resamples, seed, discard, threshold, rule as for `bootstrap_curves`.
    Where templates are compared, scores, embeddings and subjects are theirs: `templates.comparison_units`.
    """
    qualities = {method: pair_quality(score, pairs) for method, score in scores.items()}
    people = None if subjects is None else np.asarray(subjects)[pairs]
    bootstraps: Bootstraps = {}
    for verifier, embedding in embeddings.items():
        similarity = cosine_similarity(embedding, pairs)
        results = bootstrap_curves(similarity, genuine, qualities, fmrs, people, **options)
        bootstraps |= {(verifier, fmr): result for fmr, result in zip(fmrs, results, strict=True)}
    return bootstraps


def intervals_table(bootstraps: Bootstraps, limit: float, level: float = 0.95) -> pd.DataFrame:
    """One row a verifier, method and FMR: pauc and the ends of its interval (·10³).

    reliable: of the curve up to `limit`; without it the interval is far too narrow. resamples, unit: how many and of
    what. undefined: resamples without an area, left out of the interval. redrawn: draws without genuine or without
    impostor pairs, made anew.
    """
    rows = []
    for (verifier, fmr), bootstrap in bootstraps.items():
        for method, curve in bootstrap.curves.items():
            low, high = bootstrap.interval(method, limit, level)
            rows.append(
                {
                    "verifier": verifier,
                    "method": method,
                    "fmr": fmr,
                    "pauc": 1e3 * curve.pauc(limit),
                    "pauc_low": 1e3 * low,
                    "pauc_high": 1e3 * high,
                    "reliable": bool(curve.reliable[curve.discard <= limit].all()),
                    "resamples": len(bootstrap.fnmr[method]),
                    "unit": bootstrap.unit,
                    "undefined": bootstrap.undefined(method, limit),
                    "redrawn": bootstrap.redrawn,
                }
            )
    return pd.DataFrame(rows)


def differences_table(bootstraps: Bootstraps, reference: str, limit: float, level: float = 0.95) -> pd.DataFrame:
    """One row a verifier, FMR and method other than `reference`: its pAUC minus that of `reference`, with interval.

    difference, low, high: ·10³, below 0 = the method is better. share_better: of the resamples in which it is better.
    """
    rows = []
    for (verifier, fmr), bootstrap in bootstraps.items():
        for method in (m for m in bootstrap.curves if m != reference):
            found = bootstrap.difference(method, reference, limit, level)
            rows.append(
                {
                    "verifier": verifier,
                    "method": method,
                    "reference": reference,
                    "fmr": fmr,
                    "difference": 1e3 * found.estimate,
                    "low": 1e3 * found.low,
                    "high": 1e3 * found.high,
                    "share_better": found.share_negative,
                    "resamples": len(bootstrap.fnmr[method]),
                    "unit": bootstrap.unit,
                }
            )
    return pd.DataFrame(rows)
