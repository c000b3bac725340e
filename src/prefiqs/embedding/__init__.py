"""Embedding: aligned faces through one or many networks, on the GPU or the fastest CPU engine."""

from prefiqs.embedding.derivatives import DerivativeEngine
from prefiqs.embedding.engines import model_engines, torch_engine
from prefiqs.embedding.extract import (
    BATCH_SIZES,
    Embedder,
    batches,
    embed,
    raw_embeddings,
    run_padded,
    write_embeddings,
)

__all__ = [
    "BATCH_SIZES", "DerivativeEngine", "Embedder", "batches", "embed", "model_engines", "raw_embeddings", "run_padded",
    "torch_engine", "write_embeddings",
]  # fmt: skip
