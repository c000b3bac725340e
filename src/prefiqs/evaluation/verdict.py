"""Which quality measure is the best, which ones the data cannot tell apart from it, and which one to use."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prefiqs.evaluation.bootstrap import BootstrapCurves, Difference


@dataclass(frozen=True)
class Verdict:
    """What the areas of several quality measures say, for one verifier and one target FMR.

    best: key of the smallest area; None if no area is defined. behind: by every other key, its area minus the best one,
    the smallest difference first, with intervals that allow for the choice of the best and for the number of measures
    (`BootstrapCurves.behind_best`). gain: by key, its area minus that of random order, each with its own interval.
    """

    best: Any
    behind: Mapping[Any, Difference]
    gain: Mapping[Any, Difference]

    @property
    def tied(self) -> list[Any]:
        """Those that cannot be told apart from the best: the interval of the difference reaches 0."""
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


def verdict(drawn: BootstrapCurves, limit: float, level: float = 0.95) -> Verdict:
    """Judge the areas up to `limit` by intervals at `level`; measures without an area are left out."""
    behind = drawn.behind_best(limit, level)
    gain = {key: drawn.gain(key, limit, level) for key in drawn.curves if key in behind}
    best = next(iter(behind), None)
    return Verdict(best, {key: difference for key, difference in behind.items() if key != best}, gain)
