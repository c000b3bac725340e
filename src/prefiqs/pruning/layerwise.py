"""Local ranking: every layer loses the same share of its own weights.

The paper ranks over all layers together (PreFIQs, sec. 4, "global pruning strategy"); this is what it chose against.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from prefiqs.pruning.mask import PruningMask, prunable_weights
from prefiqs.pruning.spec import PruningSpec
from prefiqs.pruning.unstructured import select_weights


def select_layerwise(model: nn.Module, ratio: float) -> PruningMask:
    """Choose ⌊ρn⌋ weights of every layer of n weights, those of smallest |w|; the network stays as it is.

    `ratio` is ρ, between 0 and 1 (exclusive), else `InputError`. The sparsity reached is a little below ρ, since each
    layer is rounded down. The mask is applied like any other; its spec does not say that the ranking was local.
    """
    masks = []
    for name, weight in prunable_weights(model).items():
        (chosen,) = select_weights(model, [PruningSpec(ratio, layers=(name.removesuffix(".weight"),))])
        masks.append(np.unpackbits(chosen.arrays["mask"], count=weight.numel()))
    mask = np.concatenate(masks)
    return PruningMask(PruningSpec(ratio), float(mask.mean()), {"mask": np.packbits(mask)})
