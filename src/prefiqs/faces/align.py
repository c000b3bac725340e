"""From a photo to aligned faces: YuNet landmarks, then a similarity transform onto the ArcFace template."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Literal, overload

import cv2
import numpy as np
from PIL import Image

from prefiqs.assets.fetch import fetch
from prefiqs.errors import InputError, NoFaceFound

# Eyes, nose tip and mouth corners (the left of the image first) in a 112×112 face: the template of ArcFace
# (Deng et al., CVPR 2019), which nearly all FR networks of the field are trained on.
ARCFACE_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
FACE_SIZE = 112
# Endings, in lower case, by which photos are known in folders and archives.
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".pgm", ".ppm"})
MOST_PIXELS = 2**27  # of a photo: finding faces in so many takes 1.7 GB

# YuNet was trained on faces of about 10 to 300 pixels: the longer side of a photo is brought into this range.
_SMALLEST_SIDE, _LARGEST_SIDE = 336, 1024
# Tight crops leave the detector no context: the edge is repeated by this share of each side before detection.
_PADDING = 0.25
_CONFIDENCE = 0.6
# Given a strip thinner than this, YuNet reports faces of any size in it, even infinite ones.
_SMALLEST_INPUT = 64


@dataclass(frozen=True, eq=False)
class AlignedFace:
    """A face cut out of a photo: `image` uint8 RGB 112×112×3; `box` (x, y, width, height) and `landmarks` 5×2 (eyes,
    nose, mouth corners, left of the image first) in pixels of the photo; the detector's `confidence` in [0, 1]."""

    image: np.ndarray
    box: np.ndarray
    landmarks: np.ndarray
    confidence: float


@overload
def align_faces(image: np.ndarray | str | Path, detector: Path, all_faces: Literal[False] = False) -> AlignedFace: ...
@overload
def align_faces(image: np.ndarray | str | Path, detector: Path, all_faces: Literal[True]) -> list[AlignedFace]: ...
@overload
def align_faces(image: np.ndarray | str | Path, detector: Path, all_faces: bool) -> AlignedFace | list[AlignedFace]: ...
def align_faces(
    image: np.ndarray | str | Path, detector: Path, all_faces: bool = False
) -> AlignedFace | list[AlignedFace]:
    """Find the faces of a photo and bring them onto the ArcFace template.

    Args:
        image: uint8 RGB h×w×3, or the path of a photo.
        detector: YuNet's ONNX file.
        all_faces: all faces, largest first, instead of the largest alone.

    Raises:
        NoFaceFound: the detector saw none; InputError: not an RGB photo.
    """
    if isinstance(image, str | Path):
        image = read_photo(Path(image))
    is_array = isinstance(image, np.ndarray)
    if not is_array or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        got = f"{image.dtype} {image.shape}" if is_array else type(image).__name__
        raise InputError(f"Expected a photo as uint8 RGB h×w×3 or a path, got {got}.")
    faces = sorted(_detect(image, detector), key=lambda f: -f[2] * f[3])
    if not faces:
        raise NoFaceFound(
            f"Expected at least one face in a photo of {image.shape[1]}×{image.shape[0]} pixels, got none."
        )
    aligned = [_cut(image, face) for face in (faces if all_faces else faces[:1])]
    return aligned if all_faces else aligned[0]


def read_photo(path: Path) -> np.ndarray:
    """Read a photo as uint8 RGB h×w×3, turned upright by its EXIF orientation; `InputError` if it is none."""
    if not path.is_file():
        raise InputError(f"Expected a photo at {path}, got no file there; check the path.")
    photo = decode(path.read_bytes(), str(path))
    if photo is None:
        raise InputError(f"Expected a photo in {path}, got a file that is no image OpenCV can read.")
    return photo


def decode(data: bytes | bytearray, place: str) -> np.ndarray | None:
    """Decode an encoded image to uint8 RGB h×w×3, upright; None for what is none.

    A few bytes can claim billions of pixels, for which OpenCV would make room before it looks at them: the header is
    read first, and an image of more than `MOST_PIXELS` is an `InputError` naming `place`.
    """
    pixels: float
    try:
        with Image.open(BytesIO(data)) as header:
            pixels, got = header.width * header.height, f"{header.width}×{header.height}"
    except Image.DecompressionBombError:
        pixels, got = np.inf, "far more"
    except Exception:  # Pillow can raise anything for a header that is damaged, or no image's
        return None
    if pixels > MOST_PIXELS:
        raise InputError(f"Expected a photo of at most {MOST_PIXELS:,} pixels in {place}, got {got}; make it smaller.")
    try:
        # Decoded from memory: cv2.imread cannot open every path on every system and prints instead of raising.
        photo = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # sides or contents that OpenCV refuses
        return None
    return None if photo is None else cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)


def align_to_template(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Warp a photo so that its five landmarks (5×2, pixels) meet the ArcFace template; uint8 RGB 112×112×3."""
    transform = similarity_transform(landmarks, ARCFACE_TEMPLATE)
    # Photos that end inside the crop are continued by their edge: a black border is an edge no face has.
    return cv2.warpAffine(image, transform, (FACE_SIZE, FACE_SIZE), borderMode=cv2.BORDER_REPLICATE)


def similarity_transform(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The 2×3 matrix that turns, scales and moves `source` (n×2) onto `target` with the least squared error.

    As in Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991,
    without reflections. In the plane, with complex numbers, it is the linear regression target = a · source + b.

    Raises:
        InputError: the points of `source` are not finite, or all the same.
    """
    if not np.isfinite(source).all() or np.ptp(source, axis=0).max() == 0:
        raise InputError(f"Landmarks must be finite and distinct, not {np.asarray(source).tolist()}.")
    z, w = (np.ascontiguousarray(points, float).view(complex)[:, 0] for points in (source, target))
    centred = z - z.mean()
    a = np.vdot(centred, w) / np.vdot(centred, centred).real
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def _detect(image: np.ndarray, detector: Path) -> np.ndarray:
    """YuNet's faces in pixels of the photo: n×15 (box 4, landmarks 10, confidence)."""
    height, width = image.shape[:2]
    scale = np.clip(max(height, width), _SMALLEST_SIDE, _LARGEST_SIDE) / max(height, width)
    pad_y, pad_x = round(height * _PADDING), round(width * _PADDING)
    padded = cv2.copyMakeBorder(image, pad_y, pad_y, pad_x, pad_x, cv2.BORDER_REPLICATE)
    if round(min(padded.shape[:2]) * scale) < 1:
        return np.empty((0, 15))  # so thin that nothing is left of it
    interpolation = cv2.INTER_LINEAR if scale > 1 else cv2.INTER_AREA
    working = cv2.resize(padded, None, fx=scale, fy=scale, interpolation=interpolation)
    working_height, working_width = working.shape[:2]
    missing = [max(0, _SMALLEST_INPUT - side) for side in (working_height, working_width)]
    working = cv2.copyMakeBorder(working, 0, missing[0], 0, missing[1], cv2.BORDER_REPLICATE)
    yunet = _yunet(str(detector), threading.get_ident())
    yunet.setInputSize((working.shape[1], working.shape[0]))
    _, found = yunet.detect(cv2.cvtColor(working, cv2.COLOR_RGB2BGR))
    if found is None:
        return np.empty((0, 15))
    faces: np.ndarray = found.astype(np.float64)
    factor = np.array([working_width / padded.shape[1], working_height / padded.shape[0]])
    faces[:, 2:4] /= factor
    # Points count from the centre of the first pixel, which resizing moves by half a pixel of each image.
    points = [0, 1, *range(4, 14)]
    faces[:, points] = (faces[:, points] + 0.5) / np.tile(factor, 6) - 0.5 - [pad_x, pad_y] * 6
    return faces


@lru_cache(maxsize=64)
def _yunet(path: str, thread: int) -> cv2.FaceDetectorYN:
    """The detector of a thread: it holds the size of its input, so that two at once would mix up their photos."""
    return cv2.FaceDetectorYN.create(path, "", (320, 320), score_threshold=_CONFIDENCE)


def _cut(image: np.ndarray, face: np.ndarray) -> AlignedFace:
    landmarks = face[4:14].reshape(5, 2)
    return AlignedFace(align_to_template(image, landmarks), face[:4], landmarks, float(face[14]))


def align(image: np.ndarray | str | Path, all_faces: bool = False) -> AlignedFace | list[AlignedFace]:
    """Cut the face out of a photo and bring it onto the ArcFace template (112×112).

    Args:
        image: uint8 RGB h×w×3, or the path of a photo.
        all_faces: all faces, largest first, instead of the largest alone.

    Raises:
        NoFaceFound: the detector saw none; InputError: not an RGB photo; AssetError: the detector cannot be had.
    """
    return align_faces(image, fetch("yunet"), all_faces)
