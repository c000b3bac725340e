"""What the tests of networks share."""

import pytest


@pytest.fixture(autouse=True)
def _no_large_files_stay(tmp_path):
    """Checkpoints take 50 MB and more, and pytest keeps the temporary folders of three runs."""
    yield
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.stat().st_size > 1_000_000:
            path.unlink()
