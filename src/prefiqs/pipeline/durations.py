"""How long each stage took when it last ran, for the manifest of a run."""

import json
from pathlib import Path

from prefiqs.io.atomic import read_text, write_text

_FILE = Path("data/executed/durations.json")


def note_duration(root: Path, folder: str | Path, seconds: float) -> None:
    """Note how long the stage took that writes `folder`."""
    noted = durations(root) | {Path(folder).as_posix(): round(seconds, 1)}
    write_text(json.dumps(noted, indent=1) + "\n", root / _FILE)


def durations(root: Path) -> dict[str, float]:
    """Seconds by the folder that a stage writes."""
    return json.loads(read_text(root / _FILE)) if (root / _FILE).is_file() else {}
