"""Fetching assets: look, download beside the place, verify, move into place. Failure leaves nothing behind."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from prefiqs.assets.location import data_root
from prefiqs.assets.progress import watching
from prefiqs.assets.registry import ASSETS, Asset, find
from prefiqs.assets.sources import THIS, Source
from prefiqs.assets.verify import check, describe_wrong
from prefiqs.errors import AssetError


def fetch(name: str, root: Path | str | None = None) -> Path:
    """Return where an asset lies, fetching it first if it is not there.

    Args:
        name: a key of `ASSETS`.
        root: folder that holds the assets; `data_root()` when None.

    Raises:
        InputError: there is no asset of that name.
        AssetError: no source has it, or a file with another checksum lies in its place (it is left untouched).
    """
    return fetch_all([name], root)[name]


def fetch_all(names: Iterable[str] | None = None, root: Path | str | None = None) -> dict[str, Path]:
    """Return where assets lie, fetching those that are not there. What is there and right is not fetched again.

    Args:
        names: keys of `ASSETS`; all of them when None.
        root: folder that holds the assets; `data_root()` when None.

    Raises:
        InputError: there is no asset of one of these names.
        AssetError: as `fetch`; assets fetched before that stay.
    """
    root = data_root() if root is None else Path(root).absolute()
    assets = [find(name) for name in (ASSETS if names is None else names)]
    paths = {asset.name: root / asset.path for asset in assets}
    # All are looked at before the first download, so that a wrong file is not found out minutes later.
    looked = [(asset, _missing_parts(asset, paths[asset.name])) for asset in assets]
    to_do = [(asset, missing) for asset, missing in looked if missing]
    if to_do:
        with tempfile.TemporaryDirectory(prefix="prefiqs-") as downloads:  # shared: two assets may share one package
            for number, (asset, parts) in enumerate(to_do, start=1):
                label = f"[{number}/{len(to_do)}] {asset.name}"
                _obtain(asset, parts, paths[asset.name], Path(downloads), label)
    return paths


def _missing_parts(asset: Asset, path: Path) -> tuple[str, ...]:
    """Return the parts of an asset that are not in place; AssetError if something else lies there."""
    found = check(asset, path, asset.sha256)
    if found.wrong:
        raise AssetError(
            f"asset {asset.name}: {describe_wrong(asset, path, found.wrong)}; nothing was changed: move it away and "
            "fetch again, or put the published file in its place"
        )
    return found.missing


def _obtain(asset: Asset, parts: tuple[str, ...], path: Path, downloads: Path, label: str) -> None:
    """Put the missing parts in place from the first source that has them all; AssetError if none has."""
    reasons: list[str] = []
    try:
        # Beside the final place, hence on its file system: a file appears there whole or not at all.
        parent = next(folder for folder in path.parents if folder.is_dir())
        with tempfile.TemporaryDirectory(prefix=".prefiqs-", dir=parent) as staging:
            for source in asset.sources:
                target = Path(staging, str(len(reasons)), path.name)
                try:
                    with watching(f"{label}: {source}", downloads):
                        _deliver_right(asset, parts, source, target, downloads)
                except AssetError as error:
                    reasons.append(f"{source} ({error})")
                    continue
                _move(parts, target, path)
                return
    except OSError as error:
        raise AssetError(
            f"asset {asset.name} cannot be written to {path} ({error}): make room, or choose another folder with the "
            "environment variable PREFIQS_DATA"
        ) from error
    what = "the file" if THIS in parts else f"{len(parts)} files ({', '.join(parts[:3])}, …)"
    checksum = f" (sha256 {asset.sha256[THIS]})" if THIS in parts else ""
    raise AssetError(
        f"asset {asset.name} could not be fetched from {' nor from '.join(reasons)}: check the network, or put {what} "
        f"by hand at {path}{checksum}"
    )


def _deliver_right(asset: Asset, parts: tuple[str, ...], source: Source, target: Path, downloads: Path) -> None:
    """Let a source write the parts below `target` and verify them; AssetError with the reason if that fails."""
    source.deliver(parts, target, downloads)
    found = check(asset, target, parts)
    if found.wrong:
        raise AssetError(f"it gave something else: {describe_wrong(asset, Path(target.name), found.wrong)}")


def _move(parts: tuple[str, ...], target: Path, path: Path) -> None:
    """Move verified parts from `target` to `path`: in one step where nothing lies there, else file by file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        os.replace(target, path)
        return
    for part in parts:
        (path / part).parent.mkdir(parents=True, exist_ok=True)
        os.replace(target / part, path / part)
