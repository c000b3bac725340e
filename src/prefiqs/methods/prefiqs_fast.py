"""PreFIQs at the cost of one forward pass: only the embedding layer is pruned, and the score combines drift and norm.

Source: an extension of this project, not of the paper. With e the embedding, e_ρ that of the pruned embedding layer and
D the drift between the two (PreFIQs, eq. 4): score = e_ρ·ê = ‖e_ρ‖·(1 − D²/2), the projection of the pruned embedding
onto the original. With only this layer pruned, drift ranks worse than the embedding norm. Combined, the two ranked at
least as well as either alone on `orl-xq` and LFW. The form and the ratio were chosen on these data (notebook 20). Cost:
one forward pass, plus a second pass through the embedding layer and the layers after it.
"""

from functools import cache, partial

import numpy as np

from prefiqs.embedding.shared_prefix import shared_embedder
from prefiqs.embedding.vectors import normalise
from prefiqs.methods._probes import require_length, require_variety
from prefiqs.methods._scorer import Scored, Scorer
from prefiqs.models.face_model import FaceModel
from prefiqs.pruning.mask import embedding_layer
from prefiqs.pruning.prune import prune


def scorer(
    model: FaceModel,
    ratio: float = 0.6,
    criterion: str = "l1",
    seed: int = 0,
    batch_size: int | None = None,
    device: str = "auto",
) -> Scorer:
    """Quality of n aligned faces, float32 n, at most the length of the pruned embedding, higher = better; `ratio` in
    (0, 1) counts the weights of the embedding layer alone."""
    require_length(model, "prefiqs-fast", device)
    pruned = prune(model, ratio, "unstructured", criterion, seed, embedding_layer(model))
    check = cache(partial(require_variety, pruned, ratio))  # once, with the first faces
    raw = shared_embedder(model, [pruned], batch_size, device)

    def score(images: np.ndarray) -> Scored:
        check()
        e, e_pruned = raw(images)
        return Scored(np.sum(normalise(e) * e_pruned, axis=1))

    return score
