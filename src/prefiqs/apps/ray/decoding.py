"""From the bytes of an image to an aligned face."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from prefiqs.assets.fetch import fetch
from prefiqs.datasets.photos import decode_face, decode_photo
from prefiqs.faces.align import align_faces as align


def decoder(aligned: bool) -> Callable[[bytes, str], np.ndarray]:
    """What turns the bytes of a named image into a face, uint8 RGB 112×112×3: the image itself, or its largest face.

    It raises `InputError` for what is no image (or no aligned face), `NoFaceFound` for a photo without one.
    """
    if aligned:
        return decode_face
    detector = fetch("yunet")
    return lambda data, name: align(decode_photo(data, name), detector).image
