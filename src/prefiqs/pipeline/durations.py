"""How long each stage of the last run took, by the folder that it writes, for the manifest."""

import json
from pathlib import Path

from prefiqs.io.atomic import read_text, write_text

_FILE = Path("data/executed/durations.json")


def note_duration(root: Path, folder: str | Path, seconds: float) -> None:
    """Note how long the stage that writes `folder` took."""
    noted = durations(root) | {Path(folder).as_posix(): round(seconds, 1)}
    write_text(json.dumps(noted, indent=1) + "\n", root / _FILE)


def durations(root: Path) -> dict[str, float]:
    """Seconds by folder; none before the first stage."""
    return json.loads(read_text(root / _FILE)) if (root / _FILE).is_file() else {}
