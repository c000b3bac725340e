"""How long each stage took when it last ran, for the manifest of a run."""

from __future__ import annotations

import json
from pathlib import Path

from prefiqs.io.atomic import read_text, write_text

DURATIONS = Path("data/executed/durations.json")


def note_duration(folder: str | Path, seconds: float) -> None:
    """Note how long the stage took that writes `folder`."""
    write_text(json.dumps(durations() | {Path(folder).as_posix(): round(seconds, 1)}, indent=1) + "\n", DURATIONS)


def durations() -> dict[str, float]:
    """Seconds by the folder that a stage writes."""
    return json.loads(read_text(DURATIONS)) if DURATIONS.is_file() else {}
