"""The numbers that text may quote: one JSON file for each stage and item."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prefiqs.io.atomic import write_text


def write_numbers(numbers: Mapping[str, Any], folder: str | Path) -> None:
    """Write `numbers` to FOLDER/numbers.json.

    numbers: numbers, texts, truth values, None, and nested mappings and lists of them; NumPy's too. Keys are sorted,
    floats rounded to six significant digits, so that the last bits of a sum do not show; NaN and infinity become null.
    """
    text = json.dumps(_plain(numbers), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(text + "\n", Path(folder) / "numbers.json")


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
