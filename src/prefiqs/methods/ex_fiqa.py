"""EX-FIQA: the quality that a ViT-FIQA network gives behind each of its blocks, and the fusion of these exits.

Source: Ozgur et al., "EX-FIQA: Leveraging Intermediate Early eXit Representations from Vision Transformers for Face
Image Quality Assessment", 2026. s_l: the tokens behind block l through the network's own final LayerNorm and heads.
EX-FIQA-F: Σ s_l / L. EX-FIQA-FW: Σ w_l·s_l with w_l = 2l / (L(L + 1)). No parameter is added.
Cost: one forward pass for all exits and their fusion; an early exit l only the first l blocks of it.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np

from prefiqs.errors import InputError
from prefiqs.methods._scorer import Scored, Scorer
from prefiqs.methods._vit import exit_embedder, quality_network
from prefiqs.models.face_model import FaceModel

# Weights of the exits by the name of the fusion, from the numbers 1…L of the blocks.
_FUSIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"mean": np.ones_like, "depth": np.asarray}


def scorer(
    model: FaceModel,
    exit: int | None = None,
    fusion: Literal["mean", "depth"] | None = None,
    batch_size: int | None = None,
    device: str = "auto",
) -> Scorer:
    """Quality of n aligned faces, float32 n, unbounded, higher = better.

    Args:
        model: a network with a quality head.
        exit: the quality behind this block, 1 the first; later blocks are not run.
        fusion: of all exits, "mean" (EX-FIQA-F) or "depth" (EX-FIQA-FW), which is also what neither option gives.
        batch_size, device: as for `prefiqs.embed`.

    Raises:
        InputError: a network without quality head, an exit that it does not have, or both options at once.
    """
    network = quality_network(model)
    depth = len(network.blocks)
    if exit is None:
        weights = _weights("depth" if fusion is None else fusion, depth)
        every = exit_embedder(network, range(1, depth + 1), batch_size, device)
        return lambda images: Scored(_fused(every(images)[0], weights))
    if fusion is not None:
        raise InputError(f"Choose an exit or a fusion of all exits, not both (exit={exit}, fusion={fusion!r}).")
    if not 1 <= exit <= depth:
        raise InputError(f"The exit must be one of the blocks 1 to {depth} of {network.name}, not {exit}.")
    one = exit_embedder(network, [int(exit)], batch_size, device)
    return lambda images: Scored(one(images)[0][:, 0])


def exfiqa_scores(
    model: FaceModel | str, images: np.ndarray, batch_size: int | None = None, device: str = "auto"
) -> np.ndarray:
    """Quality behind every block (EX-FIQA-1 … EX-FIQA-L), from one pass: float32 n×L, higher = better.

    Args:
        model: a network with a quality head, or the name of one.
        images, batch_size, device: as for `prefiqs.embed`.

    Raises:
        InputError: a network without quality head, or images that are not aligned faces.
    """
    network = quality_network(model, device)
    return exit_embedder(network, range(1, len(network.blocks) + 1), batch_size, device)(images)[0]


def fuse_exits(scores: np.ndarray, fusion: Literal["mean", "depth"] = "depth") -> np.ndarray:
    """Fuse what `exfiqa_scores` gives, n×L: EX-FIQA-F ("mean") or EX-FIQA-FW ("depth"), float32 n, higher = better."""
    scores = np.asarray(scores)
    if scores.ndim != 2:
        raise InputError(f"Scores must be n×exits, as exfiqa_scores gives them, not of shape {scores.shape}.")
    return _fused(scores, _weights(fusion, scores.shape[1]))


def _weights(fusion: str, depth: int) -> np.ndarray:
    if fusion not in _FUSIONS:
        raise InputError(f"Unknown fusion {fusion!r}; choose {' or '.join(map(repr, _FUSIONS))}.")
    weights = _FUSIONS[fusion](np.arange(1.0, depth + 1))
    return weights / weights.sum()


def _fused(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (scores.astype(np.float64) @ weights).astype(np.float32)
