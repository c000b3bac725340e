"""Embedding: aligned faces through one or many networks, on the GPU or the fastest CPU engine."""
