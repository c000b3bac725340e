"""How a network is pruned, as plain data, so that reading results never loads PyTorch."""

import hashlib
import json
from dataclasses import dataclass
from numbers import Integral, Real

from prefiqs.errors import InputError

GRANULARITIES = ("unstructured", "structured")
CRITERIA = ("l1", "random")
RANKINGS = ("global", "layerwise")


@dataclass(frozen=True)
class PruningSpec:
    """How to prune a network; `InputError` for a value that is unknown, or values that contradict each other.

    Attributes:
        ratio: share of the weights (unstructured) or of the channels (structured) to remove, in (0, 1).
        granularity: "unstructured" sets single weights to zero, "structured" removes whole channels.
        criterion: "l1" removes the smallest magnitudes first, "random" draws by `seed`.
        layers: "all", or names of layers; a name stands for every layer below it. Unstructured pruning only.
        ranking: "global" ranks the weights of all layers together, as the paper does (PreFIQs, sec. 4); "layerwise"
            removes the same share of every layer. Layerwise ranking is for unstructured L1 pruning only.
    """

    ratio: float
    granularity: str = "unstructured"
    criterion: str = "l1"
    seed: int = 0
    layers: str | tuple[str, ...] = "all"
    ranking: str = "global"

    def __post_init__(self) -> None:
        if not isinstance(self.ratio, Real) or not 0 < self.ratio < 1:
            raise InputError(f"The pruning ratio must be between 0 and 1 (exclusive), not {self.ratio!r}.")
        if not isinstance(self.seed, Integral) or self.seed < 0:
            raise InputError(f"The seed must be a whole number of at least 0, not {self.seed!r}.")
        for name, allowed in (("granularity", GRANULARITIES), ("criterion", CRITERIA), ("ranking", RANKINGS)):
            if getattr(self, name) not in allowed:
                raise InputError(f"Unknown {name} {getattr(self, name)!r}; choose one of {', '.join(allowed)}.")
        object.__setattr__(self, "ratio", float(self.ratio))
        object.__setattr__(self, "seed", int(self.seed))
        if self.layers != "all":
            names = (self.layers,) if isinstance(self.layers, str) else self.layers
            object.__setattr__(self, "layers", tuple(sorted(set(names))))
            if not self.layers:
                raise InputError('Name at least one layer to prune, or use layers="all".')
            if self.granularity == "structured":
                raise InputError("Structured pruning cannot be limited to some layers, because channels span layers; "
                                 'use granularity="unstructured".')  # fmt: skip
        if self.ranking == "layerwise" and (self.granularity, self.criterion) != ("unstructured", "l1"):
            raise InputError("Layerwise ranking is available for unstructured L1 pruning only, not for "
                             f"{self.granularity} {self.criterion}.")  # fmt: skip

    @property
    def key(self) -> str:
        """Name in files and tables, such as `unstructured-l1-0.4`; different specs have different keys."""
        seed = f"-seed{self.seed}" if self.seed else ""
        ranking = "-layerwise" if self.ranking == "layerwise" else ""
        digest = hashlib.sha256(json.dumps(self.layers).encode()).hexdigest()[:12]
        layers = "" if self.layers == "all" else f"-layers-{digest}"
        return f"{self.granularity}-{self.criterion}-{self.ratio!r}{seed}{ranking}{layers}"

    @property
    def label(self) -> str:
        """What people read, such as "unstructured L1, ρ = 0.4", with whatever differs from the default."""
        criterion = "L1" if self.criterion == "l1" else self.criterion
        more = [f"seed {self.seed}"] * bool(self.seed) + ["ranked within each layer"] * (self.ranking == "layerwise")
        more += [f"layers {', '.join(self.layers)}"] * (self.layers != "all")
        return ", ".join([f"{self.granularity} {criterion}", f"ρ = {self.ratio!r}", *more])
