"""One image, many spellings: which row of the embeddings a name in another file means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from prefiqs.datasets.prepared import prepared_names
from prefiqs.errors import InputError


class Names:
    """The names of n images, as their embeddings have them; no two are equal.

    Another file may name an image by the same name, by a path that ends in it or in which it ends, with or without the
    ending of an image file (`/data/lfw/images/A_0001.jpg`, `images/A_0001.jpg`, `A_0001`), or as it is called in the
    folders that CR-FIQA's tools prepare.

    Raises:
        InputError: a name that is there twice.
    """

    def __init__(self, names: Sequence[str], source: str):
        self.all = list(names)
        self._own = {name: row for row, name in enumerate(self.all)}
        if len(self._own) < len(self.all):
            twice = pd.Series(self.all)[pd.Series(self.all).duplicated()].iloc[0]
            raise InputError(f"Expected each image once in {source}, got {twice!r} twice.")
        self._short: dict[str, int] = {}
        for row, name in enumerate(self.all):
            file = _file(name)
            self._short[file] = -1 if file in self._short else row  # −1: file names alone cannot tell these apart
        with suppress(InputError):  # then the tools could not have prepared these images
            self._short |= {name: row for row, name in enumerate(prepared_names(self.all))}

    def __len__(self) -> int:
        return len(self.all)

    def rows(self, asked: Iterable[str]) -> np.ndarray:
        """The row of each name, int64 k; −1 for an unknown one."""
        number, distinct = pd.factorize(np.asarray(asked, object))
        return np.array([self._row(str(name)) for name in distinct], np.int64)[number]

    def _row(self, asked: str) -> int:
        row = self._own.get(asked)
        if row is not None:
            return row
        row = self._short.get(_file(asked), -1)
        return row if row >= 0 and not _contradict(asked, self.all[row]) else -1


def _file(path: str) -> str:
    """The name of a file in a prepared folder, as if it were the only one."""
    return prepared_names([PurePosixPath(path).name])[0]


def _contradict(a: str, b: str) -> bool:
    """Whether two paths have one file name in folders of different names: a/1.jpg is not b/1.jpg."""
    left, right = ((*PurePosixPath(path).parent.parts, _file(path)) for path in (a, b))
    shared = min(len(left), len(right))
    return left[-1] == right[-1] and left[-shared:] != right[-shared:]
