"""What a run is of: the code, the parameters, the machine, the day, and how long it took."""

import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PACKAGES = ("prefiqs", "torch", "openvino", "numpy", "pandas", "opencv-python-headless")


def manifest(root: Path, run: str, durations: Mapping[str, float]) -> dict[str, Any]:
    """What can be said of a run that has just ended.

    Args:
        root: of the compendium.
        run: its name.
        durations: seconds by stage and item.
    """
    return {
        "run": run,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": _commit(root),
        "lock_sha256": _sha256(root / "requirements.lock"),
        "params_sha256": _sha256(root / "params.yaml"),
        "versions": {"python": platform.python_version()} | {package: version(package) for package in _PACKAGES},
        "platform": platform.platform(aliased=True),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpu": _gpu(),
        "seconds": round(sum(durations.values())),
        "seconds_by_stage": dict(sorted(durations.items())),
    }


def as_markdown(made: Mapping[str, Any]) -> str:
    """The manifest as a section of a page."""
    versions = ", ".join(f"{name} {number}" for name, number in made["versions"].items())
    gpu = f", {made['gpu']}" if made["gpu"] else ""
    return (
        "## How these results were made\n\n"
        f"* {made['date']}, commit `{made['commit'] or 'unknown'}`; compute time {_minutes(made['seconds'])}.\n"
        f"* {made['processor']}, {made['cores']} cores{gpu}; {made['platform']}.\n"
        f"* {versions}.\n"
        f"* SHA-256 of `params.yaml` {made['params_sha256'][:12]}, of `requirements.lock` {made['lock_sha256'][:12]}. "
        "All of it: [manifest.json](manifest.json).\n"
    )


def _minutes(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _commit(root: Path) -> str | None:
    """The commit that is checked out, with a `+` if tracked source files differ from it; None without git."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=True, encoding="utf-8"
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/src", ":/notebooks", ":/dvc.yaml")
        return git("rev-parse", "--short=12", "HEAD") + "+" * bool(changed)
    except (OSError, subprocess.CalledProcessError):  # no git, or an unpacked archive
        return None


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:  # not Linux
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def _gpu() -> str | None:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
