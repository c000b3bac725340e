"""Which photos are meant: files, folders and globs."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from prefiqs.errors import InputError
from prefiqs.faces.align import PHOTO_SUFFIXES


def find_photos(given: Iterable[str | Path]) -> list[Path]:
    """The photos that are meant, each once, those of a folder (at any depth) or glob in the order of their paths.

    A file named by itself counts whatever it is: scoring says what is wrong with it. A named photo that is not there
    counts too, so that one lost file does not stop the scoring of many.

    Raises:
        InputError: no photos at all, a glob that fits none, or what looks like a folder and is not there; OSError: a
            folder that cannot be read.
    """
    paths = [Path(path) for path in given]
    found = dict.fromkeys(photo for path in paths for photo in _photos_of(path))
    if not found:
        endings = ", ".join(sorted(PHOTO_SUFFIXES))
        raise InputError(f"Expected photos in {', '.join(map(str, paths))}, got none ({endings} are looked for).")
    return list(found)


def _photos_of(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(_below(path))
    if path.exists() or path.suffix.lower() in PHOTO_SUFFIXES and not glob.has_magic(str(path)):
        return [path]
    if not glob.has_magic(str(path)):
        raise InputError(f"Expected a photo or a folder of photos, got {path}, which does not exist; check the path.")
    matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
    photos = [p for m in matches for p in (sorted(_below(m)) if m.is_dir() else [m]) if _is_named_like_one(p)]
    if not photos:
        raise InputError(f"Expected photos that fit {path}, got none; check the path.")
    return photos


def _below(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder, onerror=_stop):
        yield from (photo for photo in (Path(place, name) for name in names) if _is_named_like_one(photo))


def _is_named_like_one(path: Path) -> bool:
    return path.suffix.lower() in PHOTO_SUFFIXES


def _stop(error: OSError) -> None:
    raise error  # os.walk would pass over a folder that it cannot read
