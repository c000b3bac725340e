"""Scores of one benchmark by several methods, each with its identity."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from prefiqs.errors import InputError
from prefiqs.io.tables import read_parquet, write_table
from prefiqs.pipeline.identity import COLUMNS, MethodId, identity_table


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of n images by some methods.

    Attributes:
        names: of the n images.
        methods: one row per method: `key` and the columns of `prefiqs.pipeline.identity.COLUMNS`.
        values: float32 n by key, higher = better.
    """

    names: np.ndarray
    methods: pd.DataFrame
    values: dict[str, np.ndarray]

    @classmethod
    def of(
        cls, names: np.ndarray, scores: Mapping[MethodId, np.ndarray], trained_on: Callable[[MethodId], bool]
    ) -> Self:
        """Scores by identity; `trained_on` says of a method whether its network was trained on these images."""
        table = identity_table({method: trained_on(method) for method in scores})
        return cls(names, table, {method.key: np.asarray(s, np.float32) for method, s in scores.items()})

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Read what `write` wrote."""
        values = read_parquet(Path(folder) / "scores.parquet", ["name"])
        methods = read_parquet(Path(folder) / "methods.parquet", ["key", *COLUMNS])
        return cls(values["name"].to_numpy(), methods, {key: values[key].to_numpy() for key in methods["key"]})

    def write(self, folder: str | Path) -> None:
        """Write `scores.parquet` (name, one column per method's key) and `methods.parquet` into a folder."""
        write_table(pd.DataFrame({"name": self.names, **self.values}), Path(folder) / "scores.parquet")
        write_table(self.methods, Path(folder) / "methods.parquet")

    def joined(self, other: Self) -> Self:
        """These scores and others of the same images. `InputError` for a method or a label that both have."""
        if not np.array_equal(self.names, other.names):
            raise InputError("Cannot join scores of different images.")
        methods = pd.concat([self.methods, other.methods], ignore_index=True)
        for column in ("key", "label"):
            if repeated := methods[column][methods[column].duplicated()].tolist():
                raise InputError(f"Two methods are called {repeated[0]!r}; rename one of them.")
        return type(self)(self.names, methods, self.values | other.values)

    def where(self, chosen: pd.Series) -> Self:
        """The scores of the methods for which a Boolean mask over `methods` is true."""
        methods = self.methods[chosen].reset_index(drop=True)
        return type(self)(self.names, methods, {key: self.values[key] for key in methods["key"]})

    def __getitem__(self, method: MethodId) -> np.ndarray:
        return self.values[method.key]

    @property
    def labels(self) -> dict[str, str]:
        """Label by key."""
        return dict(zip(self.methods["key"], self.methods["label"], strict=True))
