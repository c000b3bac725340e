"""What discarding in random order gives: the line that a quality measure has to beat."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prefiqs.errors import InputError
from prefiqs.evaluation.curve import Curve


@dataclass(frozen=True, eq=False)
class RandomOrder:
    """Curves and areas of random image qualities.

    discard: (steps,) fractions. fnmr: (seeds, steps), in [0, 1]. pauc: (seeds,), in [0, limit].
    """

    discard: NDArray[np.float64]
    fnmr: NDArray[np.float64]
    pauc: NDArray[np.float64]

    @classmethod
    def of(cls, curves: Sequence[Curve], limit: float) -> "RandomOrder":
        """Return curves of one verifier and FMR, and their areas up to `limit`; InputError without a curve."""
        if not len(curves):
            raise InputError("At least one random order is needed; 10 are usual.")
        fnmr = np.stack([curve.fnmr for curve in curves])
        return cls(curves[0].discard, fnmr, np.array([curve.pauc(limit) for curve in curves]))

    @property
    def pauc_mean(self) -> float:
        """Mean pAUC over the seeds."""
        return float(self.pauc.mean())

    @property
    def pauc_std(self) -> float:
        """Population standard deviation of the pAUC over the seeds."""
        return float(self.pauc.std())

    def band(self, coverage: float = 0.9) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lower and upper FNMR, each (steps,), between which the central `coverage` of the seeds lies."""
        low, high = np.quantile(self.fnmr, [(1 - coverage) / 2, (1 + coverage) / 2], axis=0)
        return low, high


def random_quality(n_images: int, seed: int) -> NDArray[np.float64]:
    """Return one quality an image, uniform in [0, 1)."""
    return np.random.default_rng(seed).random(n_images)
