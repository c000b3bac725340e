"""Which quality measure is the best, which ones the data cannot tell apart from it, and which one to use."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from prefiqs.evaluation.bootstrap import BootstrapCurves, Difference


@dataclass(frozen=True)
class Verdict:
    """What the areas of several quality measures say, for one verifier and one target FMR.

    best: key of the smallest area; None if no area is defined. behind: by every other key, its area minus the best one,
    the smallest difference first. gain: by key, its area minus that of random order.

    Each interval is for itself: among forty measures as good as the best, one would be called worse by chance. In 80
    simulations of 40 people with 8 images each, a random score was called useful once, and the interval of two equally
    good measures held 0 in 94 %.
    """

    best: Any
    behind: Mapping[Any, Difference]
    gain: Mapping[Any, Difference]

    @property
    def tied(self) -> list[Any]:
        """Those that cannot be told apart from the best: the interval of the paired difference holds 0."""
        return [key for key, difference in self.behind.items() if not difference.low > 0]

    @property
    def useful(self) -> list[Any]:
        """Those that beat random order: the interval of the paired difference lies below 0; in the order given."""
        return [key for key, difference in self.gain.items() if difference.high < 0]

    @property
    def recommended(self) -> Any:
        """Of the best and its ties the first useful one *in the order given*, None if there is none.

        So whoever gives the cheapest measure first is not sent to a dearer one without a reason.
        """
        leading = {self.best, *self.tied}
        return next((key for key in self.useful if key in leading), None)


def verdict(drawn: BootstrapCurves, limit: float) -> Verdict:
    """Judge the areas up to `limit` by their 95 % intervals; measures without an area are left out."""
    best = drawn.best(limit)
    areas = {key: curve.pauc(limit) for key, curve in drawn.curves.items()}
    defined = {key: area for key, area in areas.items() if area == area}
    others: list[Hashable] = sorted(defined.keys() - {best}, key=lambda key: (defined[key], list(areas).index(key)))
    return Verdict(
        best,
        {key: drawn.difference(key, best, limit) for key in others},
        {key: drawn.gain(key, limit) for key in defined},
    )
