"""From the bytes of an image file to pixels."""

from contextlib import suppress
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE
from prefiqs.io.atomic import require_file

# Photos in folders and archives are recognised by these endings, in lower case.
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".pgm", ".ppm"})
MOST_PIXELS = 2**27  # of a photo: finding faces in so many takes 1.7 GB


def read_photo(path: Path) -> np.ndarray:
    """Read a photo as uint8 RGB h×w×3, turned upright by its EXIF orientation; `InputError` if it is not an image."""
    return decode_photo(read_file(path), str(path))


def read_file(path: Path) -> bytes:
    """The bytes of a file; `InputError` if there is none (a pipe or a folder is none either)."""
    require_file(path)
    return path.read_bytes()


def decode_photo(data: bytes | bytearray, name: str) -> np.ndarray:
    """Decode an encoded image to uint8 RGB h×w×3, upright; `InputError` if it is none, or has over `MOST_PIXELS`."""
    # A few bytes can claim billions of pixels, for which OpenCV would allocate memory before it looks at them, so the
    # header is read first.
    try:
        with Image.open(BytesIO(data)) as header:
            pixels = header.width * header.height
    except Image.DecompressionBombError:
        pixels = MOST_PIXELS + 1
    except Exception:  # Pillow can raise anything for a header that is damaged, or not an image's
        pixels = 0
    if pixels > MOST_PIXELS:
        raise InputError(f"{name} has more than {MOST_PIXELS:,} pixels. Make it smaller.")
    photo = None
    with suppress(cv2.error):  # sides or contents that OpenCV refuses
        # Decoded from memory: cv2.imread cannot open every path on every system and prints instead of raising.
        photo = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if pixels else None
    if photo is None:
        raise InputError(f"{name} is not an image that OpenCV can read.")
    return cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)


def decode_face(data: bytes | bytearray, name: str) -> np.ndarray:
    """Decode a face that is aligned already, uint8 RGB 112×112×3; `InputError` for any other size."""
    face = decode_photo(data, name)
    height, width = face.shape[:2]
    if (height, width) != (FACE_SIZE, FACE_SIZE):
        raise InputError(f"{name} has {width}×{height} pixels, but aligned faces have {FACE_SIZE}×{FACE_SIZE}.")
    return face
