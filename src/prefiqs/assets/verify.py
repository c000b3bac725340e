"""Comparing what lies on disk with the published checksums."""

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
class Check:
    """What a look at an asset on disk found: parts that are missing, and parts that are wrong with how."""

    missing: tuple[str, ...]
    wrong: dict[str, str]


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


def check(asset: Asset, path: Path, parts: Iterable[str]) -> Check:
    """Compare `parts` of `asset` below `path` (anywhere, also in a temporary folder) with their checksums."""
    missing, wrong = [], {}
    for part in parts:
        file = path / part
        if not file.exists():
            missing.append(part)
        elif not file.is_file():
            wrong[part] = "is not a file"
        elif (found := file_sha256(file)) != asset.sha256[part]:
            wrong[part] = f"has sha256 {found}"
    return Check(tuple(missing), wrong)


def describe_wrong(asset: Asset, path: Path, wrong: dict[str, str]) -> str:
    """Say in one clause which files below `path` are wrong, what they are and what they should be."""
    clauses = [f"{path / part} {what}, expected sha256 {asset.sha256[part]}" for part, what in wrong.items()]
    more = f" and {len(clauses) - SHOWN_FILES} more files" if len(clauses) > SHOWN_FILES else ""
    return "; ".join(clauses[:SHOWN_FILES]) + more


def status(root: Path | str | None = None) -> list[AssetStatus]:
    """Say of every asset whether it is there and right. Nothing is fetched.

    Args:
        root: folder that holds the assets; `data_root()` when None.
    """
    root = data_root() if root is None else Path(root).absolute()
    rows = []
    for asset in ASSETS.values():
        path = root / asset.path
        found = check(asset, path, asset.sha256)
        state: State = "wrong" if found.wrong else "missing" if found.missing else "right"
        rows.append(AssetStatus(asset.name, path, state, asset.licence))
    return rows
