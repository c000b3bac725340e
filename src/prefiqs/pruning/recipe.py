"""What a pruned network is made of: a recipe, what the recipe removes, and the file both are kept in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import nn

from prefiqs.core.errors import InputError

GRANULARITIES = ("unstructured", "structured")
CRITERIA = ("l1", "random")


@dataclass(frozen=True)
class Recipe:
    """How to prune: `ratio` of the weights (unstructured) or of the channels (structured), chosen by `criterion`.

    `layers` is "all" or the names of the layers (a prefix of the module's name counts for all below it).
    """

    ratio: float
    granularity: str = "unstructured"
    criterion: str = "l1"
    seed: int = 0
    layers: str | tuple[str, ...] = "all"

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1:
            raise InputError(f"Expected a pruning ratio between 0 and 1 (exclusive), got {self.ratio}.")
        for value, allowed in ((self.granularity, GRANULARITIES), (self.criterion, CRITERIA)):
            if value not in allowed:
                raise InputError(f"Expected one of {', '.join(allowed)}, got {value!r}.")
        if self.layers != "all":
            object.__setattr__(self, "layers", tuple(self.layers))

    @property
    def variant(self) -> str:
        """Name of the pruned network in files and tables, such as `unstructured-l1-0.4`."""
        return f"{self.granularity}-{self.criterion}-{self.ratio:g}"


@dataclass(frozen=True)
class Removal:
    """What a recipe removes from one network.

    `arrays` holds either `mask`, the packed bits (numpy.packbits) of the weights set to zero, in the order of
    `prunable_weights`; or, for structured pruning, one int32 array of channels for each step of `steps`, the pruning
    history of DepGraph: (root layer, whether output channels are meant).
    """

    recipe: Recipe
    sparsity: float
    arrays: dict[str, np.ndarray]
    steps: tuple[tuple[str, bool], ...] = ()


def prunable_weights(model: nn.Module, layers: str | tuple[str, ...] = "all") -> dict[str, nn.Parameter]:
    """The `weight` of every convolution and linear layer, by name, in module order; biases and batch norm never.

    Raises `InputError` if a name in `layers` matches no layer, or the network has no such weights at all.
    """
    found = {n: m.weight for n, m in model.named_modules() if isinstance(m, (nn.Conv1d, nn.Conv2d, nn.Linear))}
    if not found:
        raise InputError("Expected a PyTorch network with convolution or linear layers, got one without; "
                         "a network loaded from ONNX or TFLite cannot be pruned.")  # fmt: skip
    if layers == "all":
        return {f"{n}.weight": w for n, w in found.items()}
    for layer in layers:
        if not any(_below(n, layer) for n in found):
            raise InputError(f"Expected names of layers with weights, got {layer!r}; known are {', '.join(found)}.")
    return {f"{n}.weight": w for n, w in found.items() if any(_below(n, layer) for layer in layers)}


def _below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def embedding_layer(model: nn.Module) -> str:
    """Name of the layer that makes the embedding: the last convolution or linear layer."""
    return list(prunable_weights(model))[-1].removesuffix(".weight")


def save_removal(removal: Removal, path: Path) -> None:
    """Write a removal as safetensors, through a temporary file, so that an interrupted run leaves nothing half-done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    head = {"recipe": asdict(removal.recipe), "sparsity": removal.sparsity, "steps": removal.steps}
    save_file(removal.arrays, partial, metadata={"removal": json.dumps(head)})
    partial.replace(path)


def load_removal(path: Path) -> Removal:
    """Read what `save_removal` wrote; `InputError` for any other file."""
    try:
        with safe_open(path, "numpy") as file:
            head = json.loads(file.metadata()["removal"])
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (safe_open is no dict)
    except (SafetensorError, KeyError, TypeError, FileNotFoundError) as error:
        raise InputError(f"Expected a pruning file in {path}, got something else ({error}); run `dvc repro prune`.") from error
    steps = tuple((layer, bool(out)) for layer, out in head["steps"])
    return Removal(Recipe(**head["recipe"]), head["sparsity"], arrays, steps)
