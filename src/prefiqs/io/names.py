"""One image, many spellings: which row of an array a name in another file means."""

import logging
import re
from collections.abc import Iterable
from os.path import commonprefix
from unicodedata import normalize
from urllib.parse import unquote

import numpy as np
import pandas as pd

from prefiqs.errors import InputError

_PHOTO = re.compile(
    r"\.(jpe?g|jpe|jfif|mpo|a?png|bmp|dib|gif|p[abgnp]m|pfm|webp|tiff?|hei[cf]|hif|avif|j[p2][2kcfx]|jpc|npy)$",
    re.IGNORECASE,
)
_PREPARED_FOLDER = "images"
_AMBIGUOUS = -1
_UNKNOWN = -2


class ImageNameIndex:
    """The names of n images, by row; `InputError` if two of `source`, the path they are from, are equal.

    Another file may name an image by another path: with other folders above, relative or absolute, with `\\\\`, with
    characters escaped as in a URL, with or without the suffix of an image file. The image is the one whose path has the
    longest end in common, if that is one image alone and its path ends in the other one or the other way round. Two
    paths may also begin in different folders if all images of each file lie there; this is said. Or an image is called
    as CR-FIQA's tools call it in a prepared folder (`quality_data/XQLFW/images/A_0001.jpg`): without `.jpg`, with `_`
    for all but letters, digits and `_@#-`.
    """

    def __init__(self, names: Iterable[str], source: str):
        self.all, self._source = list(names), source
        self._own: dict[str, int] = {}
        for row, name in enumerate(self.all):
            if self._own.setdefault(name, row) != row:
                raise InputError(f"The image {name!r} occurs twice in {source}. Names must be unique.")
        self._paths = [*map(_parts, self.all)]
        self._root, self._numbered = _root(self._paths), all(path[-1].isdecimal() for path in self._paths)
        self._warned = False
        self._by_end: dict[int, dict[tuple[str, ...], int]] = {}
        whole = [_safe("/".join(path)) for path in self._paths]
        self._prepared = dict(zip(whole, range(len(whole)), strict=True)) if len(set(whole)) == len(whole) else {}

    def __len__(self) -> int:
        return len(self.all)

    def rows(self, asked: Iterable[str]) -> np.ndarray:
        """Return the row of each name, int64 (k,); −1 for a name of no image, or of several."""
        number, distinct = pd.factorize(asked if isinstance(asked, pd.Series) else np.array([*asked], object))
        rows = np.array([self._own.get(name, _UNKNOWN) for name in distinct], np.int64)
        if (rows >= 0).all():
            return rows[number]
        paths = [_parts(str(name)) for name in distinct]
        root, elsewhere = _root(paths), []
        for i, path in enumerate(paths):
            if rows[i] == _UNKNOWN:
                rows[i], common = self._find(path)
                if common:
                    fits = self._fits(path, self._paths[rows[i]], common, root)
                    if fits == "elsewhere":
                        elsewhere.append(i)
                    rows[i] = rows[i] if fits else _UNKNOWN
        found = rows >= 0
        one_of_many = len(distinct) == 1 and self._warned  # whoever asks for each name alone is told once
        if not one_of_many and (elsewhere or found.any() and self._may_be_another_set(root)):
            self._warned = True
            i = elsewhere[0] if elsewhere else int(found.argmax())
            message = "%r is taken for %r of %s (%d images). One is in %r, the other in %r: are they of one data set?"
            places = "/".join(root), "/".join(self._root) or self._source
            count = len(elsewhere) or found.sum()
            logging.getLogger(__name__).warning(message, distinct[i], self.all[rows[i]], self._source, count, *places)
        return np.where(found, rows, -1)[number]

    def why_unknown(self, name: str) -> str:
        """Return what is to be said of a name that `rows` does not know."""
        path = _parts(name)
        row, _ = self._find(path)
        alike = [self.all[i] for i, own in enumerate(self._paths) if own[-1] == path[-1]][:2]
        if row == _AMBIGUOUS:
            return f"could be any of several images, such as {alike[0]} and {alike[1]}"
        nearest = f"; {alike[0]} is in another folder" if alike else ""
        return f"is not one of the {len(self)} known ones{nearest}"

    def _find(self, path: tuple[str, ...]) -> tuple[int, int]:
        """Return the row with the longest common end, and how many parts it has, 0 for the name of a prepared image."""
        for length in range(len(path), 0, -1):
            row = self._ends(length).get(path[-length:], _UNKNOWN)
            if row != _UNKNOWN:
                return row, length if row >= 0 else 0
        return self._prepared.get(path[-1], _UNKNOWN), 0

    def _ends(self, length: int) -> dict[tuple[str, ...], int]:
        if length not in self._by_end:
            rows: dict[tuple[str, ...], int] = {}
            for row, path in enumerate(self._paths):
                if len(path) >= length:
                    end = path[-length:]
                    rows[end] = _AMBIGUOUS if end in rows else row
            self._by_end[length] = rows  # not before it is filled: other threads ask too
        return self._by_end[length]

    def _fits(self, asked: tuple[str, ...], own: tuple[str, ...], common: int, root: tuple[str, ...]) -> str:
        """Return "" for paths of one name in folders of different names: a/1.jpg is not b/1.jpg."""
        if common == min(len(asked), len(own)):
            return "end"
        prepared = [_PREPARED_FOLDER in path[-2:-1] for path in (asked, own)]
        if prepared[0] != prepared[1]:
            return "end"  # a prepared folder has other folders above its images than the images had before
        above = len(asked) - common <= len(root) and len(own) - common <= len(self._root)
        return "elsewhere" if above and common - all(prepared) > 1 else ""

    def _may_be_another_set(self, root: tuple[str, ...]) -> bool:
        """Whether images are called by mere numbers, as any data set may call them, and `root` is a folder not ours."""
        folder = next((part for part in reversed(root) if part != _PREPARED_FOLDER), None)
        if folder is None or not self._numbered:
            return False
        letters = "[^a-z0-9]*".join(re.findall("[a-z0-9]", folder.lower()))
        ours = re.compile(rf"(?<![a-z0-9])(?=[a-z0-9]){letters}(?![a-z0-9])")
        return not any(ours.search(part.lower()) for part in (*self._root, *_parts(self._source)))


def _safe(name: str) -> str:
    return re.sub(r"[^\w@#-]", "_", name)


def _parts(name: str) -> tuple[str, ...]:
    """Return the folders and the file of a path, as they can be compared."""
    name = normalize("NFC", (unquote(name) if "%" in name else name).replace("\\", "/"))
    *folders, file = [part for part in name.split("/") if part not in ("", ".")] or [name]
    return (*folders, _safe(_PHOTO.sub("", file)))


def _root(paths: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the folders in which all these images lie."""
    return tuple(commonprefix([path[:-1] for path in paths]))
