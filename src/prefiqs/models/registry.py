"""The registry of FR networks, which is `models.toml`: one card a network; and where their weights are.

That is a folder each, filled from a fetched asset or from a checkpoint of the user's: by the first stage of the
pipeline in `weights` of the data folder, which DVC tracks, by everything else in `cache/weights`.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from prefiqs.assets.fetch import ASSETS, fetch, file_sha256
from prefiqs.assets.location import data_root
from prefiqs.errors import AssetError, InputError
from prefiqs.io.atomic import whole_file, write_text
from prefiqs.models.cards import TABLE
from prefiqs.models.checkpoints import ENDINGS, PLAIN, Layout, load_strictly, read_backbone
from prefiqs.models.face_model import ARCFACE_INPUT, FaceModel, InputSpec
from prefiqs.models.graph import GRAPHS, GraphModel, QualityGraph
from prefiqs.models.onnx_network import NETWORK_FILES, declaration_of, declared_input, files_of, load_onnx, read_network


@dataclass(frozen=True)
class ModelCard:
    """One FR network.

    source: where its authors give out the weights, and which file; `licence` is that of the weights.
    network: builds it without weights, given `name` and `input_spec`; None if the file says how (ONNX, MXNet, TFLite).
    input_spec, embedding_size: None if only the file knows.
    layouts: the forms in which its checkpoints name their tensors, tried in this order.
    endings: by which names the user's file is known, behind that of the network.
    asset: name of the weights in `prefiqs.assets.fetch.ASSETS`; None if the user puts the file in place.
    seen: benchmarks whose images, or kinds of degradation, it was trained on, as far as known; results are marked.
    accuracy: its verification accuracy (%) by benchmark, ten folds without flip test, where other code computed it.
    """

    name: str
    description: str
    source: str
    licence: str
    network: Callable[..., FaceModel] | None
    input_spec: InputSpec | None = ARCFACE_INPUT
    embedding_size: int | None = 512
    layouts: tuple[Layout, ...] = (PLAIN,)
    endings: tuple[str, ...] = ENDINGS
    asset: str | None = None
    seen: tuple[str, ...] = ()
    accuracy: Mapping[str, float] = field(default_factory=dict)

    def load(self, path: Path) -> FaceModel:
        """The network with the weights of a file, on the CPU; `InputError` for a file that does not fit."""
        if self.network is None:
            return load_file(self.name, self.input_spec, path)
        state = read_backbone(path, self.layouts)
        with torch.device("meta"):  # weights that are about to be replaced need neither time nor random numbers
            model = self.network(name=self.name, input_spec=self.input_spec)
        load_strictly(model, state, path)
        return model


def load_file(name: str, input_spec: InputSpec | None, path: Path) -> FaceModel:
    """The network in a file that says how it is built; what it is for is declared by its input."""
    if input_spec and input_spec.better:
        return QualityGraph(name, input_spec, path)
    if path.suffix.lower() == ".pb":
        raise InputError(f"{path} can be used as a quality network only. Declare it in {declaration_of(path).name}: "
                         '{"colour": …, "mean": …, "std": …, "better": "higher" or "lower"}.')  # fmt: skip
    if input_spec and path.suffix == ".tflite":
        return GraphModel(name, input_spec, path)
    return load_onnx(name, input_spec, path)


def _card(name: str, **entry: Any) -> ModelCard:
    """An entry of the table."""
    network, shape, asset = entry.pop("network", None), entry.pop("shape", {}), entry.get("asset")
    if network:
        network = partial(_named(network), **shape)
    if asset:
        entry |= {"source": str(ASSETS[asset].sources[0]), "licence": ASSETS[asset].licence}
    if "input" in entry:
        entry["input_spec"] = InputSpec(**entry.pop("input"))
    entry |= {key: tuple(entry[key]) for key in ("seen", "endings") if key in entry}
    if "layouts" in entry:
        entry["layouts"] = tuple(_layout(**layout) for layout in entry["layouts"])
    return ModelCard(name, network=network, **entry)


def _layout(prefix: str = "", leftovers: list[str] | None = None, names: str | None = None) -> Layout:
    return Layout(prefix, tuple(leftovers or ()), _named(names) if names else None)


def _named(name: str) -> Any:
    """What a file of this folder calls NAME, by FILE.NAME."""
    module, _, attribute = name.partition(".")
    return getattr(import_module(f"prefiqs.models.{module}"), attribute)


MODELS = {name: _card(name, **entry) for name, entry in TABLE.items()}


def published_weights(name: str, into: Path | None = None) -> Path:
    """The weights of a network, a file NAME/model.* in `into` or in one of the two folders, made first if need be.

    For PyTorch networks that is `model.safetensors`, in our layer names, from the fetched asset or from the user's
    `checkpoints/NAME.pth` (.pt, .ckpt, .bin, .safetensors) in the data folder; for other networks it is their file, as
    one ONNX file if it was several, with the input that was declared for it. `source.json` beside it holds the sha256
    of what it was made from: if another file is there now, it is made again.

    Raises `InputError` if there is no such network, or the file is not of it; `AssetError` if it cannot be had.
    """
    card = card_of(name)
    targets = [folder / name / _file_name(card) for folder in ([into] if into else _folders())]
    checkpoint = None if card.asset else _checkpoint(card)
    if card.asset:
        asset = ASSETS[card.asset]
        checksums = {(Path(asset.path) / part).name: checksum for part, checksum in asset.sha256.items()}
    elif checkpoint:
        used = [checkpoint] if card.network else files_of(checkpoint)
        checksums = {path.name: file_sha256(path) for path in used}
    elif made := [target for target in targets if target.is_file()] or _made(card):
        return made[0]
    else:
        raise AssetError(missing_weights(name))
    made_from = json.dumps(checksums, indent=1) + "\n"
    for target in targets:
        record = target.with_name("source.json")
        if target.is_file() and record.is_file() and record.read_text(encoding="utf-8") == made_from:
            return target
    source = checkpoint or fetch(card.asset)  # type: ignore[arg-type]
    _make(card, next(source.glob("*.params")) if source.is_dir() else source, target)
    write_text(made_from, record)
    return target


def missing_weights(name: str) -> str:
    """What to do about the weights of a network if they are neither here nor can be fetched, else ""."""
    card = card_of(name)
    if card.asset or _checkpoint(card) or _made(card):
        return ""
    first, *others = card.endings
    or_others = f"or {', '.join(others)}; " if others else ""
    own = ", ".join(map(str, _own_files(name)))
    not_read = f" To use {own} as a network of its own, give it a name that is not in the registry." if own else ""
    return (f"The weights of {name} are missing. Get them from {card.source}, and put them at "
            f"{_checkpoints() / name}{first} ({or_others}licence: {card.licence}).{not_read}")  # fmt: skip


def weights_are_here(name: str) -> bool:
    """Whether a network can be loaded without a download."""
    card = card_of(name)
    asset = ASSETS.get(card.asset or "")
    return bool((asset and (data_root() / asset.path).exists()) or _checkpoint(card) or _made(card))


def weights_state(name: str) -> str:
    """In few words, whether the weights of a network are there, and where they are expected if not."""
    card = card_of(name)
    if missing_weights(name):
        return f"missing, expected at {_checkpoints() / name}{card.endings[0]}"
    return "fetched at first use" if card.asset and not _made(card) else "present"


def known_models() -> list[str]:
    """Names of the registry, then those that the user's own ONNX, MXNet and TensorFlow files make."""
    own = {declaration_of(path).stem for path in _own_files()}
    own |= {path.parent.name for folder in _folders() for path in folder.glob("*/model.*") if path.suffix in GRAPHS}
    return [*MODELS, *sorted(own - MODELS.keys())]


def card_of(name: str) -> ModelCard:
    """The card of a network, made up for a file of the user's; `InputError` if there is neither."""
    if name in MODELS:
        return MODELS[name]
    own = [*_own_files(name), *(folder / name / f"model{suffix}" for folder in _folders() for suffix in GRAPHS)]
    if path := next((path for path in own if path.is_file()), None):
        return ModelCard(name, "your own file", str(path), "not known", None, declared_input(path), None)
    if suffix := Path(name).suffix.lower():
        checkpoint = " data/checkpoints/README.md says how to use a PyTorch checkpoint." if suffix in ENDINGS else ""
        raise InputError(f"{name} is neither a known model nor a file that ends in .onnx, .params (MXNet) or .pb "
                         f"(quality networks only).{checkpoint}")  # fmt: skip
    raise InputError(f"Unknown model {name!r}; choose one of {', '.join(sorted(known_models()))}, or put your own at "
                     f"{_checkpoints() / name}.onnx.")  # fmt: skip


def _make(card: ModelCard, source: Path, target: Path) -> None:
    model = card.load(source)  # a graph too: what cannot be used is not copied
    with whole_file(target) as partial:
        if card.network:
            save_file(model.state_dict(), partial)
            return
        declared, copy = declaration_of(source), target.with_suffix(".json")
        if files_of(source) in ([source], [source, declared]):
            shutil.copyfile(source, partial)
        else:
            partial.write_bytes(read_network(source).SerializeToString())
        if declared.is_file():
            write_text(declared.read_text(encoding="utf-8"), copy)
        else:
            copy.unlink(missing_ok=True)


def _made(card: ModelCard) -> list[Path]:
    return [path for folder in _folders() if (path := folder / card.name / _file_name(card)).is_file()]


def _file_name(card: ModelCard) -> str:
    if card.network:
        return "model.safetensors"
    suffix = Path(ASSETS[card.asset].path if card.asset else card.source).suffix.lower()
    return f"model{suffix if suffix in ('.tflite', '.pb') else '.onnx'}"


def _checkpoint(card: ModelCard) -> Path | None:
    """The file that the user put in place; `InputError` if there are several."""
    found = [path for ending in card.endings if (path := _checkpoints() / f"{card.name}{ending}").is_file()]
    found = found if card.network else _own_files(card.name)
    if len(found) > 1:
        raise InputError(f"{card.name} has several checkpoints: {', '.join(map(str, found))}. Keep one of them.")
    return found[0] if found else None


def _own_files(name: str | None = None) -> list[Path]:
    """The user's ONNX, MXNet and TensorFlow files; only those of one network if it is named."""
    files = [path for path in sorted(_checkpoints().glob("*")) if path.suffix.lower() in NETWORK_FILES]
    return [path for path in files if name in (None, declaration_of(path).stem)]


def _checkpoints() -> Path:
    return data_root() / "checkpoints"


def _folders() -> list[Path]:
    return [data_root() / "weights", data_root() / "cache" / "weights"]
