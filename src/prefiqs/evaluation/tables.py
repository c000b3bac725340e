"""Curves, random orders and bootstraps of a `Comparison` as long tables; every area is multiplied by 1,000."""

from collections.abc import Hashable

import pandas as pd

from prefiqs.evaluation.comparison import Bootstraps, Curves, RandomOrders


def areas_table(curves: Curves, limit: float) -> pd.DataFrame:
    """Return one row a curve: verifier, key, fmr, fnmr (nothing discarded), pauc, auc (·10³), fmr_resolvable.

    limit: upper end of pauc and of fmr_resolvable, which is False where a point up to there is (see `Curve`).
    """
    rows = [
        {
            "verifier": verifier,
            "key": key,
            "fmr": fmr,
            "fnmr": curve.fnmr[0],
            "pauc": 1e3 * curve.pauc(limit),
            "auc": 1e3 * curve.auc(),
            "fmr_resolvable": curve.resolvable(limit),
        }
        for (verifier, key, fmr), curve in curves.items()
    ]
    return pd.DataFrame(rows, columns=["verifier", "key", "fmr", "fnmr", "pauc", "auc", "fmr_resolvable"])


def curves_table(curves: Curves) -> pd.DataFrame:
    """Return one row a point of a curve; columns as the fields of `Curve`; fmr_realised is its `fmr`."""
    parts = []
    for (verifier, key, fmr), curve in curves.items():
        points = {
            "discard": curve.discard,
            "fnmr": curve.fnmr,
            "threshold": curve.thresholds,
            "fmr_realised": curve.fmr,
            "n_genuine": curve.n_genuine,
            "n_impostor": curve.n_impostor,
            "fmr_resolvable": curve.fmr_resolvable,
        }
        about = {"verifier": verifier, "key": [key] * len(curve.discard), "fmr": fmr}  # a key may be a tuple
        parts.append(pd.DataFrame(about | points))
    return pd.concat(parts, ignore_index=True)


def random_table(orders: RandomOrders) -> pd.DataFrame:
    """Return one row a verifier and FMR: mean, standard deviation and range of the random orders' pAUC·10³."""
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


def random_curves_table(orders: RandomOrders) -> pd.DataFrame:
    """Return one row a point: mean FNMR of the random orders, and its 5 % (low) and 95 % quantile (high)."""
    parts = []
    for (verifier, fmr), order in orders.items():
        low, high = order.band(0.9)
        points = {"discard": order.discard, "fnmr": order.fnmr.mean(axis=0), "low": low, "high": high}
        parts.append(pd.DataFrame({"verifier": verifier, "fmr": fmr, **points}))
    return pd.concat(parts, ignore_index=True)


def intervals_table(bootstraps: Bootstraps, limit: float, level: float = 0.95) -> pd.DataFrame:
    """Return one row a verifier, key and FMR: pauc and the ends of its interval at `level` (·10³).

    fmr_resolvable: as in `areas_table`; where it is False, the interval is far too narrow. unit, resamples: what was
    drawn, and how often. undefined: resamples without an area, which the interval leaves out. redrawn: draws without
    genuine or without impostor pairs, which were repeated.
    """
    rows = []
    for (verifier, fmr), bootstrap in bootstraps.items():
        for key, curve in bootstrap.curves.items():
            low, high = bootstrap.interval(key, limit, level)
            rows.append(
                {
                    "verifier": verifier,
                    "key": key,
                    "fmr": fmr,
                    "pauc": 1e3 * curve.pauc(limit),
                    "pauc_low": 1e3 * low,
                    "pauc_high": 1e3 * high,
                    "fmr_resolvable": curve.resolvable(limit),
                    "resamples": len(bootstrap.fnmr[key]),
                    "unit": bootstrap.unit,
                    "undefined": bootstrap.undefined(key, limit),
                    "redrawn": bootstrap.redrawn,
                }
            )
    return pd.DataFrame(rows)


def differences_table(bootstraps: Bootstraps, reference: Hashable, limit: float, level: float = 0.95) -> pd.DataFrame:
    """Return one row a verifier, FMR and key other than `reference`: its pAUC minus that of `reference`, paired.

    difference, low, high: the difference and its interval at `level`, ·10³; below 0 = better than the reference.
    share_better: share of the resamples in which it is better.
    """
    rows = []
    for (verifier, fmr), bootstrap in bootstraps.items():
        for key in (key for key in bootstrap.curves if key != reference):
            found = bootstrap.difference(key, reference, limit, level)
            rows.append(
                {
                    "verifier": verifier,
                    "key": key,
                    "reference": reference,
                    "fmr": fmr,
                    "difference": 1e3 * found.estimate,
                    "low": 1e3 * found.low,
                    "high": 1e3 * found.high,
                    "share_better": found.share_negative,
                    "resamples": len(bootstrap.fnmr[key]),
                    "unit": bootstrap.unit,
                }
            )
    return pd.DataFrame(rows)
