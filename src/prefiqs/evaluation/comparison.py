"""All methods against all verifiers on one benchmark: curves, their areas, and the random order they must beat."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from prefiqs.evaluation.curve import Curve
from prefiqs.evaluation.edc import curves_of_sorted
from prefiqs.evaluation.pairs import cosine_similarity, pair_levels
from prefiqs.evaluation.random_order import RandomOrder, random_quality
from prefiqs.evaluation.ranking import sort_by_quality, sort_by_similarity
from prefiqs.evaluation.templates import ImageTemplates, template_quality

# Curves by verifier, method and target FMR.
Curves = dict[tuple[str, str, float], Curve]


def discard_grid(step: float) -> np.ndarray:
    """Discard fractions 0, step, 2·step … up to 0.95."""
    return np.round(np.arange(0, 0.95 + step / 2, step), 10)


def compare_methods(
    scores: Mapping[str, ArrayLike],
    embeddings: Mapping[str, ArrayLike],
    pairs: ArrayLike,
    genuine: ArrayLike,
    fmrs: Sequence[float],
    **options,
) -> Curves:
    """One curve for each verifier, method and FMR.

    scores: (n,) by method, higher = better. embeddings: (n, d) by verifier, raw or normalised.
    pairs: (P, 2) int. genuine: (P,) bool. options: discard, threshold, rule as for `error_discard_curve`.
    Where templates are compared, scores and embeddings are theirs: `templates.comparison_units`.
    """
    qualities = {method: sort_by_quality(pair_levels(score, pairs)) for method, score in scores.items()}
    curves: Curves = {}
    for verifier, embedding in embeddings.items():
        similarity = sort_by_similarity(cosine_similarity(embedding, pairs), genuine)
        for method, quality in qualities.items():
            for curve in curves_of_sorted(similarity, quality, fmrs, **options):
                curves[verifier, method, curve.target_fmr] = curve
    return curves


def random_orders(
    embeddings: Mapping[str, ArrayLike],
    pairs: ArrayLike,
    genuine: ArrayLike,
    fmrs: Sequence[float],
    n_images: int,
    seeds: int,
    limit: float,
    templates: ImageTemplates | None = None,
    **options,
) -> dict[tuple[str, float], RandomOrder]:
    """The random baseline by verifier and FMR, `seeds` orders each; arguments as for `compare_methods`.

    Qualities are drawn for the `n_images` images, and where templates are compared, reduced as those of any measure: a
    template of many images is likely to hold a poor one, by chance too.
    """
    similarities = {v: sort_by_similarity(cosine_similarity(e, pairs), genuine) for v, e in embeddings.items()}
    curves: dict[tuple[str, float], list[Curve]] = {(v, fmr): [] for v in embeddings for fmr in fmrs}
    for seed in range(seeds):
        drawn = random_quality(n_images, seed)
        scores = drawn if templates is None else template_quality(drawn, templates)
        quality = sort_by_quality(pair_levels(scores, pairs))
        for verifier, similarity in similarities.items():
            for curve in curves_of_sorted(similarity, quality, fmrs, **options):
                curves[verifier, curve.target_fmr].append(curve)
    return {of: RandomOrder.of(drawn, limit) for of, drawn in curves.items()}


def areas_table(curves: Curves, limit: float) -> pd.DataFrame:
    """One row a curve: verifier, method, fmr, fnmr (nothing discarded), pauc and auc (·10³), reliable up to `limit`."""
    rows = [
        {
            "verifier": verifier,
            "method": method,
            "fmr": fmr,
            "fnmr": curve.fnmr[0],
            "pauc": 1e3 * curve.pauc(limit),
            "auc": 1e3 * curve.auc(),
            "reliable": bool(curve.reliable[curve.discard <= limit].all()),
        }
        for (verifier, method, fmr), curve in curves.items()
    ]
    return pd.DataFrame(rows, columns=["verifier", "method", "fmr", "fnmr", "pauc", "auc", "reliable"])


def curves_table(curves: Curves) -> pd.DataFrame:
    """One row a point of a curve, with how many pairs are left and whether the point is reliable."""
    parts = []
    for (verifier, method, fmr), curve in curves.items():
        points = {
            "discard": curve.discard,
            "fnmr": curve.fnmr,
            "threshold": curve.thresholds,
            "fmr_realised": curve.fmr,
            "n_genuine": curve.n_genuine,
            "n_impostor": curve.n_impostor,
            "reliable": curve.reliable,
        }
        parts.append(pd.DataFrame({"verifier": verifier, "method": method, "fmr": fmr, **points}))
    return pd.concat(parts, ignore_index=True)


def random_table(orders: Mapping[tuple[str, float], RandomOrder]) -> pd.DataFrame:
    """One row a verifier and FMR: mean, standard deviation, smallest and largest pAUC·10³ of the random orders."""
    rows = [
        {
            "verifier": verifier,
            "fmr": fmr,
            "pauc_mean": 1e3 * order.pauc_mean,
            "pauc_std": 1e3 * order.pauc_std,
            "pauc_min": 1e3 * order.pauc.min(),
            "pauc_max": 1e3 * order.pauc.max(),
            "orders": len(order.pauc),
        }
        for (verifier, fmr), order in orders.items()
    ]
    return pd.DataFrame(rows)


def random_curves_table(orders: Mapping[tuple[str, float], RandomOrder]) -> pd.DataFrame:
    """One row a point: FNMR of the random orders at each discard fraction, their mean and 5 % and 95 % quantiles."""
    parts = []
    for (verifier, fmr), order in orders.items():
        low, high = order.band(0.9)
        points = {"discard": order.discard, "fnmr": order.fnmr.mean(axis=0), "low": low, "high": high}
        parts.append(pd.DataFrame({"verifier": verifier, "fmr": fmr, **points}))
    return pd.concat(parts, ignore_index=True)
