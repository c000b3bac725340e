"""Photos of real faces, and a small network that scores them in no time."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_networks import TinyNet

from prefiqs.apps.score.scorer import PhotoScorer
from prefiqs.faces.decode import read_photo


@pytest.fixture(scope="session")
def photos(assets, tmp_path_factory) -> list[Path]:
    """Seven photos: five faces, a blank and a broken one among them, in a folder of their own."""
    folder = tmp_path_factory.mktemp("photos")
    for person in range(1, 6):
        shutil.copy(assets["orl"] / f"s{person}" / "1.pgm", folder / f"{person}.pgm")
    cv2.imwrite(str(folder / "2b.png"), np.full((200, 200, 3), 127, np.uint8))
    (folder / "4b.jpg").write_bytes(b"no image")
    return sorted(folder.iterdir())


@pytest.fixture(scope="session")
def two_faces(assets, tmp_path_factory) -> Path:
    """One photo of two people, the larger one on the right."""
    left, right = (read_photo(assets["orl"] / person / "1.pgm") for person in ("s2", "s1"))
    canvas = np.full((200, 320, 3), 128, np.uint8)
    canvas[40:152, 20:112] = left
    canvas[16:184, 150:288] = cv2.resize(right, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_LINEAR)
    path = tmp_path_factory.mktemp("two") / "two.png"
    cv2.imwrite(str(path), canvas)
    return path


@pytest.fixture(scope="session")
def scorer() -> PhotoScorer:
    return PhotoScorer("prefiqs", TinyNet(), device="cpu")
