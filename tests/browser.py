"""Headless Chromium for tests of pages, which are opened from files; see the fixture `page`."""

from pathlib import Path

import pytest

CHROMIUM = next((p for p in map(Path, ("/usr/bin/chromium", "/usr/bin/chromium-browser")) if p.exists()), None)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
needs_chromium = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium in /usr/bin (Debian's package chromium)"),
]
