"""The numbers that prose may quote: one JSON file a stage, merged into one for the report."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prefiqs.errors import InputError
from prefiqs.io.atomic import write_text

SIGNIFICANT_DIGITS = 6


def write_numbers(part: str, values: Mapping[str, Any], folder: str | Path) -> None:
    """Write `values` to FOLDER/PART.json, a file that no other stage writes.

    values: numbers, texts, truth values, None, and nested mappings and lists of them; NumPy's too. Keys are sorted,
    floats rounded to six significant digits, so that the last bits of a sum do not show; NaN and infinity become null.
    Raises InputError for any other type.
    """
    _write_json(_plain(values), Path(folder) / f"{part}.json")


def merge_numbers(reports: str | Path) -> dict[str, Any]:
    """Merge REPORTS/numbers/PART.json into {part: values}, write that to REPORTS/numbers.json and return it."""
    parts = sorted(Path(reports, "numbers").glob("*.json"))
    merged = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in parts}
    _write_json(merged, Path(reports, "numbers.json"))
    return merged


def _write_json(values: Mapping[str, Any], path: Path) -> None:
    write_text(json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n", path)


def _plain(value: Any) -> Any:
    """Return `value` in JSON's own types."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case Sequence():
            return [_plain(item) for item in value]
    raise InputError(
        f"values: expected numbers, texts, lists and mappings, got {type(value).__name__}; convert it before writing."
    )
