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

_PART = 1 << 20  # weights at a time: they stay in the cache
_HALF = 1 << 16  # values of half of the 32 bits


def select_weights(model: nn.Module, specs: Sequence[PruningSpec]) -> list[PruningMask]:
    """Choose, for each spec, the ⌊ρN⌋ weights that become zero: the smallest |w| (ties by position), or random ones.

    The specs differ in the ratio only, so that they share the ranking. N counts all weights together, or those of each
    layer if the ranking is layerwise. Random: one permutation a seed, so that what is pruned at a small ratio stays
    pruned at a larger one.
    """
    first = specs[0]
    weights = list(prunable_weights(model, first.layers).values())
    groups = [[weight] for weight in weights] if first.ranking == "layerwise" else [weights]
    parts = zip(*(_masks(group, specs) for group in groups), strict=True)
    masks = ((spec, np.concatenate(part)) for spec, part in zip(specs, parts, strict=True))
    return [PruningMask(spec, float(mask.mean()), {"mask": np.packbits(mask)}) for spec, mask in masks]


def _masks(weights: Sequence[Tensor], specs: Sequence[PruningSpec]) -> Iterator[np.ndarray]:
    """For each spec a boolean mask over weights that are ranked together."""
    total = sum(w.numel() for w in weights)
    # The decimal as typed: 0.29 * 100 would be 28.99…
    counts = [math.floor(Fraction(str(spec.ratio)) * total) for spec in specs]
    if specs[0].criterion == "l1":
        return smallest(weights, counts)
    rank = np.empty(total, np.int64)
    rank[np.random.default_rng(specs[0].seed).permutation(total)] = np.arange(total)
    return (rank < count for count in counts)


def smallest(weights: Sequence[Tensor], counts: Sequence[int]) -> Iterator[np.ndarray]:
    """For each count a boolean mask over all weights in turn, with exactly so many of the smallest magnitudes.

    Among equal magnitudes the first go first. Nothing is sorted and no weight is copied but part by part: magnitudes
    order as the bits of their float32 do, so the largest that goes is found by counting them by the upper half of their
    bits, and then, where it must be, by the lower half.
    """
    by_upper = np.zeros(_HALF, np.int64)
    for part in _parts(weights):
        by_upper += np.bincount(part >> 16, minlength=_HALF)
    up_to = by_upper.cumsum()
    uppers = np.searchsorted(up_to, counts)
    by_lower = {u: np.zeros(_HALF, np.int64) for u in set(uppers.tolist())}
    for part in _parts(weights):
        for upper, found in by_lower.items():
            found += np.bincount(part[part >> 16 == upper] & (_HALF - 1), minlength=_HALF)
    for count, upper in zip(counts, uppers.tolist(), strict=True):
        before = up_to[upper] - by_upper[upper]
        lower = np.searchsorted(by_lower[upper].cumsum(), count - before)
        yield _up_to(weights, upper << 16 | int(lower), count)


def _up_to(weights: Sequence[Tensor], threshold: int, count: int) -> np.ndarray:
    """The mask of all magnitudes below a threshold, given as bits, and of the first of those equal to it."""
    mask = np.concatenate([part < threshold for part in _parts(weights)])
    missing, start = count - np.count_nonzero(mask), 0
    for part in _parts(weights) if missing else []:
        ties = np.flatnonzero(part == threshold)[:missing]
        mask[start + ties] = True
        missing, start = missing - len(ties), start + len(part)
    return mask


def _parts(weights: Sequence[Tensor]) -> Iterator[np.ndarray]:
    """The magnitudes of all weights in turn, as the bits of their float32, in parts that stay in the cache."""
    for weight in weights:
        for part in weight.detach().flatten().split(_PART):
            yield part.abs().float().cpu().numpy().view(np.uint32)


def zero_weights(model: nn.Module, mask: PruningMask) -> None:
    """Set the weights that a mask names to zero, in place."""
    weights = prunable_weights(model, mask.spec.layers)
    sizes = [w.numel() for w in weights.values()]
    if len(mask.arrays["mask"]) != math.ceil(sum(sizes) / 8):
        raise InputError(
            f"The mask was made for another network: it has about {8 * len(mask.arrays['mask'])} weights, this one "
            f"{sum(sizes)}."
        )
    gone = np.unpackbits(mask.arrays["mask"], count=sum(sizes)).astype(bool)
    with torch.no_grad():
        for weight, part in zip(weights.values(), np.split(gone, np.cumsum(sizes)[:-1]), strict=True):
            weight[torch.from_numpy(part).view_as(weight).to(weight.device)] = 0
