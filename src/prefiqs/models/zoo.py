"""The registry of FR networks, which is `models.toml`: one card a network."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from prefiqs.assets.fetch import ASSETS
from prefiqs.errors import InputError
from prefiqs.models.checkpoints import ENDINGS, PLAIN, Layout, load_strictly, read_backbone
from prefiqs.models.face_model import ARCFACE_INPUT, FaceModel, InputSpec, QualityInput, declared_as
from prefiqs.models.graph import GraphModel
from prefiqs.models.onnx_network import declaration_of, load_onnx
from prefiqs.models.quality import QualityGraph


@dataclass(frozen=True)
class ModelCard:
    """One FR network.

    Attributes:
        source: where its authors give out the weights, and which file; `licence` is that of the weights.
        network: builds it without weights, given `name` and `input_spec`; None if the file says how it is built (ONNX,
            MXNet, TFLite).
        input_spec, embedding_size: None if only the file knows.
        layouts: the forms in which its checkpoints name their tensors, tried in this order.
        endings: by which names the user's file is known, behind that of the network.
        asset: name of the weights in `prefiqs.assets.fetch.ASSETS`; None if the user puts the file in place.
        seen: benchmarks whose images, or kinds of degradation, it was trained on, as far as known; results are marked.
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
    if isinstance(input_spec, QualityInput):
        return QualityGraph(name, input_spec, path)
    if path.suffix == ".pb":
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
        entry["input_spec"] = declared_as(**entry.pop("input"))
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


_TABLE = tomllib.loads(files("prefiqs.models").joinpath("models.toml").read_text(encoding="utf-8"))
MODELS = {name: _card(name, **entry) for name, entry in _TABLE.items()}
