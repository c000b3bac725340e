"""Shared by the methods that look inside a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor
from torch.func import functional_call

from prefiqs.core.errors import InputError
from prefiqs.embedding import Embedder
from prefiqs.models import FACE_SIZE, FaceModel, GraphModel


def require_layers(model: FaceModel, method: str) -> None:
    """Raise `InputError` for a network without PyTorch layers, or one that is not in eval mode."""
    if isinstance(model, GraphModel):
        raise InputError(f"Expected a PyTorch network for {method}, got {model.name}, a finished graph (ONNX or "
                         "TFLite), whose layers cannot be reached; use one with a checkpoint.")  # fmt: skip
    if model.training:
        raise InputError(f"Expected networks in eval mode, got {model.name} in training mode; call .eval() on it.")


def with_fixed_weights(model: FaceModel):
    """The network as a function of prepared faces alone: gradients reach its input, never its weights."""
    fixed = {name: weight.detach() for name, weight in model.named_parameters()}

    def forward(prepared: Tensor) -> Tensor:
        return functional_call(model, fixed, (prepared,))

    return forward


def firing_layers(model: FaceModel) -> tuple[str, ...]:
    """Names of the layers that give activations in a forward pass, in the order in which they fire.

    Any module counts that gives a tensor, but those that only hand on (a view of) what another gave do not count again.
    """
    blank = torch.zeros(1, 3, FACE_SIZE, FACE_SIZE, device=model.device)
    names = [name for name, _ in model.named_modules() if name]
    with torch.no_grad(), _watch(model, names) as seen:
        model(blank)
    first = {(output.data_ptr(), output.numel()): name for name, output in reversed(seen.items())}
    return tuple(name for name in seen if name in first.values())


def norms_embedder(model: FaceModel, layers: Sequence[str], batch_size: int | None, device: str) -> Embedder:
    """Its one table holds the L2 norms of the named layers' activations, float32 n×layers; one forward pass a face."""
    return Embedder([_LayerNorms(model, layers)], batch_size, device)


class _LayerNorms(FaceModel):
    """A network that gives the norms of its layers' activations in the place of the embedding."""

    def __init__(self, model: FaceModel, layers: Sequence[str]):
        super().__init__(model.name, model.input_spec, len(layers))
        known = dict(model.named_modules())
        if missing := [name for name in layers if name not in known]:
            raise InputError(f"Expected layers of {model.name}, got {', '.join(missing)}; calibrate for this network.")
        self.model, self.layers = model, tuple(layers)
        self.training = False

    def forward(self, prepared: Tensor) -> Tensor:
        with _watch(self.model, self.layers) as seen:
            self.model(prepared)
        if silent := [name for name in self.layers if name not in seen]:
            raise InputError(f"Expected layers of {self.name} that take part in its forward pass, got "
                             f"{', '.join(silent)}; calibrate for this network.")  # fmt: skip
        return torch.stack([seen[name].flatten(1).norm(dim=1) for name in self.layers], dim=1)


@contextmanager
def _watch(model: FaceModel, layers: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """What the named layers give while the context lasts, by name, in the order in which they fire."""
    seen: dict[str, Tensor] = {}

    def keep(name: str):
        def hook(_, __, output) -> None:
            if isinstance(output, Tensor):
                seen[name] = output

        return hook

    with ExitStack() as hooks:
        for name in layers:
            hooks.enter_context(model.get_submodule(name).register_forward_hook(keep(name)))
        yield seen
