"""Curves, random orders and bootstraps of a `Comparison` as long tables; every area is multiplied by 1,000."""

from collections.abc import Hashable

import numpy as np
import pandas as pd

from prefiqs.evaluation.comparison import Bootstraps, Curves, RandomOrders

FEW_ERRORS = 10


def areas_table(curves: Curves, limit: float) -> pd.DataFrame:
    """Return one row per curve: verifier, key, fmr, fnmr and errors (nothing discarded), pauc, auc (·10³), and more.

    limit: upper end of pauc and of fmr_resolvable, which is False where a point up to there is (see `Curve`).
    errors: genuine pairs that are rejected; with fewer than `FEW_ERRORS`, an area has no third digit.
    """
    rows = []
    for of, curve in curves.items():
        resolvable = curve.fmr_resolvable[curve.discard <= limit].all()
        errors = round(curve.fnmr[0] * curve.n_genuine[0])
        rows.append((*of, curve.fnmr[0], errors, 1e3 * curve.pauc(limit), 1e3 * curve.auc(), resolvable))
    return pd.DataFrame(rows, columns=["verifier", "key", "fmr", "fnmr", "errors", "pauc", "auc", "fmr_resolvable"])


def curves_table(curves: Curves) -> pd.DataFrame:
    """Return one row per point of a curve; columns as the fields of `Curve`; fmr_realised is its `fmr`."""
    parts = []
    for (verifier, key, fmr), curve in curves.items():
        points = pd.DataFrame(vars(curve)).drop(columns="target_fmr")
        of_curve = pd.DataFrame({"verifier": verifier, "key": [key] * len(points), "fmr": fmr})  # a key may be a tuple
        parts.append(of_curve.join(points.rename(columns={"thresholds": "threshold", "fmr": "fmr_realised"})))
    return pd.concat(parts, ignore_index=True)


def random_table(orders: RandomOrders) -> pd.DataFrame:
    """Return one row per verifier and FMR: mean, standard deviation and range of the random orders' pAUC·10³."""
    rows = []
    for (verifier, fmr), order in orders.items():
        area = {f"pauc_{name}": 1e3 * getattr(order.pauc, name)() for name in ("mean", "std", "min", "max")}
        rows.append({"verifier": verifier, "fmr": fmr, **area, "orders": len(order.pauc)})
    return pd.DataFrame(rows)


def random_curves_table(orders: RandomOrders) -> pd.DataFrame:
    """Return one row per point: mean FNMR of the random orders, and its 5 % (low) and 95 % quantile (high)."""
    parts = []
    for (verifier, fmr), order in orders.items():
        low, high = order.band(0.9)
        points = {"discard": order.discard, "fnmr": order.fnmr.mean(axis=0), "low": low, "high": high}
        parts.append(pd.DataFrame({"verifier": verifier, "fmr": fmr, **points}))
    return pd.concat(parts, ignore_index=True)


def intervals_table(bootstraps: Bootstraps, limit: float) -> pd.DataFrame:
    """Return one row per verifier, key and FMR: pauc and the ends of its 95 % interval (·10³).

    unit: what was drawn. undefined: resamples without an area, left out.
    """
    rows = []
    for (verifier, fmr), drawn in bootstraps.items():
        for key, curve in drawn.curves.items():
            areas = [1e3 * area for area in (curve.pauc(limit), *drawn.interval(key, limit))]
            rows.append((verifier, key, fmr, *areas, drawn.unit, np.isnan(drawn.pauc(key, limit)).sum()))
    columns = ["verifier", "key", "fmr", "pauc", "pauc_low", "pauc_high", "unit", "undefined"]
    return pd.DataFrame(rows, columns=columns)


def differences_table(bootstraps: Bootstraps, reference: Hashable | None, limit: float) -> pd.DataFrame:
    """Return one row per verifier, FMR and key other than `reference`: its pAUC minus that of `reference`, paired.

    reference: None is the best one of each verifier and FMR.
    difference, low, high: the difference and its 95 % interval, ·10³; below 0 = better than the reference.
    share_better: share of the resamples in which it is better.
    """
    rows = []
    for (verifier, fmr), drawn in bootstraps.items():
        other = drawn.best(limit) if reference is None else reference
        for key in (key for key in drawn.curves if other not in (None, key)):
            *ends, share_better = drawn.difference(key, other, limit)
            per_mille = [1e3 * value for value in ends]
            rows.append((verifier, key, other, fmr, *per_mille, share_better, len(drawn.fnmr[key]), drawn.unit))
    columns = ["difference", "low", "high", "share_better", "resamples", "unit"]
    return pd.DataFrame(rows, columns=["verifier", "key", "reference", "fmr", *columns])
