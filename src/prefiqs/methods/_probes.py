"""Shared by the methods that look inside a network."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from prefiqs.embedding.derivatives import derivative_engine
from prefiqs.embedding.embedder import batches, run_padded
from prefiqs.embedding.engines import torch_engine
from prefiqs.embedding.vectors import normalise
from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE
from prefiqs.models.face_model import FaceModel, normalises, require_eval_mode
from prefiqs.models.graph import GraphModel
from prefiqs.models.loading import on_device, resolve_device

FEWEST_COMPILED = 64  # tracing a derivative takes as long as about 100 faces in PyTorch


class Probe(FaceModel):
    """A network that gives `size` other numbers of each face instead of its embedding; `forward` says which."""

    def __init__(self, model: FaceModel, size: int):
        super().__init__(model.name, model.input_spec, size)
        self.model = model
        self.training = model.training  # of the probe alone


def require_layers(model: FaceModel, method: str) -> None:
    """Raise `InputError` for a network without PyTorch layers, or one that is not in eval mode."""
    if isinstance(model, GraphModel):
        raise InputError(f"The method {method} needs the layers of a PyTorch network, but {model.name} is a TFLite "
                         "graph. Use a checkpoint or an ONNX file.")  # fmt: skip
    require_eval_mode(model)


def require_length(model: FaceModel, method: str, device: str) -> None:
    """Raise `InputError` for a network that normalises its embeddings: their length then says nothing about a face."""
    if normalises(on_device(model, resolve_device(device))):
        raise InputError(f"The method {method} needs the length of embeddings, but {model.name} normalises them. "
                         "Use a network that outputs raw embeddings, or another method.")  # fmt: skip


def require_variety(model: FaceModel, pruned: FaceModel, ratio: float) -> None:
    """Raise `InputError` for a pruned network that embeds two very different faces alike, as zero, or as before.

    All faces would have the same score: with an embedding of zero, the drift 1 from any embedding; unchanged, 0.
    """
    faces = np.random.default_rng(0).integers(0, 128, (2, FACE_SIZE, FACE_SIZE, 3), np.uint8)
    faces[0, ..., 0] += 128  # reddish noise, and greenish blue
    faces[1, ..., 1:] += 128
    with torch.no_grad():
        first, second = normalise(pruned(pruned.prepare(faces)).cpu().numpy())
        unpruned = on_device(model, pruned.device)
        before = normalise(unpruned(unpruned.prepare(faces)).cpu().numpy())
    if np.abs(before - [first, second]).max() < 1e-6:
        raise InputError(f"Pruned by {ratio:g}, {pruned.name} gives every face the same embedding as before: it lost "
                         "only weights of zero. All scores would be 1. Choose a larger ratio.")  # fmt: skip
    if not np.linalg.norm(first - second) > 1e-6:
        raise InputError(f"Pruned by {ratio:g}, {pruned.name} gives the same embedding for every face, so scores would "
                         "be meaningless. Choose a smaller ratio.")  # fmt: skip


def private_copy(model: FaceModel, method: str, device: str) -> FaceModel:
    """A private copy of the network on a device, which may be given hooks; raises as `require_layers` does."""
    require_layers(model, method)
    return on_device(model, resolve_device(device), private=True)


def with_fixed_weights(model: FaceModel) -> Callable[[Tensor], Tensor]:
    """The network as a function of prepared faces alone: gradients reach its input, never its weights."""
    fixed = {name: weight.detach() for name, weight in model.named_parameters()}
    return lambda prepared: functional_call(model, fixed, (prepared,))


def derivatives(
    function: Callable, model: FaceModel, batch_size: int, name: str, faces: float = np.inf
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Turn a function of prepared faces into one of aligned faces, prepared for `model`; see `derivative_engine`.

    faces: how many will come, if that is known: for a few, PyTorch is done before the engine is made.
    """
    few = faces < FEWEST_COMPILED
    engine = torch_engine(function) if few else derivative_engine(function, model.device, batch_size, name)

    def tables(images: np.ndarray) -> list[np.ndarray]:
        parts = [run_padded(engine, model.prepare(faces), batch_size) for faces in batches(images, batch_size)]
        return [np.concatenate(table) for table in zip(*parts, strict=True)]

    return tables
