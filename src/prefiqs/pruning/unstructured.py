"""Unstructured pruning: single weights become zero, ranked over all layers together (PreFIQs, sec. 3.1, eq. 1-3)."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor, nn

from prefiqs.errors import InputError
from prefiqs.pruning.mask import PruningMask, prunable_weights
from prefiqs.pruning.spec import PruningSpec


def select_weights(model: nn.Module, specs: Sequence[PruningSpec]) -> list[PruningMask]:
    """Choose, for each spec, the ⌊ρN⌋ weights that become zero: the smallest |w| (ties by position), or random ones.

    The specs differ in the ratio only, so that they share the ranking. N counts all weights together, or those of each
    layer if the ranking is layerwise. Random: one permutation a seed, so that what is pruned at a small ratio stays
    pruned at a larger one.
    """
    weights = list(prunable_weights(model, specs[0].layers).values())
    groups = [[weight] for weight in weights] if specs[0].ranking == "layerwise" else [weights]
    parts = zip(*(_masks(group, specs) for group in groups), strict=True)
    masks = ((spec, np.concatenate(part)) for spec, part in zip(specs, parts, strict=True))
    return [PruningMask(spec, float(mask.mean()), {"mask": np.packbits(mask)}) for spec, mask in masks]


def _masks(weights: Sequence[Tensor], specs: Sequence[PruningSpec]) -> Iterator[np.ndarray]:
    """For each spec a boolean mask over weights that are ranked together."""
    total = sum(w.numel() for w in weights)
    # The decimal as typed: 0.29 * 100 would be 28.99…
    counts = [math.floor(Fraction(str(spec.ratio)) * total) for spec in specs]
    if specs[0].criterion == "random":
        rank = np.empty(total, np.int64)
        rank[np.random.default_rng(specs[0].seed).permutation(total)] = np.arange(total)
        yield from (rank < count for count in counts)
        return
    flat = [weight.detach().flatten().float() for weight in weights]
    ranked = torch.cat(flat).abs_().cpu().numpy()
    ranked.partition(counts)  # in place, and gone before the masks are made: they may be tens of millions
    thresholds = ranked[counts].tolist()
    del ranked
    for count, threshold in zip(counts, thresholds, strict=True):
        mask = np.concatenate([(part.abs() < threshold).cpu().numpy() for part in flat])
        ties = np.flatnonzero(np.concatenate([(part.abs() == threshold).cpu().numpy() for part in flat]))
        mask[ties[: count - np.count_nonzero(mask)]] = True
        yield mask


def zero_weights(model: nn.Module, mask: PruningMask) -> None:
    """Set the weights that a mask names to zero, in place."""
    weights = prunable_weights(model, mask.spec.layers)
    sizes = [w.numel() for w in weights.values()]
    if len(mask.arrays["mask"]) != math.ceil(sum(sizes) / 8):
        of_mask = f"about {8 * len(mask.arrays['mask'])} weights"
        raise InputError(f"The mask was made for another network: it has {of_mask}, this one {sum(sizes)}.")
    gone = np.unpackbits(mask.arrays["mask"], count=sum(sizes)).astype(bool)
    with torch.no_grad():
        for weight, part in zip(weights.values(), np.split(gone, np.cumsum(sizes)[:-1]), strict=True):
            weight[torch.from_numpy(part).view_as(weight).to(weight.device)] = 0
