"""Lists of photos, as `prefiqs score @list.txt` and `-` take them: one path a line."""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from prefiqs.errors import InputError
from prefiqs.faces.decode import read_file
from prefiqs.io.atomic import decode_text


def expand_lists(given: Iterable[str | Path]) -> list[Path]:
    """Replace `@FILE` by the paths in a list, and `-` by those on standard input; other paths stay as they are.

    Lists are UTF-8, or UTF-16 with its mark; lines end as on any system, or all in NUL (`find -print0`). A path may be
    in quotes, and have `\\` for `/`. It is relative to the working directory or, if it is not there, to the folder of
    the list.

    Raises `InputError` for a list that is missing or empty, an empty path, and for missing files, how many and the
    first.
    """
    given, paths = list(given), list[Path]()
    if {"", "@"} & set(map(str, given)):
        raise InputError('A path is empty: name the photos, or "." for all in the working directory.')
    for path in map(Path, given):
        if str(path) == "-":
            paths += _read(sys.stdin.buffer.read(), "standard input", Path())
        elif str(path).startswith("@") and not path.exists():
            file = Path(str(path)[1:])
            paths += _read(read_file(file), str(file), file.parent)
        else:
            paths.append(path)
    return paths


def _read(content: bytes, source: str, folder: Path) -> list[Path]:
    # Names of files are bytes on some systems: those that are not UTF-8 are kept, as Python keeps them in paths.
    text = decode_text(content, source, "surrogateescape")
    lines = [line for line in re.split("\0" if "\0" in text else r"\r\n|\r|\n", text) if line.strip()]
    if not lines:
        raise InputError(f"{source} lists no photos.")
    found = [path_meant(line, folder) for line in lines]
    missing = [line for line, path in zip(lines, found, strict=True) if path is None]
    if missing:
        count = f"{len(missing)} of {len(lines)} in {source} are missing"
        raise InputError(f"File not found: {missing[0].strip()[:200]} ({count}). A list has one path per line.")
    return [path for path in found if path]


def path_meant(line: str, folder: Path) -> Path | None:
    """The file or folder that a line of a list means, from the working directory or the list's folder; None if there
    is none."""
    return next((path for path in _candidates(line, folder) if os.path.exists(path)), None)


def _candidates(line: str, folder: Path) -> Iterator[Path]:
    """The paths that a line may mean, the most literal first."""
    bare = line.strip()
    unquoted = bare[1:-1] if len(bare) > 2 and bare[0] == bare[-1] and bare[0] in "\"'" else bare
    for name in dict.fromkeys((line, bare, unquoted, unquoted.replace("\\", "/"))):
        yield Path(name)
        yield folder / name
