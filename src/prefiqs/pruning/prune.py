"""From a network and a specification to a pruned copy, exactly repeatable.

Unstructured (PreFIQs, sec. 3.1, eq. 1-3): single weights become zero, ranked over all layers together. Structured:
whole channels are removed with all that depends on them, ranked over all groups of channels (Fang et al., "DepGraph:
Towards Any Structural Pruning", CVPR 2023, by the library torch-pruning).
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch
import torch_pruning as tp
from torch import Tensor, nn

from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import as_model
from prefiqs.pruning.mask import PruningMask, embedding_layer, prunable_weights
from prefiqs.pruning.spec import PruningSpec

_EXAMPLE = torch.zeros(1, 3, FACE_SIZE, FACE_SIZE)  # to trace a network with


def prune(
    model: FaceModel | str,
    ratio: float,
    granularity: str = "unstructured",
    criterion: str = "l1",
    seed: int = 0,
    layers: str | tuple[str, ...] = "all",
) -> FaceModel:
    """Return a pruned copy of a network (PreFIQs, sec. 3.1).

    Its `sparsity` in [0, 1] is the share of the prunable weights that is zero or removed.

    Args:
        model: a FaceModel or its name.
        ratio: share to remove, in (0, 1): of the weights (unstructured) or of the channels (structured).
        granularity: "unstructured" or "structured".
        criterion: "l1" (the smallest magnitudes first) or "random" (by `seed`).
        seed: of the random criterion.
        layers: "all", or names of layers (unstructured only).

    Raises `InputError` for an invalid ratio, granularity, criterion or layer, or a network without weights.
    """
    model = as_model(model)
    return apply_mask(model, select_mask(model, PruningSpec(ratio, granularity, criterion, seed, layers)))


def select_mask(model, spec: PruningSpec) -> PruningMask:
    """Decide what a spec removes from a network; the network stays as it is."""
    return select_masks(model, [spec])[0]


def select_masks(model, specs: Sequence[PruningSpec]) -> list[PruningMask]:
    """Decide what each of several specs removes; unstructured ones that differ in the ratio alone share the ranking."""
    alike: dict[PruningSpec, list[PruningSpec]] = {}
    for spec in dict.fromkeys(specs):
        alike.setdefault(replace(spec, ratio=0.5), []).append(spec)
    masks: dict[PruningSpec, PruningMask] = {}
    for first, group in alike.items():
        if first.granularity == "unstructured":
            chosen = _weights(model, group)
        else:
            chosen = [_channels(copy.deepcopy(model).cpu(), spec) for spec in group]
        masks |= zip(group, chosen, strict=True)
    return [masks[spec] for spec in specs]


def apply_mask(model, mask: PruningMask):
    """A pruned copy of a network, on the same device, with its `sparsity`."""
    device = next(iter(prunable_weights(model).values())).device
    pruned = copy.deepcopy(model).cpu()
    if mask.spec.granularity == "unstructured":
        _zero_weights(pruned, mask)
    else:  # DepGraph's history is replayed
        graph = tp.DependencyGraph().build_dependency(pruned, _EXAMPLE)
        channels = (mask.arrays[key].tolist() for key in sorted(mask.arrays))
        graph.load_pruning_history([[layer, out, c] for (layer, out), c in zip(mask.steps, channels, strict=True)])
    pruned.sparsity = mask.sparsity
    return pruned.to(device)


def _weights(model: nn.Module, specs: Sequence[PruningSpec]) -> list[PruningMask]:
    """For each spec the ⌊ρN⌋ weights that become zero: the smallest |w| (ties by position), or random ones.

    The specs differ in the ratio only. N counts all weights together, or those of each layer if the ranking is
    layerwise. Random: one permutation a seed, so that what is pruned at a small ratio stays pruned at a larger one.
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


def _zero_weights(model: nn.Module, mask: PruningMask) -> None:
    weights = prunable_weights(model, mask.spec.layers)
    sizes = [w.numel() for w in weights.values()]
    if len(mask.arrays["mask"]) != math.ceil(sum(sizes) / 8):
        of_mask = f"about {8 * len(mask.arrays['mask'])} weights"
        raise InputError(f"The mask was made for another network: it has {of_mask}, this one {sum(sizes)}.")
    gone = np.unpackbits(mask.arrays["mask"], count=sum(sizes)).astype(bool)
    with torch.no_grad():
        for weight, part in zip(weights.values(), np.split(gone, np.cumsum(sizes)[:-1]), strict=True):
            weight[torch.from_numpy(part).view_as(weight).to(weight.device)] = 0


def _channels(model: nn.Module, spec: PruningSpec) -> PruningMask:
    """The channels that go; `model` is a scratch copy on the CPU. The embedding layer is never a root: it keeps its
    size."""
    if any(isinstance(module, nn.LayerNorm) for module in model.modules()):
        raise InputError(f"Structured pruning does not support the transformer {model.name}: DepGraph cannot follow "
                         'its channels into the flattened tokens. Use granularity="unstructured".')  # fmt: skip
    before = sum(weight.numel() for weight in prunable_weights(model).values())
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
    left = sum(weight.numel() for weight in prunable_weights(model).values())
    return PruningMask(spec, 1 - left / before, arrays, tuple((layer, bool(out)) for layer, out, _ in history))


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
