"""Dropout masks for many passes through one linear layer, in the form in which the passes are cheap together."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

# Passes that share their products: 2⁷ classes, each with enough of the features for a fast matrix product.
_TOGETHER = 7


class Masks:
    """The masks of a few passes, `kept` (passes×D).

    Features that the same ones of the passes keep are a class: their products with the layer's weights are summed once,
    and each pass adds up the classes that it keeps. Seven passes then cost as much as two do one by one.
    """

    def __init__(self, kept: np.ndarray, device: torch.device):
        passes = len(kept)
        classes = 2 ** np.arange(passes) @ kept
        self.order = torch.from_numpy(np.argsort(classes, kind="stable")).to(device)
        self.sizes = np.bincount(classes, minlength=2**passes).tolist()
        bits = np.arange(2**passes) >> np.arange(passes)[:, None] & 1
        self.keeps = torch.from_numpy(bits.astype(np.float32)).to(device)  # passes × classes

    def products(self, columns: Tensor, weights: Tensor) -> Tensor:
        """Features D×n and weights D×d to the products of what each pass keeps, passes×n×d."""
        parts = (table.index_select(0, self.order).split(self.sizes) for table in (columns, weights))
        sums = torch.stack([c.T @ w for c, w in zip(*parts, strict=True)])
        return (self.keeps @ sums.flatten(1)).unflatten(1, sums.shape[1:])


def draw_masks(count: int, passes: int, dropout: float, seed: int, device: torch.device) -> list[Masks]:
    """Masks that drop each of `count` features with probability `dropout`; the first of many are those of few."""
    random = np.random.default_rng(seed)
    kept = np.stack([random.random(count) >= dropout for _ in range(passes)])
    return [Masks(kept[start : start + _TOGETHER], device) for start in range(0, passes, _TOGETHER)]
