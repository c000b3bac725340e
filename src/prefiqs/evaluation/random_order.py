"""What discarding in random order gives: the line that a quality measure has to beat."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefiqs.errors import InputError
from prefiqs.evaluation.curve import Curve
from prefiqs.evaluation.edc import error_discard_curve
from prefiqs.evaluation.pairs import pair_quality


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
        """Return the curves of several orders, and their areas up to `limit`; InputError without a curve."""
        if not len(curves):
            raise InputError("seeds: expected at least one whole number, got none; range(10) is usual.")
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


def random_order_areas(
    similarity: ArrayLike,
    genuine: ArrayLike,
    image_pairs: ArrayLike,
    n_images: int,
    seeds: Sequence[int] = range(10),
    limit: float = 0.3,
    **options,
) -> RandomOrder:
    """Discard by random qualities, once for each seed.

    Qualities are drawn for the *images*, uniform in [0, 1), and a pair gets the smaller of its two, so that pairs with
    a common image fall together just as they do for a real measure; random pair qualities would be too smooth.

    similarity: (P,) float, larger = more alike. genuine: (P,) bool. image_pairs: (P, 2) int in [0, n_images).
    limit: upper end of the pAUC. options: fmr, discard, threshold, rule, pairs as for `error_discard_curve`.
    Raises InputError without a seed, and as `error_discard_curve`, `pair_quality` and `Curve.pauc` do.
    """
    curves = []
    for seed in seeds:
        quality = pair_quality(random_quality(n_images, seed), image_pairs)
        curves.append(error_discard_curve(similarity, genuine, quality, **options))
    return RandomOrder.of(curves, limit)


def random_quality(n_images: int, seed: int) -> NDArray[np.float64]:
    """Return one quality an image, uniform in [0, 1)."""
    return np.random.default_rng(seed).random(n_images)
