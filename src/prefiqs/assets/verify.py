"""Comparing files on disk with the published checksums."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from prefiqs.assets.location import data_root
from prefiqs.assets.registry import ASSETS, Asset

SHOWN_FILES = 3

State = Literal["right", "wrong", "missing"]


@dataclass(frozen=True)
class AssetStatus:
    """One row of the list of assets; `missing` also stands for a folder with some files missing."""

    name: str
    path: Path
    state: State
    licence: str


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check(asset: Asset, path: Path, parts: Iterable[str]) -> tuple[tuple[str, ...], str]:
    """Compare `parts` of an asset at `path` (anywhere, also in a temporary folder) with their checksums.

    Returns:
        The parts that are missing, and a text that names the wrong ones, empty when there are none.
    """
    missing, wrong = [], []
    for part in parts:
        file = path / part
        if not file.exists():
            missing.append(part)
        elif not file.is_file():
            wrong.append(f"{file} is not a file")
        elif (found := file_sha256(file)) != asset.sha256[part]:
            wrong.append(f"{file} has sha256 {found}, not {asset.sha256[part]}")
    more = [f"and {len(wrong) - SHOWN_FILES} more files are wrong"] if len(wrong) > SHOWN_FILES else []
    return tuple(missing), "; ".join(wrong[:SHOWN_FILES] + more)


def status(root: Path | str | None = None) -> list[AssetStatus]:
    """Say of every asset whether it is there and right. Nothing is fetched.

    Args:
        root: folder that holds the assets; `data_root()` when None.
    """
    root = data_root() if root is None else Path(root).absolute()
    rows = []
    for asset in ASSETS.values():
        path = root / asset.path
        missing, wrong = check(asset, path, asset.sha256)
        state: State = "wrong" if wrong else "missing" if missing else "right"
        rows.append(AssetStatus(asset.name, path, state, asset.licence))
    return rows
