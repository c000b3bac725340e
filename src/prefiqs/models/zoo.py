"""The registry of FR networks: one entry a name, and `load_model`, the only way in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from prefiqs.assets import fetch
from prefiqs.core.errors import InputError
from prefiqs.core.paths import data_root
from prefiqs.models import sface
from prefiqs.models.face_model import FaceModel, InputSpec
from prefiqs.models.graph import GraphModel


@dataclass(frozen=True)
class ModelCard:
    """What `prefiqs list models` shows of a network, and how it is made from a weights file."""

    build: Callable[[Path], FaceModel]
    asset: str
    description: str


# The pixel scaling of both MobileFaceNets and of unknown ONNX files: the most common one of the field.
_HALF = InputSpec("rgb", mean=127.5, std=128.0)


def _build_sface(path: Path) -> FaceModel:
    model = sface.SFace()
    if path.suffix == ".onnx":
        state = sface.state_dict_from_onnx(path)
    else:
        try:
            state = load_file(path)
        except SafetensorError as error:
            raise InputError(
                f"Expected SFace weights (.onnx or .safetensors), got {path}, which is damaged: {error}."
            ) from error
    load_strictly(model, state, path)
    return model


MODELS: dict[str, ModelCard] = {
    "sface": ModelCard(_build_sface, "sface", "SFace, MobileNet-v1 backbone, 128-d (OpenCV Zoo)"),
    "mobilefacenet-512": ModelCard(
        lambda path: GraphModel("mobilefacenet-512", _HALF, path), "mobilefacenet-512", "MobileFaceNet, 512-d, ONNX"
    ),
    "mobilefacenet-192": ModelCard(
        lambda path: GraphModel("mobilefacenet-192", _HALF, path), "mobilefacenet-192", "MobileFaceNet, 192-d, TFLite"
    ),
}


def load_model(name: str, weights: str | Path | None = None, device: str = "auto") -> FaceModel:
    """Load an FR network in eval mode.

    Args:
        name: one of `MODELS`, or the path of an ONNX file (RGB, (x − 127.5)/128, 112×112).
        weights: a weights file to use instead of the published one (fetched at first use).
        device: "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:N".

    Raises:
        InputError: unknown name, or a weights file that does not fit; AssetError: the weights cannot be had.
    """
    if name.endswith(".onnx"):
        if weights is not None:
            raise InputError(f"Expected no weights beside an ONNX file, which holds its own; got {weights}.")
        return GraphModel(Path(name).stem, _HALF, existing(Path(name)))
    if name not in MODELS:
        raise InputError(
            f"Expected a model name or an .onnx file, got {name!r}; known are: {', '.join(sorted(MODELS))}."
        )
    path = existing(Path(weights)) if weights else published_weights(name)
    return MODELS[name].build(path).to(resolve_device(device))


def as_model(model: FaceModel | str, device: str = "auto") -> FaceModel:
    """A FaceModel as it is, or the one that a name stands for."""
    return load_model(model, device=device) if isinstance(model, str) else model


def published_weights(name: str) -> Path:
    """Path of the published weights of a model, fetched and (for SFace) rewritten as safetensors when missing."""
    source = fetch(MODELS[name].asset)
    if name != "sface":
        return source
    target = data_root() / "weights" / "sface.safetensors"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        save_file(_build_sface(source).state_dict(), partial)
        partial.replace(target)
    return target


def load_strictly(model: FaceModel, state: dict[str, Tensor], path: Path) -> None:
    """Load a state dict that must fit exactly; older files may lack batch norm's `num_batches_tracked` counters.

    Raises `InputError` naming the first keys or shapes that do not fit.
    """
    own = model.state_dict()
    state = {k: own[k] for k in own if k.endswith("num_batches_tracked")} | state
    missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    misfits = [f"{k} {tuple(state[k].shape)} for {tuple(own[k].shape)}" for k in own.keys() & state.keys()
               if state[k].shape != own[k].shape]  # fmt: skip
    if missing or unknown or misfits:
        raise InputError(
            f"Expected the weights of {model.name} in {path}, got a file that does not fit: "
            f"missing {missing[:3]}, unknown {unknown[:3]}, wrong shape {sorted(misfits)[:3]}."
        )
    model.load_state_dict(state)


def existing(path: Path) -> Path:
    """Return `path` if it is a file; else `InputError`."""
    if not path.is_file():
        raise InputError(f"Expected a weights file, got {path}, which does not exist; check the path.")
    return path


def resolve_device(device: str) -> torch.device:
    """The device of a name: "auto" is CUDA where there is one, else the CPU. Raises `InputError` for a missing one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"Expected a CUDA device for device={device!r}, got none; use device='auto' or 'cpu'.")
    try:
        return torch.device(device)
    except RuntimeError:
        raise InputError(f"Expected device 'auto', 'cpu', 'cuda' or 'cuda:N', got {device!r}.") from None
