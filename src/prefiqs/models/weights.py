"""Where the weights of a network are: a folder each, filled from a fetched asset or from a checkpoint of the user's.

The first stage of the pipeline fills `weights` of the data folder, which DVC tracks. Everything else fills
`cache/weights`, so that scoring a photo never makes a stage outdated. Both are read.
"""

import json
import shutil
from pathlib import Path

from safetensors.torch import save_file

from prefiqs.assets.fetch import fetch, file_sha256
from prefiqs.assets.location import data_root
from prefiqs.assets.registry import ASSETS
from prefiqs.errors import AssetError, InputError
from prefiqs.io.atomic import whole_file, write_text
from prefiqs.models.checkpoints import ENDINGS
from prefiqs.models.graph import declared_input
from prefiqs.models.zoo import MODELS, ModelCard


def published_weights(name: str, into: Path | None = None) -> Path:
    """The weights of a network, a file NAME/model.* in `into` or in one of the two folders, made first if need be.

    For PyTorch networks that is `model.safetensors`, in our layer names, from the fetched asset or from the checkpoint
    that the user put at `checkpoints/NAME.pth` (.pt, .ckpt, .bin, .safetensors) in the data folder; for finished graphs
    it is a copy, with the input that was declared for it. `source.json` beside it holds the sha256 of what it was made
    from: if another file is there now, it is made again. A checkpoint that is gone since then is not missed.

    Raises:
        InputError: there is no such network, or the file is not of this network; AssetError: the weights cannot be had.
    """
    card = card_of(name)
    targets = [folder / name / _file_name(card) for folder in ([into] if into else _folders())]
    checkpoint = None if card.asset else _checkpoint(card)
    if card.asset:
        asset = ASSETS[card.asset]
        checksums = {Path(asset.path).name: checksum for checksum in asset.sha256.values()}
    elif checkpoint:
        used = [checkpoint] if card.network else [checkpoint, checkpoint.with_suffix(".json")]
        checksums = {path.name: file_sha256(path) for path in used if path.is_file()}
    elif made := [target for target in targets if target.is_file()] or _made(card):
        return made[0]
    else:
        raise AssetError(missing_weights(name))
    made_from = json.dumps(checksums, indent=1) + "\n"
    for target in targets:
        record = target.with_name("source.json")
        if target.is_file() and record.is_file() and record.read_text(encoding="utf-8") == made_from:
            return target
    _make(card, checkpoint or fetch(card.asset), target)  # type: ignore[arg-type]
    write_text(made_from, record)
    return target


def missing_weights(name: str) -> str:
    """One sentence on the weights of a network if they are neither here nor can be fetched, else ""."""
    card = card_of(name)
    if card.asset or _checkpoint(card) or _made(card):
        return ""
    return (f"The weights of {name} are missing. Get them from {card.source}, and put them at "
            f"{_checkpoints() / name}.pth (or {', '.join(ENDINGS[1:])}; licence: {card.licence}).")  # fmt: skip


def weights_state(name: str) -> str:
    """In few words, whether the weights of a network are there, and where they are expected if not."""
    card = card_of(name)
    if missing_weights(name):
        return f"missing, expected at {_checkpoints() / name}.pth"
    return "fetched at first use" if card.asset and not _made(card) else "present"


def known_models() -> list[str]:
    """Names of the registry, then those that the user's own ONNX files make."""
    own = {path.stem for path in _checkpoints().glob("*.onnx")}
    own |= {path.parent.name for folder in _folders() for path in folder.glob("*/model.onnx")}
    return [*MODELS, *sorted(own - MODELS.keys())]


def card_of(name: str) -> ModelCard:
    """The card of a network, made up for an ONNX file of the user's; `InputError` if there is neither."""
    if name in MODELS:
        return MODELS[name]
    for path in (_checkpoints() / f"{name}.onnx", *(folder / name / "model.onnx" for folder in _folders())):
        if path.is_file():
            return ModelCard(name, "ONNX file of your own", str(path), "not known", None, declared_input(path), None)
    raise InputError(f"Unknown model {name!r}; choose one of {', '.join(sorted(known_models()))}, or put your own at "
                     f"{_checkpoints() / name}.onnx.")  # fmt: skip


def _make(card: ModelCard, source: Path, target: Path) -> None:
    model = card.load(source)  # a graph too: what cannot be used is not copied
    with whole_file(target) as partial:
        if card.network:
            save_file(model.state_dict(), partial)
            return
        shutil.copyfile(source, partial)
        declared, copy = source.with_suffix(".json"), target.with_suffix(".json")
        if declared.is_file():
            write_text(declared.read_text(encoding="utf-8"), copy)
        else:
            copy.unlink(missing_ok=True)


def _made(card: ModelCard) -> list[Path]:
    return [path for folder in _folders() if (path := folder / card.name / _file_name(card)).is_file()]


def _file_name(card: ModelCard) -> str:
    if card.network:
        return "model.safetensors"
    return f"model{Path(ASSETS[card.asset].path).suffix if card.asset else '.onnx'}"


def _checkpoint(card: ModelCard) -> Path | None:
    """The file that the user put in place; `InputError` if there are several."""
    endings = ENDINGS if card.network else (".onnx",)
    found = [path for ending in endings if (path := _checkpoints() / f"{card.name}{ending}").is_file()]
    if len(found) > 1:
        raise InputError(f"{card.name} has several checkpoints: {', '.join(map(str, found))}. Keep one of them.")
    return found[0] if found else None


def _checkpoints() -> Path:
    return data_root() / "checkpoints"


def _folders() -> list[Path]:
    return [data_root() / "weights", data_root() / "cache" / "weights"]
