"""What all studies share: the kinds of their results, and how these become files."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, dataclass_transform

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.io.arrays import write_array
from prefiqs.io.atomic import write_text
from prefiqs.io.tables import write_table
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.tables import Table


def saved_as(name: str) -> Any:
    """An attribute of a `Study` with the name of its file, without suffix; a frame in Parquet with `.parquet`."""
    return field(metadata={"file": name})


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(saved_as,))
@dataclass(frozen=True, eq=False, kw_only=True)
class Study:
    """Results that a notebook shows. Every subclass is a frozen dataclass.

    Of its attributes, those that are `saved_as` something are files, too: a `Table` as CSV and Markdown, a frame as
    CSV, a figure as PNG. For None, the files that an earlier write left under its name are removed.

    Attributes:
        numbers: what prose may quote, written as numbers.json, unless there is none.
        stored: what later stages read, by path: an array (.npy), a frame (.parquet), or a function that writes there.
    """

    numbers: Mapping[str, Any] = field(default_factory=dict)
    stored: Mapping[Path, Any] = field(default_factory=dict)

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, eq=False)(cls)

    def write(self, folder: str | Path) -> None:
        """Write what is `stored` to its place, and the rest into a folder."""
        named = {attribute.name: attribute.metadata.get("file") for attribute in fields(self)}
        files = [(Path(folder) / file, getattr(self, name)) for name, file in named.items() if file]
        files.sort(key=lambda file: file[1] is not None)  # None first: it may share its name with what is written
        for path, value in [*self.stored.items(), *files]:
            _write(value, path)
        if self.numbers:
            write_numbers(self.numbers, folder)


def write_numbers(numbers: Mapping[str, Any], folder: str | Path) -> None:
    """Write `numbers` to FOLDER/numbers.json.

    numbers: numbers, texts, truth values, None, and nested mappings and lists of them; NumPy's too. Keys are sorted,
    floats rounded to six significant digits, so that the last bits of a sum do not show; NaN and infinity become null.
    """
    text = json.dumps(_plain(numbers), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(text + "\n", Path(folder) / "numbers.json")


def _write(value: Any, path: Path) -> None:
    match value:
        case None:
            for suffix in (".png", ".csv", ".md"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
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


def _plain(value: Any) -> Any:
    """Return `value` in JSON's own types, as far as it has one."""
    match value:
        case np.ndarray() | np.generic():
            return _plain(value.tolist())
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case float():
            return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
