"""One image, many spellings: which row of an array a name in another file means."""

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from prefiqs.errors import InputError

_PHOTO = re.compile(r"\.(jpe?g|png|bmp|pgm|ppm|webp|tiff?)$", re.IGNORECASE)
_PREPARED_FOLDER = "images"


def prepared_names(names: Iterable[str]) -> list[str]:
    """Return what CR-FIQA's tools call images in a prepared folder: the file name, or the path if ambiguous.

    Without `.jpg`; characters other than letters, digits and `_@#-` become `_`, because these tools split at spaces and
    dots. Raises `InputError` if two images would have one name.
    """
    bare = [_PHOTO.sub("", name) for name in names]
    for candidates in ([PurePosixPath(name).name for name in bare], bare):
        safe = [re.sub(r"[^\w@#-]", "_", name) for name in candidates]
        if len(set(safe)) == len(safe):
            return safe
    raise InputError(f"Several images would be called {max(safe, key=safe.count)!r} in a prepared folder. Rename them.")


class ImageNameIndex:
    """The names of n images, by row; `InputError` if two of `source` are equal.

    Another file may name an image by the same name, by a path that ends in it or in which it ends, with or without the
    suffix of an image file (`/data/lfw/images/A_0001.jpg`, `images/A_0001.jpg`, `A_0001`), or as `prepared_names` has
    it, be it with the path of a prepared folder (`quality_data/XQLFW/images/A_0001.jpg`).
    """

    def __init__(self, names: Iterable[str], source: str):
        self.all = list(names)
        self._own: dict[str, int] = {}
        self._short: dict[str, int] = {}
        for row, name in enumerate(self.all):
            if self._own.setdefault(name, row) != row:
                raise InputError(f"The image {name!r} occurs twice in {source}. Names must be unique.")
            file = _file(name)
            self._short[file] = -1 if file in self._short else row  # −1: ambiguous without the folder
        with suppress(InputError):  # then no tool could have prepared these images
            self._short |= {name: row for row, name in enumerate(prepared_names(self.all))}

    def __len__(self) -> int:
        return len(self.all)

    def rows(self, asked: Iterable[str]) -> np.ndarray:
        """Return the row of each name, int64 (k,); −1 for an unknown one."""
        number, distinct = pd.factorize(np.asarray(asked, object))
        return np.array([self._row(str(name)) for name in distinct], np.int64)[number]

    def _row(self, asked: str) -> int:
        if asked in self._own:
            return self._own[asked]
        row = self._short.get(_file(asked), -1)
        return row if row >= 0 and not _contradict(asked, self.all[row]) else -1


def _file(path: str) -> str:
    return prepared_names([PurePosixPath(path).name])[0]


def _contradict(a: str, b: str) -> bool:
    """Return whether two paths have one file name in folders of different names: a/1.jpg is not b/1.jpg."""
    left, right = ((*PurePosixPath(path).parent.parts, _file(path)) for path in (a, b))
    if (_PREPARED_FOLDER in left[-2:-1]) != (_PREPARED_FOLDER in right[-2:-1]):
        return False  # a prepared folder has other folders above its images than the images had before
    shared = min(len(left), len(right))
    return left[-1] == right[-1] and left[-shared:] != right[-shared:]
