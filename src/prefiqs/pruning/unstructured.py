"""Unstructured pruning: single weights become zero, ranked over all layers together (PreFIQs, sec. 3.1, eq. 1-3)."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import torch
from torch import nn

from prefiqs.core.errors import InputError
from prefiqs.core.recipe import Recipe
from prefiqs.pruning.removal import Removal, prunable_weights


def choose_weights(model: nn.Module, recipe: Recipe) -> Removal:
    """Choose the ⌊ρN⌋ weights that become zero: the smallest |w| (ties by position), or random ones by seed."""
    magnitudes = torch.cat([w.detach().abs().flatten().cpu() for w in prunable_weights(model, recipe.layers).values()])
    total = len(magnitudes)
    count = math.floor(Fraction(str(recipe.ratio)) * total)  # the decimal as typed: 0.29 * 100 would be 28.99…
    if recipe.criterion == "l1":
        pruned = smallest(magnitudes, count)
    else:
        # One permutation a seed, so that what is pruned at a small ratio stays pruned at a larger one.
        pruned = np.zeros(total, bool)
        pruned[np.random.default_rng(recipe.seed).permutation(total)[:count]] = True
    return Removal(recipe, count / total, {"mask": np.packbits(pruned)})


def smallest(magnitudes: torch.Tensor, count: int) -> np.ndarray:
    """Boolean mask of exactly `count` smallest entries of a vector; among equals the first positions go first."""
    pruned = np.zeros(len(magnitudes), bool)
    if count:
        values = magnitudes.numpy()
        threshold = np.partition(values, count - 1)[count - 1]
        pruned = values < threshold
        ties = np.flatnonzero(values == threshold)
        pruned[ties[: count - pruned.sum()]] = True
    return pruned


def zero_weights(model: nn.Module, removal: Removal) -> None:
    """Set the weights that a removal names to zero, in place."""
    weights = prunable_weights(model, removal.recipe.layers)
    sizes = [w.numel() for w in weights.values()]
    if len(removal.arrays["mask"]) != math.ceil(sum(sizes) / 8):
        raise InputError(
            f"Expected the removal of a network with {sum(sizes)} weights, got one for about "
            f"{8 * len(removal.arrays['mask'])}; it was chosen for another network."
        )
    mask = np.unpackbits(removal.arrays["mask"], count=sum(sizes)).astype(bool)
    with torch.no_grad():
        for weight, part in zip(weights.values(), np.split(mask, np.cumsum(sizes)[:-1]), strict=True):
            weight[torch.from_numpy(part).view_as(weight).to(weight.device)] = 0
