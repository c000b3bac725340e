"""What people write who have not read this package: the loops that it is held against."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


def eager_loop(model: nn.Module, images: np.ndarray, spec, batch_size: int = 32) -> np.ndarray:
    """Embed in eager PyTorch, NCHW, each batch prepared inside the loop; rows normalised."""
    rows = []
    with torch.no_grad():
        for start in range(0, len(images), batch_size):
            batch = torch.from_numpy(images[start : start + batch_size]).permute(0, 3, 1, 2).float().contiguous()
            batch = batch.flip(1) if spec.colour == "bgr" else batch
            rows.append(nn.functional.normalize(model((batch - spec.mean) / spec.std)))
    return torch.cat(rows).numpy()


def edc_by_python_tuples(similarity, genuine, quality, fmrs, discard) -> list[list[float]]:
    """FNMR at each FMR and discard fraction as published with CR-FIQA: lists, sorted again at every fraction."""
    pairs = sorted(zip(quality, similarity, genuine, strict=True), key=lambda pair: pair[0])
    curves = [[] for _ in fmrs]
    for fraction in discard:
        left = pairs[int(fraction * len(pairs)) :]
        impostors = sorted((s for _, s, same in left if not same), reverse=True)
        mates = [s for _, s, same in left if same]
        for curve, fmr in zip(curves, fmrs, strict=True):
            threshold = impostors[int(fmr * len(impostors))]
            curve.append(sum(s <= threshold for s in mates) / len(mates))
    return curves


def edc_by_numpy(similarity, genuine, quality, fmrs, discard) -> list[list[float]]:
    """The same with arrays, still sorted again at every fraction."""
    order = np.argsort(quality, kind="stable")
    curves = [[] for _ in fmrs]
    for fraction in discard:
        left = order[int(fraction * len(order)) :]
        s, same = similarity[left], genuine[left]
        impostors, mates = np.sort(s[~same])[::-1], s[same]
        for curve, fmr in zip(curves, fmrs, strict=True):
            curve.append(np.mean(mates <= impostors[int(fmr * len(impostors))]))
    return curves
