"""What every pruned network lacks."""

from functools import partial

import pandas as pd

from prefiqs.models.loading import load_model
from prefiqs.pipeline.run import Run
from prefiqs.pruning.mask import prunable_weights, save_mask
from prefiqs.pruning.prune import apply_mask, select_masks
from prefiqs.reporting.study import Study, Table, saved_as

BYTES_OF_A_WEIGHT = 4


class PruneStudy(Study):
    """The share of weights removed from each pruned network. `dense_megabytes`: of copies instead of masks."""

    sparsity: pd.DataFrame = saved_as("sparsity")
    by_ratio: Table
    layers: Table
    megabytes: float
    dense_megabytes: float


def prune_study(run: Run, model: str) -> PruneStudy:
    """Choose what every specification of the grid removes from a network."""
    network, main = load_model(model, device="cpu"), run.params.prune.main
    masks = {mask.spec: mask for mask in select_masks(network, run.params.prune.specs_of(model))}
    rows = [(spec.granularity, spec.criterion, spec.ratio, mask.sparsity) for spec, mask in masks.items()]
    sparsity = pd.DataFrame(rows, columns=["granularity", "criterion", "ratio", "sparsity"])
    strategy = sparsity["granularity"] + " " + sparsity["criterion"]
    wide = sparsity.assign(strategy=strategy).pivot(index="ratio", columns="strategy", values="sparsity")

    shown, whole = main[len(main) // 2], prunable_weights(network)
    left = prunable_weights(apply_mask(network, masks[shown]))
    layers = pd.DataFrame({"layer": [*whole], "weights": [weight.numel() for weight in whole.values()]})
    layers["removed"] = [1 - int(left[name].count_nonzero()) / weight.numel() for name, weight in whole.items()]
    return PruneStudy(
        sparsity=sparsity,
        by_ratio=Table(wide[strategy.unique()].reset_index(), f"Sparsity of pruned {model}", digits=4),
        layers=Table(layers.sort_values("removed", kind="stable"), f"Share removed of each layer: {shown.label}"),
        megabytes=sum(array.nbytes for mask in masks.values() for array in mask.arrays.values()) / 1e6,
        dense_megabytes=BYTES_OF_A_WEIGHT * int(layers["weights"].sum()) * len(masks) / 1e6,
        stored={run.layout.mask(model, spec): partial(save_mask, mask) for spec, mask in masks.items()},
    )
