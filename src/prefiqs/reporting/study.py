"""What all studies share: how their results become files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, dataclass_transform

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.io.arrays import write_array
from prefiqs.io.tables import write_table
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.numbers import write_numbers
from prefiqs.reporting.tables import Table


@dataclass_transform(frozen_default=True, eq_default=False)
@dataclass(frozen=True, eq=False, kw_only=True)
class Study:
    """Results that a notebook shows. Every subclass is a frozen dataclass.

    Attributes:
        files: attribute -> name of its file, without suffix: a `Table` is written as CSV and Markdown, a frame as CSV,
            a figure as PNG; None is not written.
        numbers: what prose may quote, written as numbers.json, unless there is none.
        stored: what later stages read, by path: an array (.npy), a frame (.parquet), or a function that writes there.
    """

    files: ClassVar[Mapping[str, str]] = {}
    numbers: Mapping[str, Any] = field(default_factory=dict)
    stored: Mapping[Path, Any] = field(default_factory=dict)

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, eq=False)(cls)

    def write(self, folder: str | Path) -> None:
        """Write what is `stored` to its place, and the rest into a folder."""
        for path, value in self.stored.items():
            _write(value, path)
        for attribute, name in self.files.items():
            _write(getattr(self, attribute), Path(folder) / name)
        if self.numbers:
            write_numbers(self.numbers, folder)


def _write(value: Any, path: Path) -> None:
    match value:
        case None:
            pass
        case np.ndarray():
            write_array(value, path)
        case pd.DataFrame():
            write_table(value, path if path.suffix else f"{path}.csv")
        case Figure():
            save_figure(value, f"{path}.png")
        case Table():
            value.write(path)
        case _:
            value(path)
