"""From a photo to aligned faces: YuNet landmarks, then a similarity transform onto the ArcFace template."""

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, overload

import cv2
import numpy as np

from prefiqs.assets.fetch import fetch
from prefiqs.assets.location import data_root
from prefiqs.errors import InputError, NoFaceFound
from prefiqs.faces.decode import read_photo
from prefiqs.faces.template import align_to_template, share_outside

# YuNet was trained on faces of about 10 to 300 pixels: the longer side of a photo is brought into this range.
_SMALLEST_SIDE, _LARGEST_SIDE = 336, 1024
# Tight crops leave the detector no context: the edge is repeated by this share of each side before detection.
_PADDING = 0.25
_CONFIDENCE = 0.6
LANDMARK_DIGITS = 2  # after the decimal point, as tables hold them, so that a crop can be made again from a table
# Given a strip thinner than this, YuNet reports faces of any size in it, even infinite ones.
_SMALLEST_INPUT = 64


@dataclass(frozen=True, eq=False, repr=False)
class AlignedFace:
    """A face cut out of a photo. What is not known of a face that was aligned elsewhere is NaN, or None.

    image: uint8 RGB 112×112×3.
    box: x, y, width, height in pixels of the photo.
    landmarks: eyes, nose and mouth corners, left of the image first, 5×2, in pixels of the photo.
    confidence: the detector's, in [0, 1].
    outside: share of `image` that lies outside the photo (filled with its edge), in [0, 1].
    faces: how many faces the photo has.
    """

    image: np.ndarray
    box: np.ndarray
    landmarks: np.ndarray
    confidence: float
    outside: float = float("nan")
    faces: int | None = None

    def __repr__(self) -> str:
        box = ", ".join(f"{value:.0f}" for value in self.box)
        return f"AlignedFace(box=[{box}], confidence={self.confidence:.2f}, faces={self.faces})"


@overload
def align(
    image: np.ndarray | str | Path, all_faces: Literal[False] = False, colour: Literal["rgb", "bgr"] = "rgb"
) -> AlignedFace: ...
@overload
def align(
    image: np.ndarray | str | Path, all_faces: Literal[True], colour: Literal["rgb", "bgr"] = "rgb"
) -> list[AlignedFace]: ...
def align(
    image: np.ndarray | str | Path, all_faces: bool = False, colour: Literal["rgb", "bgr"] = "rgb"
) -> AlignedFace | list[AlignedFace]:
    """Detect the largest face in a photo, or all faces, largest first; align them to the ArcFace template (112×112).

    image: uint8 h×w×3, or the path of a photo. colour: the channels of an array; "bgr" for frames of OpenCV. Faces
    are RGB in any case. Raises `NoFaceFound` if there is none, `InputError` for what is no such photo, `AssetError` if
    the detector cannot be fetched.
    """
    photo = read_photo(Path(image)) if isinstance(image, str | Path) else image
    if not isinstance(photo, np.ndarray):
        raise InputError(f"A photo must be an array or a path, not {type(photo).__name__}.")
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
        raise InputError(f"A photo must be uint8 RGB h×w×3, not {photo.dtype} {photo.shape}.")
    if colour not in ("rgb", "bgr"):
        raise InputError(f'Unknown colour order {colour!r}; choose "rgb" or "bgr".')
    if colour == "bgr" and photo is image:
        photo = cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)
    found = sorted(_detect(photo), key=lambda f: -f[2] * f[3])
    if not found:
        raise NoFaceFound(f"No face was found in this photo of {photo.shape[1]}×{photo.shape[0]} pixels.")
    aligned = []
    for face in found if all_faces else found[:1]:
        landmarks = face[4:14].reshape(5, 2).round(LANDMARK_DIGITS)
        crop, outside = align_to_template(photo, landmarks), share_outside(photo.shape, landmarks)
        aligned.append(AlignedFace(crop, face[:4], landmarks, float(face[14]), outside, len(found)))
    return aligned if all_faces else aligned[0]


def _detect(image: np.ndarray) -> np.ndarray:
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
    yunet = _yunet(data_root(), threading.get_ident())
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
def _yunet(root: Path, thread: int) -> cv2.FaceDetectorYN:
    """The detector of a thread: it holds the size of its input, so that two at once would mix up their photos."""
    return cv2.FaceDetectorYN.create(str(fetch("yunet", root)), "", (320, 320), score_threshold=_CONFIDENCE)
