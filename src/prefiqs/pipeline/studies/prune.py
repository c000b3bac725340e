"""What every pruned network lacks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from prefiqs.io.tables import write_table
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import load_model
from prefiqs.pipeline.layout import Layout
from prefiqs.pipeline.run import Run
from prefiqs.pruning.mask import PruningMask, prunable_weights, save_mask
from prefiqs.pruning.prune import apply_mask, select_masks
from prefiqs.reporting.tables import Table

BYTES_OF_A_WEIGHT = 4


@dataclass(frozen=True, eq=False)
class PruneStudy:
    """The masks of all pruned variants of one network.

    Attributes:
        layout: says where each mask is written to.
        model: the network.
        masks: in the order of the grid.
        sparsity: one row a mask: granularity, criterion, ratio, sparsity (share of the prunable weights that is gone).
        by_ratio: the same, one row a ratio, one column a strategy.
        layers: share of each layer that one unstructured L1 mask removes, the least pruned layer first.
        weights: number of prunable weights.
    """

    layout: Layout
    model: str
    masks: Sequence[PruningMask]
    sparsity: pd.DataFrame
    by_ratio: Table
    layers: Table
    weights: int

    @property
    def megabytes(self) -> float:
        """What the masks take on disk."""
        return sum(array.nbytes for mask in self.masks for array in mask.arrays.values()) / 1e6

    @property
    def dense_megabytes(self) -> float:
        """What the pruned networks would take as copies of the network."""
        return BYTES_OF_A_WEIGHT * self.weights * len(self.masks) / 1e6

    def write(self, folder: str | Path) -> None:
        """Write the masks to where `layout` says, and sparsity.csv."""
        for mask in self.masks:
            save_mask(mask, self.layout.mask(self.model, mask.spec))
        write_table(self.sparsity, Path(folder) / "sparsity.csv")


def prune_study(run: Run, model: str) -> PruneStudy:
    """Choose what every specification of the grid removes from a network."""
    network = load_model(model, device="cpu")
    masks = select_masks(network, run.params.prune.specs)
    rows = [(m.spec.granularity, m.spec.criterion, m.spec.ratio, m.sparsity) for m in masks]
    sparsity = pd.DataFrame(rows, columns=["granularity", "criterion", "ratio", "sparsity"])
    strategy = sparsity["granularity"] + " " + sparsity["criterion"]
    wide = sparsity.assign(strategy=strategy).pivot(index="ratio", columns="strategy", values="sparsity")
    main = run.params.prune.main
    shown = main[len(main) // 2]
    return PruneStudy(
        layout=run.layout,
        model=model,
        masks=masks,
        sparsity=sparsity,
        by_ratio=Table(wide[strategy.unique()].reset_index(), f"Sparsity of pruned {model}", digits=4),
        layers=_layers(network, next(mask for mask in masks if mask.spec == shown)),
        weights=sum(weight.numel() for weight in prunable_weights(network).values()),
    )


def _layers(network: FaceModel, mask: PruningMask) -> Table:
    left = prunable_weights(apply_mask(network, mask))
    rows = []
    for name, weight in prunable_weights(network).items():
        rows.append((name, weight.numel(), 1 - int(left[name].count_nonzero()) / weight.numel()))
    frame = pd.DataFrame(rows, columns=["layer", "weights", "removed"])
    return Table(frame.sort_values("removed", kind="stable"), f"Share of each layer that is gone: {mask.spec.label}")
