"""Local ranking: every layer loses the same share of its own weights.

The paper ranks over all layers together (PreFIQs, sec. 4, "global pruning strategy"); this is what it chose against.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from prefiqs.core.recipe import Recipe
from prefiqs.pruning.removal import Removal, prunable_weights
from prefiqs.pruning.unstructured import choose_weights


def choose_locally(model: nn.Module, ratio: float) -> Removal:
    """Choose ⌊ρn⌋ weights of every layer of n weights, those of smallest |w|; the network stays as it is.

    `ratio` is ρ, between 0 and 1 (exclusive), else `InputError`. The sparsity reached is a little below ρ, since each
    layer is rounded down. The removal is applied like any other; its recipe does not say that the ranking was local.
    """
    masks = []
    for name, weight in prunable_weights(model).items():
        (chosen,) = choose_weights(model, [Recipe(ratio, layers=(name.removesuffix(".weight"),))])
        masks.append(np.unpackbits(chosen.arrays["mask"], count=weight.numel()))
    mask = np.concatenate(masks)
    return Removal(Recipe(ratio), float(mask.mean()), {"mask": np.packbits(mask)})
