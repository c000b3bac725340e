"""Showing that a download is alive, whoever does it (pip, npm or an HTTP request)."""

import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

REFRESH_SECONDS = 0.2


def file_sizes(folder: Path) -> dict[Path, int]:
    """Return the size of every file below `folder` now; files may come and go meanwhile."""
    sizes = {}
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
        except FileNotFoundError:  # pip and npm rename and delete their temporary files while we look
            continue
        if stat.S_ISREG(status.st_mode):
            sizes[path] = status.st_size
    return sizes


@contextmanager
def watching(label: str, folder: Path) -> Iterator[None]:
    """Show `label`, and how many bytes have arrived in `folder`, while the block runs.

    On a terminal this is a bar. Elsewhere (a notebook run by papermill, the log of a CI run) it is one plain line,
    because there each refresh of a bar would stay in the record as a line of its own.

    Args:
        label: what is being done.
        folder: where the bytes arrive, temporary files included.
    """
    if not sys.stderr.isatty():
        print(label, file=sys.stderr, flush=True)
        yield
        return
    before, finished = file_sizes(folder), threading.Event()
    with tqdm(desc=label, unit="B", unit_scale=True, file=sys.stderr, dynamic_ncols=True) as bar:

        def refresh() -> None:
            # The largest new file, not the sum: pip and npm keep a copy of the archive beside it for a while.
            bar.n = max(bar.n, *(size for path, size in file_sizes(folder).items() if path not in before), 0)
            bar.refresh()

        def keep_refreshing() -> None:
            while not finished.wait(REFRESH_SECONDS):
                refresh()

        watcher = threading.Thread(target=keep_refreshing, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            finished.set()
            watcher.join()
            refresh()
