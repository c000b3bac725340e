"""Cores of one's own for each worker of a machine: two engines that share cores wait for one another."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TextIO

_held: list[TextIO] = []  # open files, and with them the locks, as long as this process lives


def claim_cores(count: int) -> None:
    """Keep this process to so many cores that no other worker has; PyTorch, OpenCV and OpenVINO count them when loaded.

    Each core is a locked file, which the system frees when its worker ends, however it ends. With too few free cores,
    or on a system that binds no process to cores (not Linux), everything stays as it is.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    import fcntl  # not on Windows

    folder = Path(tempfile.gettempdir()) / f"prefiqs-cores-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    mine = {}
    for core in sorted(os.sched_getaffinity(0)):
        file = (folder / str(core)).open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another worker's
            file.close()
            continue
        mine[core] = file
        if len(mine) == count:
            os.sched_setaffinity(0, mine)
            _held.extend(mine.values())
            return
    for file in mine.values():
        file.close()
