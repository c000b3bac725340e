"""Where the weights of a network lie: a folder each, filled from a fetched asset or from a checkpoint of the user's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors.torch import save_file

from prefiqs.assets.fetch import fetch
from prefiqs.assets.location import data_root
from prefiqs.assets.registry import ASSETS
from prefiqs.assets.verify import file_sha256
from prefiqs.errors import AssetError, InputError
from prefiqs.io.atomic import write_text
from prefiqs.models.checkpoints import ENDINGS
from prefiqs.models.graph import declared_input
from prefiqs.models.zoo import MODELS, ModelCard


def published_weights(name: str) -> Path:
    """The weights of a network, the file `weights/NAME/model.*` in the data folder, made first if need be.

    For PyTorch networks that is `model.safetensors`, in our layer names, from the fetched asset or from the checkpoint
    that the user put at `checkpoints/NAME.pth` (.pt, .ckpt, .bin, .safetensors); for finished graphs it is a copy, with
    the input that was declared for it. `source.json` beside it says what it was made from, with sha256: another file
    there makes it anew. A checkpoint that is gone since then is not missed.

    Raises:
        InputError: there is no such network, or the file is not of this network; AssetError: the weights cannot be had.
    """
    card = card_of(name)
    target, record = _target(card), _folder(name) / "source.json"
    if card.asset:
        asset = ASSETS[card.asset]
        checksums = {Path(asset.path).name: checksum for checksum in asset.sha256.values()}
    elif checkpoint := _checkpoint(card):
        used = [checkpoint] if card.network else [checkpoint, checkpoint.with_suffix(".json")]
        checksums = {path.name: file_sha256(path) for path in used if path.is_file()}
    elif target.is_file():
        return target
    else:
        raise AssetError(
            f"Expected the weights of {name} in {_checkpoints() / name}.pth (or {', '.join(ENDINGS[1:])}), got no such "
            f"file: get them from {card.source} and put them there (licence: {card.licence})."
        )
    made_from = json.dumps(checksums, indent=1) + "\n"
    if not (target.is_file() and record.is_file() and record.read_text(encoding="utf-8") == made_from):
        _make(card, fetch(card.asset) if card.asset else checkpoint, target)
        write_text(made_from, record)
    return target


def weights_state(name: str) -> str:
    """In few words, whether the weights of a network are there, and where they are expected if not."""
    card = card_of(name)
    if _target(card).is_file() or (not card.asset and _checkpoint(card)):
        return "present"
    return "fetched at first use" if card.asset else f"missing, expected at {_checkpoints() / name}.pth"


def known_models() -> list[str]:
    """Names of the registry, then those that the user's own ONNX files make."""
    own = {path.stem for path in _checkpoints().glob("*.onnx")}
    own |= {path.parent.name for path in _folder("*").parent.glob("*/model.onnx")}
    return [*MODELS, *sorted(own - MODELS.keys())]


def card_of(name: str) -> ModelCard:
    """The card of a network, made up for an ONNX file of the user's; `InputError` if there is neither."""
    if name in MODELS:
        return MODELS[name]
    for path in (_checkpoints() / f"{name}.onnx", _folder(name) / "model.onnx"):
        if path.is_file():
            return ModelCard(name, "ONNX file of your own", str(path), "not known", None, declared_input(path), None)
    raise InputError(
        f"Expected a model name or an .onnx file, got {name!r}; known are: {', '.join(sorted(known_models()))}; "
        f"{_checkpoints() / name}.onnx would make it one."
    )


def _make(card: ModelCard, source: Path, target: Path) -> None:
    model = card.load(source)  # a graph too: what cannot be used is not copied
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    if card.network:
        save_file(model.state_dict(), partial)
    else:
        shutil.copyfile(source, partial)
        declared, copy = source.with_suffix(".json"), target.with_suffix(".json")
        if declared.is_file():
            write_text(declared.read_text(encoding="utf-8"), copy)
        else:
            copy.unlink(missing_ok=True)
    partial.replace(target)


def _target(card: ModelCard) -> Path:
    if card.network:
        return _folder(card.name) / "model.safetensors"
    return _folder(card.name) / f"model{Path(ASSETS[card.asset].path).suffix if card.asset else '.onnx'}"


def _checkpoint(card: ModelCard) -> Path | None:
    """The file that the user put in place; `InputError` if there are several."""
    paths = [_checkpoints() / f"{card.name}{ending}" for ending in (ENDINGS if card.network else (".onnx",))]
    found = [path for path in paths if path.is_file()]
    if len(found) > 1:
        raise InputError(f"Expected one checkpoint of {card.name}, got {', '.join(map(str, found))}; keep one of them.")
    return found[0] if found else None


def _checkpoints() -> Path:
    return data_root() / "checkpoints"


def _folder(name: str) -> Path:
    return data_root() / "weights" / name
