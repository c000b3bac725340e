"""From a photo to aligned faces: YuNet's landmarks, then a similarity transform onto the ArcFace template."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, overload

import cv2
import numpy as np

from prefiqs.errors import InputError, NoFaceFound
from prefiqs.faces.decode import EncodedPhoto, read_file
from prefiqs.faces.detector import POINTS, detect, distinct
from prefiqs.faces.template import ARCFACE_TEMPLATE, align_to_template, share_outside, similarity_transform

# YuNet was trained on faces of about 10 to 300 pixels: the longer side of a photo is brought into this range.
_SMALLEST_SIDE, _USUAL_SIDE = 336, 426
_LARGER_SIDES = (1000, 2000, 4000)  # for a photo of which no face reaches
_SMALL = 64
# Tight crops leave the detector no context: the edge is repeated by this share of each side before detection.
_PADDING = 0.25
VERSION = 3  # of what finds and cuts out faces; another one makes other scores of the same photo
LANDMARK_DIGITS = 2  # after the decimal point, as tables hold them, so that a crop can be made again from a table
# Upright faces reach it, unless they are seen from the side; those that lie or stand on their head hardly do.
_SURE = 0.91

_UNKNOWN = np.full(4, np.nan)

Pixels = Callable[[float], tuple[np.ndarray, int]]
"""Gives a photo (uint8 RGB) whose longer side has at least so many pixels, and by what it is reduced."""


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
    are RGB in any case. Raises `NoFaceFound` if there is none, `InputError` for anything but such a photo,
    `AssetError` if the detector cannot be fetched.
    """
    if isinstance(image, str | Path):
        faces = align_photo(EncodedPhoto(read_file(Path(image)), str(image)), all_faces)
        return faces if all_faces else faces[0]
    if not isinstance(image, np.ndarray):
        raise InputError(f"A photo must be an array or a path, not {type(image).__name__}.")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InputError(f"A photo must be uint8 RGB h×w×3, not {image.dtype} {image.shape}.")
    if colour not in ("rgb", "bgr"):
        raise InputError(f'Unknown colour order {colour!r}; choose "rgb" or "bgr".')
    photo = image if colour == "rgb" else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    faces = align_photo(lambda _: (photo, 1), all_faces)
    return faces if all_faces else faces[0]


def align_photo(pixels: Pixels, all_faces: bool = False) -> list[AlignedFace]:
    """The largest face of a photo, or all faces, largest first; `NoFaceFound` if there is none."""
    photo, reduction = pixels(_USUAL_SIDE)
    shape = photo.shape[0] * reduction, photo.shape[1] * reduction
    found = sorted(_find(pixels, shape, all_faces), key=lambda f: -f[2] * f[3])
    if not found:
        raise NoFaceFound(f"No face was found in this photo of {shape[1]}×{shape[0]} pixels.")
    return [
        cut_out(pixels, face[4:14].reshape(5, 2), len(found), face[:4], float(face[14]))
        for face in (found if all_faces else found[:1])
    ]


def cut_out(
    pixels: Pixels, landmarks: np.ndarray, faces: int, box: np.ndarray = _UNKNOWN, confidence: float = float("nan")
) -> AlignedFace:
    """A face of a photo by its landmarks, 5×2 in pixels; of the photo, no more is read than the face needs."""
    landmarks = landmarks.round(LANDMARK_DIGITS)
    photo, reduction = pixels(_USUAL_SIDE)
    shape = photo.shape[0] * reduction, photo.shape[1] * reduction
    # A pixel of the aligned face covers at least one of the photo as it is read.
    shrinking = np.linalg.norm(similarity_transform(landmarks, ARCFACE_TEMPLATE)[:, 0])
    photo, reduction = pixels(min(1.0, shrinking) * max(shape))
    crop = align_to_template(photo, (landmarks + 0.5) / reduction - 0.5)
    return AlignedFace(crop, box, landmarks, confidence, share_outside(shape, landmarks), faces)


def _find(pixels: Pixels, shape: tuple[int, int], all_faces: bool) -> np.ndarray:
    """All faces that are worth a look, n×15, in pixels of the photo."""
    longer = max(shape)
    usual = float(np.clip(longer, _SMALLEST_SIDE, _USUAL_SIDE))
    sides = [usual, *(min(side, longer) for less, side in pairwise((_USUAL_SIDE, *_LARGER_SIDES)) if less < longer)]
    faces = _seen(pixels, shape, usual)
    for before, side in pairwise(sides):
        large = faces[:, 2] * before >= _SMALL * longer
        if large.any() and not (all_faces and before == usual):
            break
        faces = distinct(np.vstack([faces[large], _seen(pixels, shape, side), faces[~large]]))
    largest = max(faces, key=lambda f: f[2] * f[3], default=None)
    if largest is not None:
        points = largest[4:14].reshape(5, 2)
        across, down = points[3:].mean(axis=0) - points[:2].mean(axis=0)  # from the eyes to the mouth
    if largest is None or largest[14] < _SURE or down < abs(across):
        for side in sides:
            turned = np.vstack([_seen(pixels, shape, side, turn) for turn in (1, 2, 3)])
            faces = np.vstack([faces, turned[turned[:, 14] >= _SURE]])
            if len(faces):
                break
        faces = distinct(faces[np.argsort(-faces[:, 14], kind="stable")])
    return faces


def _seen(pixels: Pixels, shape: tuple[int, int], side: float, turn: int = 0) -> np.ndarray:
    """The faces in a photo whose longer side is brought to `side`, after `turn` quarter turns to the left; n×15."""
    photo, _ = pixels(side)
    scale = side / max(shape)
    if scale < 1:  # before padding, as there are fewer pixels then
        size = round(shape[1] * scale), round(shape[0] * scale)
        if not all(size):
            return np.empty((0, 15))  # so thin that nothing is left of it
        photo, scale = cv2.resize(photo, size, interpolation=cv2.INTER_AREA), 1.0
    turned = np.rot90(photo, turn)
    padding = _PADDING if side <= _USUAL_SIDE else 0
    pad_y, pad_x = (round(extent * padding) for extent in turned.shape[:2])
    padded = cv2.copyMakeBorder(turned, pad_y, pad_y, pad_x, pad_x, cv2.BORDER_REPLICATE)
    working = padded if scale == 1 else cv2.resize(padded, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    faces = detect(working)
    # Points count from the centre of the first pixel, which resizing moves by half a pixel of each image.
    factor = np.divide(working.shape[1::-1], padded.shape[1::-1])
    points = (faces[:, POINTS].reshape(-1, 6, 2) + 0.5) / factor - 0.5 - [pad_x, pad_y]
    size = faces[:, 2:4] / factor
    for extent in (turned.shape[:2] * 2)[:turn]:  # back by a quarter turn to the right each
        points[:, 0, 1] += size[:, 1]  # another corner becomes the upper left one
        points, size = points[..., ::-1] * [-1, 1] + [extent - 1, 0], size[:, ::-1]
    factor = np.divide(photo.shape[1::-1], shape[::-1])
    faces[:, POINTS] = ((points + 0.5) / factor - 0.5).reshape(-1, 12)
    faces[:, 2:4] = size / factor
    return faces
