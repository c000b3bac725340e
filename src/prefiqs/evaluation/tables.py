"""Curves, random orders and bootstraps of a `Comparison` as long tables; every area is multiplied by 1,000."""

from collections.abc import Hashable

import numpy as np
import pandas as pd

from prefiqs.evaluation.comparison import Bootstraps, Curves, RandomOrders

_OF_CURVE = ["verifier", "key", "fmr"]


def areas_table(curves: Curves, limit: float) -> pd.DataFrame:
    """Return one row a curve: verifier, key, fmr, fnmr (nothing discarded), pauc, auc (·10³), fmr_resolvable.

    limit: upper end of pauc and of fmr_resolvable, which is False where a point up to there is (see `Curve`).
    """
    rows = [
        (*of, curve.fnmr[0], 1e3 * curve.pauc(limit), 1e3 * curve.auc(), curve.resolvable(limit))
        for of, curve in curves.items()
    ]
    return pd.DataFrame(rows, columns=[*_OF_CURVE, "fnmr", "pauc", "auc", "fmr_resolvable"])


def curves_table(curves: Curves) -> pd.DataFrame:
    """Return one row a point of a curve; columns as the fields of `Curve`; fmr_realised is its `fmr`."""
    parts = []
    for (verifier, key, fmr), curve in curves.items():
        of = {"verifier": verifier, "key": [key] * len(curve.discard), "fmr": fmr}  # a key may be a tuple
        points = {"discard": curve.discard, "fnmr": curve.fnmr, "threshold": curve.thresholds}
        realised = {"fmr_realised": curve.fmr, "n_genuine": curve.n_genuine, "n_impostor": curve.n_impostor}
        parts.append(pd.DataFrame({**of, **points, **realised, "fmr_resolvable": curve.fmr_resolvable}))
    return pd.concat(parts, ignore_index=True)


def random_table(orders: RandomOrders) -> pd.DataFrame:
    """Return one row a verifier and FMR: mean, standard deviation and range of the random orders' pAUC·10³."""
    rows = []
    for (verifier, fmr), order in orders.items():
        area = {f"pauc_{name}": 1e3 * getattr(order.pauc, name)() for name in ("mean", "std", "min", "max")}
        rows.append({"verifier": verifier, "fmr": fmr, **area, "orders": len(order.pauc)})
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
    drawn, and how often. undefined: resamples without an area, left out. redrawn: draws repeated for want of one kind.
    """
    rows = []
    for (verifier, fmr), drawn in bootstraps.items():
        for key, curve in drawn.curves.items():
            low, high = drawn.interval(key, limit, level)
            areas, resolvable = drawn.pauc(key, limit), curve.resolvable(limit)
            ends = 1e3 * curve.pauc(limit), 1e3 * low, 1e3 * high, resolvable
            rows.append((verifier, key, fmr, *ends, len(areas), drawn.unit, np.isnan(areas).sum(), drawn.redrawn))
    columns = ["pauc", "pauc_low", "pauc_high", "fmr_resolvable", "resamples", "unit", "undefined", "redrawn"]
    return pd.DataFrame(rows, columns=_OF_CURVE + columns)


def differences_table(bootstraps: Bootstraps, reference: Hashable, limit: float, level: float = 0.95) -> pd.DataFrame:
    """Return one row a verifier, FMR and key other than `reference`: its pAUC minus that of `reference`, paired.

    difference, low, high: the difference and its interval at `level`, ·10³; below 0 = better than the reference.
    share_better: share of the resamples in which it is better.
    """
    rows = []
    for (verifier, fmr), drawn in bootstraps.items():
        for key in (key for key in drawn.curves if key != reference):
            *ends, share_better = drawn.difference(key, reference, limit, level)
            per_mille = [1e3 * value for value in ends]
            rows.append((verifier, key, reference, fmr, *per_mille, share_better, len(drawn.fnmr[key]), drawn.unit))
    columns = ["difference", "low", "high", "share_better", "resamples", "unit"]
    return pd.DataFrame(rows, columns=["verifier", "key", "reference", "fmr", *columns])
