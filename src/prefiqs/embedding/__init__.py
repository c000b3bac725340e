"""Embedding: aligned faces through one or many networks, on the GPU or the fastest CPU engine."""

from prefiqs.embedding.engines import compile_graph, openvino_graph, torch_engine
from prefiqs.embedding.extract import batches, embed, raw_embeddings, run_padded, write_embeddings

__all__ = [
    "batches", "compile_graph", "embed", "openvino_graph", "raw_embeddings", "run_padded",
    "torch_engine", "write_embeddings",
]  # fmt: skip
