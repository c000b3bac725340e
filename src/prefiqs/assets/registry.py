"""The table of assets, which is `assets.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from prefiqs.assets.sources import THIS, Source


@dataclass(frozen=True)
class Asset:
    """A file, or a folder of files, that is fetched once and checked by sha256.

    path: where it is kept, below `location.data_root()`. sources: best first. sha256: checksum of each part; the key is
    the path below `path`, or `THIS` for an asset that is one file. licence: terms of use and whose they are.
    """

    name: str
    path: str
    sources: tuple[Source, ...]
    sha256: Mapping[str, str]
    licence: str
    description: str


def _read(file: str) -> str:
    return files("prefiqs.assets").joinpath(file).read_text(encoding="utf-8")


def _asset(name: str, sources: list[dict], sha256: str | dict[str, str], **entry: str) -> Asset:
    """An entry of the table; `sha256`: of a file, of each of several, or a list of them as sha256sum writes it."""
    checksums = {THIS: sha256} if isinstance(sha256, str) else sha256
    if isinstance(sha256, str) and sha256.endswith(".sha256"):
        lines = (line.split(maxsplit=1) for line in _read(sha256).splitlines())
        checksums = {part: checksum for checksum, part in lines}
    return Asset(name, sources=tuple(Source(**source) for source in sources), sha256=checksums, **entry)


ASSETS = {name: _asset(name, **entry) for name, entry in tomllib.loads(_read("assets.toml")).items()}
