"""An error-versus-discard curve and the areas under it, and the same for discarding in random order."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefiqs.errors import InputError


@dataclass(frozen=True, eq=False)
class Curve:
    """FNMR at a target FMR as the pairs of lowest quality are discarded; every array has shape (steps,).

    discard: fraction of pairs asked to be dropped, in [0, 1), ascending.
    fnmr: in [0, 1], smaller = better; NaN where no genuine pair, or no threshold, is left.
    thresholds: similarity above which a pair matches; NaN where no impostor is left to set it.
    fmr: FMR realised at that threshold among the impostor pairs left, in [0, 1]; NaN where none is left.
    n_genuine, n_impostor: pairs left.
    fmr_resolvable: bool, False where fewer than 1/target_fmr impostor pairs are left, so that the target is less than
        one false match; mark such points when drawing. True does not make a point precise.
    target_fmr: the FMR asked for.
    """

    discard: NDArray[np.float64]
    fnmr: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    fmr: NDArray[np.float64]
    n_genuine: NDArray[np.int64]
    n_impostor: NDArray[np.int64]
    fmr_resolvable: NDArray[np.bool_]
    target_fmr: float

    def pauc(self, limit: float = 0.3) -> float:
        """Return the trapezoid area under FNMR(discard) over [0, limit], not divided by the limit; smaller = better.

        In [0, limit]; interpolated between grid points; NaN when a point needed is NaN. Raises InputError when the
        curve does not cover [0, limit].
        """
        first, last = self.discard[0], self.discard[-1]
        if first != 0 or not 0 < limit <= last:
            raise InputError(
                f"The curve runs from discard fraction {first:g} to {last:g}, so it has no area from 0 to {limit:g}; "
                "choose another limit or discard grid."
            )
        discard, fnmr = points_up_to(limit, self)
        return float(np.trapezoid(fnmr, discard))

    def auc(self) -> float:
        """Return the area as `pauc` over the whole grid (0 to 0.95 by default)."""
        return self.pauc(float(self.discard[-1]))


def points_up_to(limit: float, curve: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the points under which the pAUC of a `Curve`, or of a frame of its points, lies: discard, FNMR."""
    discard = np.append(curve.discard[curve.discard < limit], limit)
    return discard, np.interp(discard, curve.discard, curve.fnmr)


@dataclass(frozen=True, eq=False)
class RandomOrder:
    """Curves and areas of random image qualities: the line that a quality measure has to beat.

    discard: (steps,) fractions. fnmr: (seeds, steps), in [0, 1]. pauc: (seeds,), in [0, limit].
    """

    discard: NDArray[np.float64]
    fnmr: NDArray[np.float64]
    pauc: NDArray[np.float64]
