"""What a run is doing, seen from outside."""

import time
from pathlib import Path

import psutil

SECONDS = 120  # after which something is wrong


def wait_for(found):
    """What `found` finds, as soon as it does."""
    for _ in range(20 * SECONDS):
        if result := found():
            return result
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def shards(out: Path) -> dict[str, int]:
    """Time of writing by shard."""
    return {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")}


def workers() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::Worker"):
                found.append(process)
        except psutil.Error:  # it ended meanwhile
            continue
    return found
