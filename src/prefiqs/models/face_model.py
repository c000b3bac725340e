"""What every face-recognition (FR) network of this package looks like from outside."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE


@dataclass(frozen=True)
class InputSpec:
    """How a network wants its pixels: `x -> (x - mean) / std` on the 0...255 scale, in the given colour order.

    better: of a quality network in a file that says how it is built, whether its higher or lower values are better.
    """

    colour: Literal["rgb", "bgr"]
    mean: float
    std: float
    better: Literal["higher", "lower"] | None = None

    def __post_init__(self) -> None:
        if self.colour not in ("rgb", "bgr") or not (math.isfinite(self.mean) and 0 < self.std < math.inf):
            raise InputError("The colour must be 'rgb' or 'bgr', and mean and std > 0 numbers on the 0…255 scale, "
                             f"not {self!r}.")  # fmt: skip
        if self.better not in ("higher", "lower", None):
            raise InputError(f"`better` must be 'higher' or 'lower', not {self.better!r}.")

    def __str__(self) -> str:
        return f"{self.colour.upper()}, (x - {self.mean:g})/{self.std:g}"


ARCFACE_INPUT = InputSpec("rgb", mean=127.5, std=127.5)  # of ArcFace and of most networks after it


class FaceModel(nn.Module):
    """An FR network in eval mode: prepared faces, float32 n×3×112×112, to raw (not normalised) embeddings, n×d.

    Subclasses define `forward`. Images always come as RGB: `prepare` is the only place where the colour order changes.
    """

    def __init__(self, name: str, input_spec: InputSpec, embedding_size: int):
        super().__init__()
        self.name = name
        self.input_spec = input_spec
        self.embedding_size = embedding_size
        self.sparsity = 0.0  # share of the prunable weights that pruning has removed

    def prepare(self, images: np.ndarray) -> Tensor:
        """Turn aligned faces, uint8 RGB n×112×112×3, into this network's input, float32 n×3×112×112, on its device."""
        faces, spec = check_faces(images), self.input_spec
        if self.device.type == "cuda":  # bytes travel, a quarter of the floats; the arithmetic is the same
            on_gpu = torch.from_numpy(faces).pin_memory().to(self.device, non_blocking=True).permute(0, 3, 1, 2)
            on_gpu = on_gpu.flip(1) if spec.colour == "bgr" else on_gpu
            return (on_gpu.float() - spec.mean) / spec.std
        if spec.colour == "bgr":
            faces = faces[..., ::-1]
        # In numpy: PyTorch would start its threads for this and keep the cores busy that the CPU engine needs.
        pixels = np.ascontiguousarray(faces.transpose(0, 3, 1, 2), np.float32)
        return torch.from_numpy((pixels - spec.mean) / spec.std).to(self.device)

    @property
    def device(self) -> torch.device:
        """The device of the weights; `cpu` for a network that holds none of its own."""
        return next((p.device for p in self.parameters()), torch.device("cpu"))


def normalises(model: FaceModel) -> bool:
    """Whether all embeddings of a network are equally long, so that their length says nothing about a face.

    Lengths are compared with how far the embeddings lie apart. Where that is hardly at all, as without weights, lengths
    say nothing about the network.
    """
    noise = np.random.default_rng(0).integers(0, 256, (4, FACE_SIZE, FACE_SIZE, 3), np.uint8)
    with torch.no_grad():
        embeddings = model(model.prepare(noise)).double()
    lengths = torch.linalg.vector_norm(embeddings, dim=1)
    apart = torch.pdist(embeddings).max()
    return bool(lengths.max() - lengths.min() < 1e-3 * apart and apart > 1e-3 * lengths.mean())


def require_eval_mode(*models: nn.Module) -> None:
    """Raise `InputError` for a network in training mode, whose results would depend on chance and on the batch."""
    for model in models:
        if model.training:
            name = getattr(model, "name", type(model).__name__)
            raise InputError(f"The network {name} is in training mode; call .eval() on it first.")


def check_faces(images: np.ndarray) -> np.ndarray:
    """Return `images` as writable, contiguous array if they are aligned faces, uint8 n×112×112×3; else `InputError`."""
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (FACE_SIZE, FACE_SIZE, 3):
        raise InputError(f"Aligned faces must be RGB, uint8 n×{FACE_SIZE}×{FACE_SIZE}×3, not {images.dtype} "
                         f"{'×'.join(map(str, images.shape))}. Align photos first with prefiqs.align (one face: "
                         "image[None]).")  # fmt: skip
    return np.require(images, requirements=["C", "W"])
