"""A network by name, with its weights, on a device."""

import copy
import re
from pathlib import Path

import torch

from prefiqs.errors import InputError
from prefiqs.io.atomic import require_file
from prefiqs.models.face_model import FaceModel
from prefiqs.models.graph import GraphModel
from prefiqs.models.onnx_network import NETWORK_FILES, declaration_of, declared_input
from prefiqs.models.registry import card_of, load_file, published_weights

_CPU = torch.device("cpu")


def load_model(name: str, weights: str | Path | None = None, device: str = "auto") -> FaceModel:
    """Load an FR network in eval mode.

    Args:
        name: one of `MODELS`; the path of an ONNX file, or of MXNet's NAME-0000.params next to its NAME-symbol.json; or
            NAME, with such a file in `checkpoints/` of the data folder. The network gets RGB, (x − 127.5)/127.5, or
            unscaled pixels if it scales them itself, unless NAME.json next to it says otherwise, such as
            `{"colour": "bgr", "mean": 127.5, "std": 128}`. With `"better": "higher"` or `"lower"` added, the
            file, ONNX or a frozen TensorFlow graph (.pb), is a quality network.
        weights: a file to use instead of the published weights: the authors' checkpoint, or the same tensors with our
            layer names (.pth, .pt, .ckpt, .bin or .safetensors; for a network that is not built here, its own file).
        device: "auto" (CUDA if available), "cpu", "cuda" or "cuda:N".

    Raises `InputError` for an unknown name or a file that does not fit, `AssetError` if weights cannot be downloaded.
    """
    target = resolve_device(device)
    path = Path(name)
    if path.suffix.lower() in NETWORK_FILES:
        if weights is not None:
            raise InputError(f"{name} contains its own weights; leave out weights={str(weights)!r}.")
        require_file(path)
        return load_file(declaration_of(path).stem, declared_input(path), path).to(target)
    card = card_of(name)
    if weights:
        require_file(weights)
    return card.load(Path(weights or published_weights(name))).to(target)


def as_model(model: FaceModel | str, device: str = "auto") -> FaceModel:
    """A FaceModel as it is, or the one that a name stands for."""
    return load_model(model, device=device) if isinstance(model, str) else model


def on_device(model: FaceModel | str, device: torch.device, private: bool = False) -> FaceModel:
    """A network on a device, in the layout that its fastest kernels want; the one that is given never moves.

    Without `private` it may be the given network itself; with it, it is a copy that nobody else can see.
    """
    if isinstance(model, GraphModel):
        return model
    if not isinstance(model, str) and device == model.device == _CPU and not private:
        return model
    own = load_model(model, device=str(device)) if isinstance(model, str) else copy.deepcopy(model)
    if device.type == "cuda":  # where the fastest kernels want the channels of a pixel side by side
        own.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's types
    return own.to(device)


def resolve_device(device: str) -> torch.device:
    """The device of a name: "auto" is CUDA where there is one, else the CPU.

    Raises `InputError` for a name other than auto, cpu, cuda or cuda:N, and for a GPU that is not there.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise InputError(f"Unknown device {device!r}; choose auto, cpu, cuda, or cuda:N for the GPU with number N.")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return torch.device("cuda") if count else _CPU
    if device != "cpu" and int(device.partition(":")[2] or 0) >= count:
        raise InputError(f"There is no device {device}: PyTorch sees {count or 'no'} CUDA GPUs; use auto or cpu.")
    return torch.device(device)
