"""Fetching assets: look, download, verify, move into place. A failure leaves nothing behind."""

import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from prefiqs.assets.location import data_root
from prefiqs.assets.registry import ASSETS, Asset, find
from prefiqs.assets.sources import THIS
from prefiqs.assets.verify import check
from prefiqs.errors import AssetError


def fetch(name: str, root: Path | str | None = None) -> Path:
    """Return the path of an asset, fetching it first if it is not there.

    Args:
        name: a key of `ASSETS`.
        root: folder that holds the assets; `data_root()` when None.

    Raises:
        InputError: there is no asset of that name.
        AssetError: no source has it, or a file with another checksum is in its place (it is left untouched).
    """
    return fetch_all([name], root)[name]


def fetch_all(names: Iterable[str] | None = None, root: Path | str | None = None) -> dict[str, Path]:
    """Return the paths of assets, fetching those that are not there. One line on stderr names each download.

    Args:
        names: keys of `ASSETS`; all of them when None.
        root: folder that holds the assets; `data_root()` when None.

    Raises:
        InputError: there is no asset of one of these names.
        AssetError: as `fetch`; the other assets are fetched all the same.
    """
    root = data_root() if root is None else Path(root).absolute()
    assets = [find(name) for name in (ASSETS if names is None else names)]
    # All are checked before the first download, so that a wrong file is not found minutes later.
    to_do = [(asset, missing) for asset in assets if (missing := _missing_parts(asset, root / asset.path))]
    failures = []
    if to_do:
        with tempfile.TemporaryDirectory(prefix="prefiqs-") as downloads:  # shared: two assets may share one package
            for asset, parts in to_do:
                try:
                    _obtain(asset, parts, root / asset.path, Path(downloads))
                except AssetError as error:
                    failures.append(str(error))
    if failures:
        raise AssetError(" ".join(failures))
    return {asset.name: root / asset.path for asset in assets}


def _missing_parts(asset: Asset, path: Path) -> tuple[str, ...]:
    """The parts of an asset that are not in place; AssetError if something else is."""
    missing, wrong = check(asset, path, asset.sha256)
    if wrong:
        raise AssetError(
            f"Asset {asset.name} is damaged or another file: {wrong}. Nothing was changed. Move the file away and "
            "fetch again, or replace it with the published one."
        )
    return missing


def _obtain(asset: Asset, parts: tuple[str, ...], path: Path, downloads: Path) -> None:
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
                    _, wrong = check(asset, target, parts)
                    if wrong:
                        raise AssetError(wrong.replace(f"{target.parent}{os.sep}", ""))
                except AssetError as error:
                    reasons.append(f"{source}: {error}.")
                    continue
                for part in parts:
                    (path / part).parent.mkdir(parents=True, exist_ok=True)
                    os.replace(target / part, path / part)
                return
    except OSError as error:
        raise AssetError(
            f"Cannot write asset {asset.name} to {path} ({error}). Free some disk space, or choose another folder with "
            "the environment variable PREFIQS_DATA."
        ) from error
    what = f"the file at {path}" if THIS in parts else f"{len(parts)} files ({', '.join(parts[:3])}, …) in {path}"
    checksum = f" (sha256 {asset.sha256[THIS]})" if THIS in parts else ""
    raise AssetError(f"Cannot fetch asset {asset.name}. {' '.join(reasons)} You can also put {what}{checksum} by hand.")
