"""Structured pruning: whole channels are removed, with all that depends on them.

Source: Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023, through the library torch-pruning. Channel
groups are ranked over the whole network; the embedding layer is never a root, so that the embedding keeps its size.
"""

import numpy as np
import torch
import torch_pruning as tp
from torch import nn

from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE
from prefiqs.pruning.mask import PruningMask, embedding_layer, prunable_weights
from prefiqs.pruning.spec import PruningSpec


class KeepOne(tp.importance.Importance):
    """Another importance, but the best channel of every group is beyond pruning.

    Without this, torch-pruning leaves a layer whole as soon as *all* its channels fall below the global threshold, so
    that a larger ratio could remove less.
    """

    def __init__(self, importance: tp.importance.Importance):
        self.importance = importance

    def __call__(self, group: tp.Group, **options: object) -> torch.Tensor:
        """One number for each channel of the group, the largest of them infinite."""
        ranking = self.importance(group, **options)
        if ranking is not None:
            ranking = ranking.clone()
            ranking[ranking.argmax()] = torch.inf
        return ranking


class SeededRandomImportance(tp.importance.Importance):
    """Random importance of channel groups from a generator of its own (torch-pruning's draws from the global one)."""

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, group: tp.Group, **_: object) -> torch.Tensor:
        """One number in [0, 1) for each channel of the group."""
        return torch.rand(len(group[0].idxs), generator=self.generator)


def select_channels(model: nn.Module, spec: PruningSpec) -> PruningMask:
    """Choose the channels that go; `model` is a scratch copy on the CPU and comes back pruned."""
    if any(isinstance(module, nn.LayerNorm) for module in model.modules()):
        raise InputError(f"The transformer {model.name} cannot be pruned structured: DepGraph cannot follow its "
                         'channels into the flattened tokens. Use granularity="unstructured".')  # fmt: skip
    before = weight_count(model)
    importance = tp.importance.MagnitudeImportance(p=1) if spec.criterion == "l1" else SeededRandomImportance(spec.seed)
    pruner = tp.pruner.BasePruner(
        model,
        example_faces(),
        importance=KeepOne(importance),
        pruning_ratio=spec.ratio,
        global_pruning=True,
        ignored_layers=[model.get_submodule(embedding_layer(model))],
    )
    pruner.step()
    history = pruner.DG.pruning_history()
    if not history:
        raise InputError(f"A ratio of {spec.ratio} removes no channel, or would remove nearly all; choose another.")
    arrays = {f"{i:05d}": np.asarray(channels, np.int32) for i, (_, _, channels) in enumerate(history)}
    steps = tuple((layer, bool(out)) for layer, out, _ in history)
    return PruningMask(spec, 1 - weight_count(model) / before, arrays, steps)


def remove_channels(model: nn.Module, mask: PruningMask) -> None:
    """Remove the channels that a mask names, in place, by replaying DepGraph's history."""
    graph = tp.DependencyGraph().build_dependency(model, example_faces())
    channels = (mask.arrays[key].tolist() for key in sorted(mask.arrays))
    graph.load_pruning_history([[layer, out, c] for (layer, out), c in zip(mask.steps, channels, strict=True)])


def weight_count(model: nn.Module) -> int:
    """Number of prunable weights."""
    return sum(w.numel() for w in prunable_weights(model).values())


def example_faces() -> torch.Tensor:
    """A prepared input to trace a network with."""
    return torch.zeros(1, 3, FACE_SIZE, FACE_SIZE)
