"""Masks of several ratios on a large network, against PyTorch's own pruning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from benchmarks.harness import Figure, faster
from torch.nn.utils import prune

from prefiqs.models.registry import MODELS
from prefiqs.pruning.mask import prunable_weights
from prefiqs.pruning.prune import select_masks
from prefiqs.pruning.spec import PruningSpec

RATIOS = [i / 10 for i in range(1, 10)]


def run() -> Iterator[Figure]:
    """Nine global L1 masks on ResNet-100."""
    torch.manual_seed(0)
    model = MODELS["iresnet100"].network(name="iresnet100", input_spec=MODELS["iresnet100"].input_spec)
    layers = [(model.get_submodule(name.rpartition(".")[0]), "weight") for name in prunable_weights(model)]
    size = sum(weight.numel() for weight in prunable_weights(model).values())
    specs = [PruningSpec(ratio) for ratio in RATIOS]

    def ours():
        return select_masks(model, specs)

    def of_pytorch():
        for ratio in RATIOS:
            prune.global_unstructured(layers, prune.L1Unstructured, amount=ratio)
            for module, _ in layers:
                module.weight = module.weight_orig  # undone, so that every ratio starts from the whole network
                del module._parameters["weight_orig"], module._buffers["weight_mask"]
                module._forward_pre_hooks.clear()

    share = peak_growth(ours) / (4 * size)
    details = {"million weights": size // 10**6}
    yield Figure(
        "L1 masks of nine ratios, ResNet-100: peak memory", "memory of the weights", *[share] * 3, "≤ 2", details
    )
    yield faster("L1 masks of nine ratios, ResNet-100", "torch.nn.utils.prune.global_unstructured nine times",
                 ours, of_pytorch, "≥ 10", turns=1)  # fmt: skip


def peak_growth(way: Callable[[], object]) -> int:
    """Bytes by which one call makes the process larger at its largest (Linux)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak restarts at what is held now
    before = _status("VmRSS")
    way()
    return _status("VmHWM") - before


def _status(field: str) -> int:
    (line,) = (x for x in Path("/proc/self/status").read_text(encoding="ascii").splitlines() if x.startswith(field))
    return 1024 * int(line.split()[1])
