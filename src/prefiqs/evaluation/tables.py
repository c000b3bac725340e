"""Curves, random orders and bootstraps of a `Comparison` as long tables; every area is multiplied by 1,000."""

from collections.abc import Hashable

import numpy as np
import pandas as pd

from prefiqs.evaluation.comparison import Bootstraps, Curves, RandomOrders
from prefiqs.evaluation.error_rates import is_reliable

FEW_ERRORS = 10
UNRELIABLE = "fewer than ten false matches expected, or genuine pairs rejected, at a discard fraction up to the limit"


def areas_table(curves: Curves, limit: float) -> pd.DataFrame:
    """Return one row per curve: verifier, key, fmr, fnmr and errors (nothing discarded), pauc, auc (·10³), and more.

    limit: upper end of pauc, and of the points that the columns after auc are about.
    errors: genuine pairs that are rejected; fewest_errors: at the point where they are fewest. false_matches: expected
    at the FMR, at the point where they are fewest. fmr_resolvable: False where a point is (see `Curve`).
    reliable: at every point, ten or more of both; other areas are printed with two digits.
    """
    rows = []
    for (*of, fmr), curve in curves.items():
        points = slice(np.searchsorted(curve.discard, limit) + 1)
        errors = np.nan_to_num(np.rint(curve.fnmr * curve.n_genuine)).astype(int)
        fewest, impostors = errors[points].min(), int(curve.n_impostor[points].min())
        reliable = fewest >= FEW_ERRORS and is_reliable(impostors, fmr)
        sure = fewest, impostors * fmr, curve.fmr_resolvable[points].all(), reliable
        rows.append((*of, fmr, curve.fnmr[0], errors[0], 1e3 * curve.pauc(limit), 1e3 * curve.auc(), *sure))
    columns = ["fnmr", "errors", "pauc", "auc", "fewest_errors", "false_matches", "fmr_resolvable", "reliable"]
    return pd.DataFrame(rows, columns=["verifier", "key", "fmr", *columns])


def unreliable(areas: pd.DataFrame, by: str) -> str:
    """Return a sentence about the areas of `areas_table` that are not reliable, counted by a column; "" without any."""
    counts = (~areas["reliable"].astype(bool)).groupby(areas[by], sort=False).agg(["sum", "size"])
    named = ", ".join(f"{name} ({few} of {of})" for name, few, of in counts[counts["sum"] > 0].itertuples())
    return f"Not reliable ({UNRELIABLE}), so printed with two digits: {named}." if named else ""


def area_text(pauc: float, reliable: bool, sign: str = "", decimals: int = 2) -> str:
    """Return an area, or with the sign "+" a difference of areas, as it is printed in a sentence.

    decimals: of a reliable one; others have two significant digits.
    """
    text = f"{pauc:{sign}.{decimals}f}" if reliable else f"{float(f'{pauc:.2g}'):{sign}g}"
    return text.replace("-", "−")


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
    """Return one row per point: FNMR of the random orders, their mean and their range (low to high)."""
    parts = []
    for (verifier, fmr), order in orders.items():
        found = {"fnmr": order.fnmr.mean(axis=0), "low": order.fnmr.min(axis=0), "high": order.fnmr.max(axis=0)}
        points = {"discard": order.discard, **found}
        parts.append(pd.DataFrame({"verifier": verifier, "fmr": fmr, **points}))
    return pd.concat(parts, ignore_index=True)


def intervals_table(bootstraps: Bootstraps, limit: float, level: float = 0.95) -> pd.DataFrame:
    """Return one row per verifier, key and FMR: pauc and the ends of its interval at `level` (·10³).

    unit: what was drawn. undefined: resamples without an area, left out.
    """
    rows = []
    for (verifier, fmr), drawn in bootstraps.items():
        for key, curve in drawn.curves.items():
            areas = [1e3 * area for area in (curve.pauc(limit), *drawn.interval(key, limit, level))]
            rows.append((verifier, key, fmr, *areas, drawn.unit, np.isnan(drawn.pauc(key, limit)).sum()))
    columns = ["verifier", "key", "fmr", "pauc", "pauc_low", "pauc_high", "unit", "undefined"]
    return pd.DataFrame(rows, columns=columns)


def differences_table(
    bootstraps: Bootstraps, reference: Hashable | None, limit: float, level: float = 0.95
) -> pd.DataFrame:
    """Return one row per verifier, FMR and key other than `reference`: its pAUC minus that of `reference`, paired.

    reference: None is the best one of each verifier and FMR; then `low` is 0 where the two cannot be told apart, see
        `BootstrapCurves.behind_best`.
    difference, low, high: the difference and its interval at `level`, ·10³; below 0 = better than the reference.
    """
    rows = []
    for (verifier, fmr), drawn in bootstraps.items():
        if reference is None:
            differences = drawn.behind_best(limit, level)
        else:
            differences = {key: drawn.difference(key, reference, limit, level) for key in drawn.curves}
        other = next(iter(differences), None) if reference is None else reference
        for key, difference in differences.items():
            if key != other:
                per_mille = [1e3 * value for value in difference]
                rows.append((verifier, key, other, fmr, *per_mille, len(drawn.fnmr[key]), drawn.unit))
    columns = ["difference", "low", "high", "resamples", "unit"]
    return pd.DataFrame(rows, columns=["verifier", "key", "reference", "fmr", *columns])
