"""PreFIQs: face image quality is what survives pruning.

Source: PreFIQs, sec. 3.2, eq. 4-7. Q(x) = 1 − ‖ê(x) − ê_ρ(x)‖₂ / 2. Cost: two forward passes, no backward pass.
"""

from functools import cache, partial

import numpy as np

from prefiqs.embedding.embedder import Embedder
from prefiqs.embedding.vectors import drift, normalise, quality_from_drift
from prefiqs.methods._probes import require_variety
from prefiqs.methods._scorer import Scored, Scorer
from prefiqs.models.face_model import FaceModel
from prefiqs.pruning.prune import prune


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
    pruned = prune(model, ratio, granularity, criterion, seed)
    raw = Embedder([model, pruned], batch_size, device)
    check = cache(partial(require_variety, model, pruned, ratio))  # once, with the first faces

    def score(images: np.ndarray) -> Scored:
        check()
        moved = drift(*map(normalise, raw(images)))
        return Scored(quality_from_drift(moved), moved)

    return score
