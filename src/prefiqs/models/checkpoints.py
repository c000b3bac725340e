"""Published checkpoints: read without running anything they hold, renamed into our layer names, loaded strictly."""

import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from prefiqs.errors import InputError
from prefiqs.models.onnx_network import read_network, tensor_of

# By which ending a checkpoint is known; the first four are PyTorch's own format.
ENDINGS = (".pth", ".pt", ".ckpt", ".bin", ".safetensors")
_CONTAINERS = ("state_dict", "model")


@dataclass(frozen=True)
class Layout:
    """How a published checkpoint names its tensors.

    prefix: what stands before the backbone's own names. leftovers: beginnings of other keys that are known, which the
    embedding does not need. names: our names by theirs, where these differ by more than the prefix.
    """

    prefix: str = ""
    leftovers: tuple[str, ...] = ()
    names: Mapping[str, str] | None = None

    def renamed(self, key: str) -> str | None:
        """Our name of a tensor; None for one that is not the backbone's."""
        if self.names is not None:
            return self.names.get(key)
        return key.removeprefix(self.prefix) if key.startswith(self.prefix) else None


PLAIN = Layout()
# What DataParallel, Lightning, CVLface and torch.compile put before the names of a network.
_WRAPPERS = re.compile(r"^(?:(?:module|model|net|_orig_mod)\.)+")


def read_backbone(path: Path, layouts: Sequence[Layout]) -> dict[str, Tensor]:
    """Read the backbone's tensors from a checkpoint, in the first layout that knows any of them (else in the last).

    Raises `InputError` for a file that is no checkpoint, or holds what the layout does not know.
    """
    state = read_tensors(path) if path.suffix.lower() in (".onnx", ".params") else read_checkpoint(path)
    if not any(key.startswith(one.prefix) for one in layouts if one.prefix for key in state):
        unwrapped = {_WRAPPERS.sub("", key): tensor for key, tensor in state.items()}
        if len(unwrapped) < len(state):
            raise InputError(f"{path} contains several networks: some names differ only by module., model., net.")
        state = unwrapped
    layout = next((one for one in layouts if any(one.renamed(key) for key in state)), layouts[-1])
    names = {key: layout.renamed(key) for key in state if not key.startswith(layout.leftovers)}
    if others := [key for key, name in names.items() if name is None]:
        raise InputError(f"{path} contains tensors that are not part of the network: {', '.join(others[:3])}, …")
    return {name: state[key] for key, name in names.items() if name is not None}


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read named tensors from a file that `torch.save` or safetensors wrote, or from its `state_dict` or `model`.

    Raises `InputError` for any other file. Nothing in it is run: a pickle may build tensors and plain containers only.
    """
    if path.suffix not in ENDINGS:
        raise InputError(f"The name of a weights file must end in {', '.join(ENDINGS)}, not {path}.")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise InputError(f"{path} is not a safetensors file, or is damaged: {error}.") from error
    content = _unpickle_tensors(path)
    if isinstance(content, dict):
        content = next((content[key] for key in _CONTAINERS if isinstance(content.get(key), dict)), content)
    if not isinstance(content, dict):
        raise InputError(f"{path} contains one {type(content).__name__} instead of named tensors.")
    if others := [key for key, value in content.items() if not (isinstance(key, str) and _is_plain(value))]:
        raise InputError(f"{path}, or its `state_dict`, contains more than named tensors: {others[:3]}.")
    return content


def _unpickle_tensors(path: Path) -> object:
    try:
        # `torch.save` never compresses, but PyTorch would unpack what someone else did: a few bytes to many gigabytes.
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > path.stat().st_size:
                raise InputError(f"{path} is compressed and unpacks to {unpacked} bytes, which `torch.save` never "
                                 "does. Get the file from its authors.")  # fmt: skip
        with warnings.catch_warnings():  # about pickles of other protocols, which are refused anyway
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # a damaged file can raise anything
        # PyTorch's own words recommend to switch its protection off, so they are not repeated.
        if wanted := re.search(r"GLOBAL (\S+)", str(error)):
            raise InputError(f"{path} tries to run `{wanted[1]}` when it is loaded. Nothing was run. Get a file that "
                             "contains tensors only (a state dict, or safetensors).") from error  # fmt: skip
        raise InputError(f"{path} is not a PyTorch checkpoint, or is damaged ({type(error).__name__}).") from error


def _is_plain(value: object) -> bool:
    """Whether a value is a tensor whose numbers are there, one by one."""
    return isinstance(value, Tensor) and value.layout == torch.strided and value.device.type == "cpu"


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of an ONNX or MXNet network by their names there; `InputError` if it cannot be read."""
    graph = read_network(path).graph
    # Slopes of PReLU have the shape c×1×1, in PyTorch c.
    slopes = {name for node in graph.node if node.op_type == "PRelu" for name in node.input[1:]}
    try:
        state = {str(tensor.name): tensor_of(tensor) for tensor in graph.initializer}  # bytes where it is no UTF-8
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return {name: tensor.flatten() if name in slopes else tensor for name, tensor in state.items()}


def load_strictly(model: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Load a state dict that must fit exactly; older files may lack batch norm's `num_batches_tracked` counters.

    The model, which may be on the device "meta", gets the tensors themselves, on the CPU, in its own types.

    Raises `InputError` naming the first keys or shapes that do not fit.
    """
    own = model.state_dict()
    state = {k: torch.zeros(()) for k in own if k.endswith("num_batches_tracked")} | state
    missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    misfits = [f"{k} {tuple(state[k].shape)} for {tuple(own[k].shape)}" for k in sorted(own.keys() & state.keys())
               if state[k].shape != own[k].shape]  # fmt: skip
    if missing or unknown or misfits:
        raise InputError(f"{path} does not contain the weights of {model.name}: missing {missing[:3]}, unknown "
                         f"{unknown[:3]}, wrong shape {misfits[:3]}.")  # fmt: skip
    model.load_state_dict({k: value.to(own[k].dtype) for k, value in state.items()}, assign=True)
