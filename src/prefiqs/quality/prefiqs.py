"""PreFIQs: face image quality is what survives pruning.

Source: PreFIQs, sec. 3.2, eq. 4-7. Q(x) = 1 − ‖ê(x) − ê_ρ(x)‖₂ / 2. Cost: two forward passes, no backward pass.
"""

from __future__ import annotations

from prefiqs import pruning
from prefiqs.core.recipe import Recipe
from prefiqs.core.vectors import normalise
from prefiqs.embedding import Embedder
from prefiqs.models import FaceModel
from prefiqs.quality.drift import drift, quality_from_drift
from prefiqs.quality.interface import Scorer


def scorer(
    model: FaceModel,
    ratio: float = 0.4,
    granularity: str = "unstructured",
    criterion: str = "l1",
    seed: int = 0,
    batch_size: int | None = None,
    device: str = "auto",
) -> Scorer:
    """Quality of n aligned faces, float32 n in [0, 1]; the defaults are the paper's best setting (Table 3)."""
    pruned = pruning.apply(model, pruning.choose(model, Recipe(ratio, granularity, criterion, seed)))
    raw = Embedder([model, pruned], batch_size, device)
    return lambda images: quality_from_drift(drift(*map(normalise, raw(images))))
