"""What a worker does with faces, chunk after chunk, with networks that it loads, prunes and compiles once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from prefiqs.embedding.embedder import Embedder
from prefiqs.methods import registry
from prefiqs.models.loading import load_model

Compute = Callable[[np.ndarray], np.ndarray]
"""From aligned faces, uint8 n×112×112×3, to n rows."""


def embedder(model: str, device: str) -> Compute:
    """Raw embeddings, float32 n×d."""
    raw = Embedder([load_model(model, device=device)], device=device)
    return lambda faces: raw(faces)[0]


def scorer(method: str, model: str, device: str, options: Mapping[str, object]) -> Compute:
    """What `prefiqs.score` gives, float32 n."""
    return registry.scorer(method, load_model(model, device=device), device=device, **options)
