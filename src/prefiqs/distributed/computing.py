"""What a worker does with faces, chunk after chunk, with networks that it loads, prunes and compiles once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from prefiqs import pruning
from prefiqs.core.recipe import Recipe
from prefiqs.core.vectors import normalise
from prefiqs.embedding import BATCH_SIZES, batches, model_engines, run_padded
from prefiqs.embedding.extract import prepared_ahead
from prefiqs.models import FaceModel, load_model, resolve_device
from prefiqs.quality import METHODS, drift, quality_from_drift, score

Compute = Callable[[np.ndarray], np.ndarray]
"""From aligned faces, uint8 n×112×112×3, to n rows."""


def embedder(model: str, device: str) -> Compute:
    """Raw embeddings, float32 n×d."""
    network = load_model(model, device=device)
    raw = _compiled([network], device)
    return lambda faces: raw(faces)[0]


def scorer(method: str, model: str, device: str, options: Mapping[str, object]) -> Compute:
    """What `prefiqs.score` gives, float32 n; its pair of networks is kept for `prefiqs`, the network for all others."""
    network = load_model(model, device=device)
    if method != "prefiqs":
        return lambda faces: score(faces, method, network, device=device, **options)
    given = inspect.signature(METHODS[method]).bind(None, network, **options)
    given.apply_defaults()
    recipe = Recipe(*(given.arguments[name] for name in ("ratio", "granularity", "criterion", "seed")))
    pruned = pruning.apply(network, pruning.choose(network, recipe))
    raw = _compiled([network, pruned], device, given.arguments["batch_size"])
    return lambda faces: quality_from_drift(drift(*map(normalise, raw(faces))))


def _compiled(models: Sequence[FaceModel], device: str, batch_size: int | None = None):
    """`raw_embeddings` of networks with one input, compiled for all chunks to come."""
    target = resolve_device(device)
    size = batch_size or BATCH_SIZES[target.type]
    layout = torch.channels_last if target.type == "cuda" else torch.preserve_format
    models = [model.to(target, memory_format=layout) for model in models]
    engines = model_engines(models, size)

    def raw(faces: np.ndarray) -> list[np.ndarray]:
        inputs = prepared_ahead(lambda batch: {"faces": models[0].prepare(batch)}, batches(faces, size), target)
        rows = [[run_padded(engine, i["faces"], size)[0] for engine in engines] for i in inputs]
        return [np.concatenate(table) for table in zip(*rows, strict=True)]

    return raw
