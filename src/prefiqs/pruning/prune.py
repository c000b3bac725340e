"""From a network and a specification to a pruned copy, exactly repeatable."""

import copy
from collections.abc import Sequence
from dataclasses import replace

from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import as_model
from prefiqs.pruning.mask import PruningMask, prunable_weights
from prefiqs.pruning.spec import PruningSpec
from prefiqs.pruning.structured import remove_channels, select_channels
from prefiqs.pruning.unstructured import select_weights, zero_weights


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
            chosen = select_weights(model, group)
        else:
            chosen = [select_channels(copy.deepcopy(model).cpu(), spec) for spec in group]
        masks |= zip(group, chosen, strict=True)
    return [masks[spec] for spec in specs]


def apply_mask(model, mask: PruningMask):
    """A pruned copy of a network, on the same device, with its `sparsity`."""
    device = next(iter(prunable_weights(model).values())).device
    pruned = copy.deepcopy(model).cpu()
    remove = zero_weights if mask.spec.granularity == "unstructured" else remove_channels
    remove(pruned, mask)
    pruned.sparsity = mask.sparsity
    return pruned.to(device)


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
        granularity: "unstructured" (single weights become 0) or "structured" (DepGraph removes whole channels).
        criterion: "l1" (smallest magnitude first, ranked over all layers) or "random" (by `seed`).
        seed: seed of the random criterion.
        layers: "all", or names of layers (unstructured only).

    Raises:
        InputError: an invalid ratio, granularity, criterion or layer, or a network without weights.
    """
    model = as_model(model)
    return apply_mask(model, select_mask(model, PruningSpec(ratio, granularity, criterion, seed, layers)))
