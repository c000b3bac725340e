"""Pseudo-labels of quality: how alike the embeddings of a face and of small perturbations of it are.

Source: Babnik, Jain, Peer, Štruc, "FROQ: Observing Face Recognition Models for Efficient Quality Assessment", IJCB
2025, the auxiliary technique on which FROQ is calibrated: q = (flip + noise + occlusion)/3, each the mean cosine
similarity to the embedding of the face itself. As in the published implementation, with x in [−1, 1]: the mirrored
face; ten noisy faces (1 − α)x + α·N(0, 1), α = 0.001, the noise the same for every face; 64 faces, in each of which one
square of 14 pixels is black.
Cost: 76 forward passes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from prefiqs.core.vectors import cosine_similarity
from prefiqs.embedding import BATCH_SIZES, batches, model_engines, run_padded
from prefiqs.models import FACE_SIZE, FaceModel, resolve_device

_SQUARE, _ALPHA, _NOISY_FACES = 14, 0.001, 10
_VIEWS = 2 + _NOISY_FACES + (FACE_SIZE // _SQUARE) ** 2


def pseudo_labels(
    images: np.ndarray, model: FaceModel, seed: int = 0, batch_size: int | None = None, device: str = "auto"
) -> np.ndarray:
    """Pseudo-label of each of n aligned faces, float64 n in [−1, 1], higher = better; `seed` is that of the noise."""
    target = resolve_device(device)
    batch_size = min(BATCH_SIZES[target.type], _VIEWS) if batch_size is None else batch_size
    (engine,) = model_engines([model.to(target)], batch_size)
    views = _Views(model, seed)
    labels = np.empty(len(images))
    for i, face in enumerate(batches(images, 1)):
        parts = views(model.prepare(face)).split(batch_size)
        embeddings = np.concatenate([run_padded(engine, part, batch_size)[0] for part in parts])
        flip, noise, occlusion = np.split(cosine_similarity(embeddings[:1], embeddings[1:]), [1, 1 + _NOISY_FACES])
        labels[i] = (flip.mean() + noise.mean() + occlusion.mean()) / 3
    return labels


class _Views:
    """A face, its mirror image, noisy and occluded faces, as the network wants its pixels: 1×3×112×112 to 76×…."""

    def __init__(self, model: FaceModel, seed: int):
        spec = model.input_spec
        noise = np.random.default_rng(seed).standard_normal((_NOISY_FACES, 3, FACE_SIZE, FACE_SIZE))
        # From the scale [−1, 1] to 0…255, and from there to the network's.
        noise = (127.5 + 127.5 * noise - spec.mean) / spec.std
        self.noise = torch.from_numpy(noise.astype(np.float32)).to(model.device)
        self.black = -spec.mean / spec.std
        side = FACE_SIZE // _SQUARE
        squares = torch.eye(side**2, dtype=torch.bool, device=model.device).reshape(-1, 1, side, side)
        self.squares = squares.repeat_interleave(_SQUARE, 2).repeat_interleave(_SQUARE, 3)

    def __call__(self, clean: Tensor) -> Tensor:
        noisy = (1 - _ALPHA) * clean + _ALPHA * self.noise
        return torch.cat([clean, clean.flip(3), noisy, clean.masked_fill(self.squares, self.black)])
