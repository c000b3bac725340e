"""Structured pruning: whole channels are removed, with all that depends on them.

Source: Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023, through the library torch-pruning. Channel
groups are ranked over the whole network; the embedding layer is never a root, so that the embedding keeps its size.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch_pruning as tp
from torch import Tensor, nn

from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE
from prefiqs.pruning.mask import PruningMask, embedding_layer, prunable_weights
from prefiqs.pruning.spec import PruningSpec

_EXAMPLE = torch.zeros(1, 3, FACE_SIZE, FACE_SIZE)  # to trace a network with


def select_channels(model: nn.Module, spec: PruningSpec) -> PruningMask:
    """Choose the channels that go; `model` is a scratch copy on the CPU and comes back pruned."""
    if any(isinstance(module, nn.LayerNorm) for module in model.modules()):
        raise InputError(f"Structured pruning does not support the transformer {model.name}: DepGraph cannot follow "
                         'its channels into the flattened tokens. Use granularity="unstructured".')  # fmt: skip
    before = _weight_count(model)
    pruner = tp.pruner.BasePruner(
        model,
        _EXAMPLE,
        importance=_importance(spec),
        pruning_ratio=spec.ratio,
        global_pruning=True,
        ignored_layers=[model.get_submodule(embedding_layer(model))],
    )
    try:
        pruner.step()
        with torch.no_grad():
            model(_EXAMPLE)
    except (IndexError, RuntimeError) as error:
        raise InputError(f"Structured pruning does not support {model.name}: DepGraph cannot follow its channels. Use "
                         'granularity="unstructured".') from error  # fmt: skip
    history = pruner.DG.pruning_history()
    if not history:
        raise InputError(f"A ratio of {spec.ratio} removes no channel, or would remove nearly all; choose another.")
    arrays = {f"{i:05d}": np.asarray(channels, np.int32) for i, (_, _, channels) in enumerate(history)}
    steps = tuple((layer, bool(out)) for layer, out, _ in history)
    return PruningMask(spec, 1 - _weight_count(model) / before, arrays, steps)


def remove_channels(model: nn.Module, mask: PruningMask) -> None:
    """Remove the channels that a mask names, in place, by replaying DepGraph's history."""
    graph = tp.DependencyGraph().build_dependency(model, _EXAMPLE)
    channels = (mask.arrays[key].tolist() for key in sorted(mask.arrays))
    graph.load_pruning_history([[layer, out, c] for (layer, out), c in zip(mask.steps, channels, strict=True)])


def _importance(spec: PruningSpec) -> Callable[..., Tensor | None]:
    """The importance of the channels of a group. The best channel of every group is beyond pruning.

    Without that, torch-pruning leaves a layer whole as soon as *all* its channels fall below the global threshold, so
    that a larger ratio could remove less. Its own random importance draws from the global generator.
    """
    magnitude, generator = tp.importance.MagnitudeImportance(p=1), torch.Generator().manual_seed(spec.seed)

    def importance(group: tp.Group, **options: object) -> Tensor | None:
        if spec.criterion == "random":
            ranking = torch.rand(len(group[0].idxs), generator=generator)
        elif (ranking := magnitude(group, **options)) is None:
            return None
        return ranking.scatter(0, ranking.argmax(), torch.inf)

    return importance


def _weight_count(model: nn.Module) -> int:
    return sum(weight.numel() for weight in prunable_weights(model).values())
