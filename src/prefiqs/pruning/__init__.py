"""Pruning: from a network and a recipe to a smaller network, exactly repeatable, and compact on disk."""

import copy
from collections.abc import Sequence
from dataclasses import replace

from prefiqs.core.recipe import Recipe
from prefiqs.pruning.folding import FoldedNorm, fold_batch_norm
from prefiqs.pruning.local import choose_locally
from prefiqs.pruning.removal import Removal, embedding_layer, load_removal, prunable_weights, save_removal
from prefiqs.pruning.stages import layer_groups
from prefiqs.pruning.structured import choose_channels, remove_channels
from prefiqs.pruning.unstructured import choose_weights, zero_weights

__all__ = [
    "FoldedNorm", "Removal", "apply", "choose", "choose_all", "choose_locally", "embedding_layer", "fold_batch_norm",
    "layer_groups", "load_removal", "prunable_weights", "save_removal",
]  # fmt: skip


def choose(model, recipe: Recipe) -> Removal:
    """Decide what a recipe removes from a network; the network stays as it is."""
    return choose_all(model, [recipe])[0]


def choose_all(model, recipes: Sequence[Recipe]) -> list[Removal]:
    """Decide what each of several recipes removes; those that differ in the ratio alone share the ranking."""
    alike: dict[Recipe, list[Recipe]] = {}
    for recipe in dict.fromkeys(recipes):
        if recipe.granularity == "unstructured":
            alike.setdefault(replace(recipe, ratio=0.5), []).append(recipe)
    removals = {removal.recipe: removal for group in alike.values() for removal in choose_weights(model, group)}
    structured = [recipe for recipe in dict.fromkeys(recipes) if recipe not in removals]
    removals |= {recipe: choose_channels(copy.deepcopy(model).cpu(), recipe) for recipe in structured}
    return [removals[recipe] for recipe in recipes]


def apply(model, removal: Removal):
    """A pruned copy of a network, on the same device; its `sparsity` in [0, 1] is the share of the weights gone."""
    device = next(iter(prunable_weights(model).values())).device
    pruned = copy.deepcopy(model).cpu()
    if removal.recipe.granularity == "unstructured":
        zero_weights(pruned, removal)
    else:
        remove_channels(pruned, removal)
    pruned.sparsity = removal.sparsity
    return pruned.to(device)
