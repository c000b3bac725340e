"""Names of pruned networks: which spec made them. Plain data, so that reading results never loads torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prefiqs.errors import InputError

GRANULARITIES = ("unstructured", "structured")
CRITERIA = ("l1", "random")


@dataclass(frozen=True)
class PruningSpec:
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


def spec_grid(
    granularities: Iterable[str], criteria: Iterable[str], ratios: Iterable[float], seed: int
) -> list[PruningSpec]:
    """All combinations of granularity, criterion and ratio, in this order."""
    return [PruningSpec(r, g, c, seed) for g in granularities for c in criteria for r in ratios]
