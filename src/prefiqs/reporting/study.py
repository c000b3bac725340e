"""What all studies share: how their results become files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.io.arrays import write_array
from prefiqs.io.tables import write_table
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.numbers import write_numbers


@dataclass(frozen=True, eq=False, kw_only=True)
class Study:
    """Results that a notebook shows.

    Attributes:
        files: attribute -> name of its file, without suffix: a `Table` is written as CSV and Markdown, a frame as CSV,
            a figure as PNG, a mapping (what prose may quote) always as numbers.json; None is not written.
        stored: what later stages read, by path: arrays (.npy), frames (.parquet), and what has a `write` of its own.
    """

    files: ClassVar[Mapping[str, str]] = {}
    stored: Mapping[Path, Any] = field(default_factory=dict)

    def write(self, folder: str | Path) -> None:
        """Write what is `stored` to its place, and `files` into a folder."""
        for path, value in self.stored.items():
            _write(value, path)
        for attribute, name in self.files.items():
            _write(getattr(self, attribute), Path(folder) / name)


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
        case Mapping():
            write_numbers(value, path.parent)
        case _:
            value.write(path)
