"""PreFIQs: face image quality is what survives pruning.

Source: PreFIQs, sec. 3.2, eq. 4-7. Q(x) = 1 − ‖ê(x) − ê_ρ(x)‖₂ / 2. Cost: two forward passes, no backward pass.
"""

from functools import cache, partial

import numpy as np

from prefiqs.embedding.embedder import Embedder
from prefiqs.embedding.vectors import normalise
from prefiqs.errors import InputError
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


def drift(e: np.ndarray, e_pruned: np.ndarray) -> np.ndarray:
    """Embedding drift D = ‖ê − ê_ρ‖₂ (PreFIQs, eq. 4): float32 n, in [0, 2], larger = worse.

    Takes the L2-normalised embeddings of the same faces, n×d, from the network and its pruned copy; `InputError` for
    others. A row of zeros (pruning left no output) has distance 1 to every embedding.
    """
    e, e_pruned = np.asarray(e, np.float64), np.asarray(e_pruned, np.float64)
    if e.ndim != 2 or e.shape != e_pruned.shape:
        raise InputError(f"Both arrays of embeddings must have the same shape n×d, not {e.shape} and {e_pruned.shape}.")
    for table in (e, e_pruned):
        norms = np.linalg.norm(table, axis=1)
        if not np.all((np.abs(norms - 1) < 1e-3) | (norms == 0)):
            raise InputError("The embeddings must be L2-normalised, as those of prefiqs.embed are.")
    return np.clip(np.linalg.norm(e - e_pruned, axis=1), 0, 2).astype(np.float32)


def quality_from_drift(d: np.ndarray) -> np.ndarray:
    """Quality Q = 1 − D/2 (PreFIQs, eq. 7): from drift in [0, 2] to n scores in [0, 1], higher = better."""
    return 1 - np.asarray(d) / 2
