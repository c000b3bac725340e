"""What a spec removes from a network, and the file it is kept in."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor, nn

from prefiqs.errors import InputError
from prefiqs.io.atomic import whole_file
from prefiqs.pruning.spec import PruningSpec


@dataclass(frozen=True, eq=False)
class PruningMask:
    """What a spec removes from one network.

    `arrays` holds either `mask`, the bits (numpy.packbits) of the weights set to zero, in the order of
    `prunable_weights`; or, for structured pruning, an int32 array of channels for each step of `steps`, the history of
    DepGraph: (root layer, whether output channels are meant).
    """

    spec: PruningSpec
    sparsity: float
    arrays: dict[str, np.ndarray]
    steps: tuple[tuple[str, bool], ...] = ()


def prunable_weights(model: nn.Module, layers: str | tuple[str, ...] = "all") -> dict[str, Tensor]:
    """The `weight` of every convolution and linear layer, by name, in module order; biases and batch norm never.

    Raises `InputError` if a name in `layers` matches no layer, or the network has no such weights at all.
    """
    kinds = (nn.Conv1d, nn.Conv2d, nn.Linear)
    found = {name: layer.weight for name, layer in model.named_modules() if isinstance(layer, kinds)}
    if not found:
        raise InputError("The network has no convolution or linear layers of PyTorch: a TFLite network cannot be "
                         "pruned. Use a checkpoint or an ONNX file.")  # fmt: skip
    wanted = set(found)
    if layers != "all":
        below = {layer: {name for name in found if f"{name}.".startswith(f"{layer}.")} for layer in layers}
        if unknown := [layer for layer in layers if not below[layer]]:
            raise InputError(f"Unknown layer {unknown[0]!r}; choose from {', '.join(found)}.")
        wanted = set().union(*below.values())
    return {f"{name}.weight": weight for name, weight in found.items() if name in wanted}


def weights_like(model: nn.Module, pruned: nn.Module) -> dict[str, Tensor]:
    """`prunable_weights` of an unstructured pruning of a network; `InputError` for weights of other shapes."""
    other = prunable_weights(pruned)
    for name, weight in prunable_weights(model).items():
        if name not in other or other[name].shape != weight.shape:
            raise InputError(f"The network is not an unstructured pruning of {model.name}: {name} has another shape.")
    return other


def embedding_layer(model: nn.Module) -> str:
    """Name of the layer that makes the embedding: the last convolution or linear layer, unless the network says."""
    return getattr(model, "embedding_layer_name", None) or list(prunable_weights(model))[-1].removesuffix(".weight")


def save_mask(mask: PruningMask, path: Path) -> None:
    """Write a mask as safetensors."""
    head = {"spec": asdict(mask.spec), "sparsity": mask.sparsity, "steps": mask.steps}
    with whole_file(path) as partial:
        save_file(mask.arrays, partial, metadata={"mask": json.dumps(head)})


def load_mask(path: Path) -> PruningMask:
    """Read what `save_mask` wrote; `InputError` for any other file."""
    try:
        with safe_open(path, "numpy") as file:
            head = json.loads(file.metadata()["mask"])
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (safe_open is no dict)
        steps = tuple((layer, bool(out)) for layer, out in head["steps"])
        return PruningMask(PruningSpec(**head["spec"]), head["sparsity"], arrays, steps)
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError, OSError) as error:
        raise InputError(f"{path} is not a pruning mask, or is damaged ({error}). Delete it and run "
                         "`dvc repro prune`.") from error  # fmt: skip
