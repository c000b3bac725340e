"""PreFIQs with only the embedding layer pruned: the backbone is shared, so the second pass costs next to nothing.

Source: PreFIQs, eq. 4-7, applied to the last linear layer alone (an addition of this project). Cost: one forward pass
plus one more pass through the layers from the embedding layer on.
"""

from __future__ import annotations

from prefiqs import pruning
from prefiqs.core.recipe import Recipe
from prefiqs.core.vectors import normalise
from prefiqs.models import FaceModel
from prefiqs.quality.drift import drift, quality_from_drift
from prefiqs.quality.interface import Scorer
from prefiqs.quality.shared_prefix import SharedEmbedder


def scorer(
    model: FaceModel,
    ratio: float = 0.4,
    criterion: str = "l1",
    seed: int = 0,
    batch_size: int | None = None,
    device: str = "auto",
) -> Scorer:
    """Quality of n aligned faces, float32 n in [0, 1]; `ratio` counts the weights of the embedding layer alone."""
    recipe = Recipe(ratio, "unstructured", criterion, seed, (pruning.embedding_layer(model),))
    pruned = pruning.apply(model, pruning.choose(model, recipe))
    raw = SharedEmbedder(model, [pruned], batch_size, device)
    return lambda images: quality_from_drift(drift(*map(normalise, raw(images))))
