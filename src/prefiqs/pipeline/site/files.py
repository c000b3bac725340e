"""Reading what the pipeline made; what is missing is one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prefiqs.errors import InputError
from prefiqs.io.atomic import read_text


def there(path: Path) -> Path:
    """The path itself; `InputError` if nothing is there."""
    if not path.exists():
        raise InputError(f"Expected results of the pipeline in {path}, got no such file; make them with `dvc repro`.")
    return path


def read_json(path: Path) -> Any:
    """Read a JSON file of the pipeline."""
    return json.loads(read_text(there(path)))
