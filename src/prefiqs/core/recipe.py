"""Names of pruned networks: which recipe made them. Plain data, so that reading results never loads torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prefiqs.core.errors import InputError

GRANULARITIES = ("unstructured", "structured")
CRITERIA = ("l1", "random")


@dataclass(frozen=True)
class Recipe:
    """How to prune: `ratio` of the weights (unstructured) or of the channels (structured), chosen by `criterion`.

    `layers` is "all" or the names of the layers (a prefix of the module's name counts for all below it).
    """

    ratio: float
    granularity: str = "unstructured"
    criterion: str = "l1"
    seed: int = 0
    layers: str | tuple[str, ...] = "all"

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1:
            raise InputError(f"Expected a pruning ratio between 0 and 1 (exclusive), got {self.ratio}.")
        for value, allowed in ((self.granularity, GRANULARITIES), (self.criterion, CRITERIA)):
            if value not in allowed:
                raise InputError(f"Expected one of {', '.join(allowed)}, got {value!r}.")
        if self.layers != "all":
            object.__setattr__(self, "layers", (self.layers,) if isinstance(self.layers, str) else tuple(self.layers))

    @property
    def variant(self) -> str:
        """Name of the pruned network in files and tables, such as `unstructured-l1-0.4`."""
        return f"{self.granularity}-{self.criterion}-{self.ratio:g}"


def recipe_grid(
    granularities: Iterable[str], criteria: Iterable[str], ratios: Iterable[float], seed: int
) -> list[Recipe]:
    """All combinations of granularity, criterion and ratio, in this order."""
    return [Recipe(r, g, c, seed) for g in granularities for c in criteria for r in ratios]


def table4_ratios(wanted: Iterable[float], pruned: list[float]) -> list[float]:
    """The ratios of Table 4: those of `wanted` that were pruned, or all that were if it is none of them."""
    return [r for r in pruned if r in set(wanted)] or pruned
