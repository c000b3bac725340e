"""Acquisition hints: what is plain to see of a face and often explains a low score. They are hints, not scores.

Exposure and sharpness are computed on the inner face, from above the eyes to below the mouth, with integers, so that
they are the same on every machine.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from prefiqs.faces.align import AlignedFace

_INNER = np.s_[36:104, 28:84]  # rows and columns of an aligned face that show no background and little hair
# The tip of the nose lies in front of the eyes by about this share of their distance (of adults, 3 of 6 cm).
_NOSE = 0.5

# A hint is given beyond these values, chosen on LFW and CFP. Of every fourth photo of LFW, which are press photos,
# 3.6 % are "turned", at most 0.4 % have any other of these hints; of CFP's tight crops, 79 % and more are "cut".
_SMALL = 24  # pixels between the eyes; they are 35 in an aligned face, so that it is enlarged 1.5 times
_TURNED = 35  # degrees: 95 % of the profiles of CFP, and none of its frontal photos
_TILTED = 40  # degrees: more than in any photo of LFW or CFP that was looked at
_CUT = 0.1
_BLURRED = 25  # LFW faces reach it when blurred with a standard deviation of 1.5 pixels of the aligned face
_DARK, _BRIGHT = 60, 200
_BLACK, _WHITE = 25, 247  # the ranges of under- and overexposure in ISO/IEC 29794-5: 0 to 25 and 247 to 255
_CLIPPED = 0.15
_UNSURE = 0.8


def observe(face: AlignedFace) -> dict[str, float]:
    """What is seen of a face and its photo, by name; NaN where it is not known.

    eye_distance: in pixels of the photo.
    roll: degrees in (−180, 180] by which the face is turned in the plane of the image, positive = clockwise; from the
        direction of eyes and corners of the mouth, and from the line between them.
    yaw: degrees in [−90, 90] by which it is turned to the side, positive = the nose points to the right of the image.
        A rough estimate: the tip of the nose stands out from a flat face by half the distance of the eyes.
    cut: share of the aligned face that lies outside the photo, in [0, 1].
    sharpness: variance of the Laplacian (4 neighbours) of the luminance, as in Pech-Pacheco et al., "Diatom
        autofocusing in brightfield microscopy", ICPR 2000; 0 = flat.
    brightness: mean luminance (BT.601), 0 to 255.
    clipped: share of pixels with a luminance of at most 25 or at least 247, in [0, 1].
    """
    left_eye, right_eye, nose, left_mouth, right_mouth = np.ascontiguousarray(face.landmarks, float).view(complex)[:, 0]
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    upright = (right_eye - left_eye + right_mouth - left_mouth) / 2 + (mouth - eyes) / 1j
    roll = np.angle(upright)
    turned_back = np.exp(-1j * roll)
    beside = ((nose - (eyes + mouth) / 2) * turned_back).real
    width = ((right_eye - left_eye) * turned_back).real
    luminance = cv2.cvtColor(face.image, cv2.COLOR_RGB2GRAY)
    edges = cv2.Laplacian(luminance, cv2.CV_16S)[_INNER].astype(np.int64)
    inner = luminance[_INNER]
    values = {
        "eye_distance": (abs(right_eye - left_eye), 1),
        "roll": (np.degrees(roll), 1),
        "yaw": (np.degrees(np.arctan2(beside, _NOSE * abs(width))), 1),
        "cut": (face.outside, 3),
        "sharpness": ((edges.size * (edges**2).sum() - edges.sum() ** 2) / edges.size**2, 1),
        "brightness": (inner.mean(), 1),
        "clipped": (((inner <= _BLACK) | (inner >= _WHITE)).mean(), 3),
    }
    return {name: round(float(value), digits) for name, (value, digits) in values.items()}


def explain(seen: dict[str, float], confidence: float, faces: int | None, assumed: Sequence[str] = ()) -> str:
    """What stands out, in plain words joined by "; ", or nothing. Takes values of `observe`, `AlignedFace` and
    `Photo`."""
    reasons = {
        f"small face ({seen['eye_distance']:.0f} px between the eyes)": seen["eye_distance"] < _SMALL,
        f"turned to the side ({abs(seen['yaw']):.0f}°)": abs(seen["yaw"]) > _TURNED,
        f"tilted ({abs(seen['roll']):.0f}°)": abs(seen["roll"]) > _TILTED,
        f"cut by the edge of the photo ({seen['cut']:.0%})": seen["cut"] > _CUT,
        "blurred": seen["sharpness"] < _BLURRED,
        "dark": seen["brightness"] < _DARK,
        "bright": seen["brightness"] > _BRIGHT,
        f"under- or overexposed ({seen['clipped']:.0%})": seen["clipped"] > _CLIPPED,
        f"uncertain detection (confidence {confidence:.2f})": confidence < _UNSURE,
        f"one of {faces} faces": (faces or 1) > 1,
    }
    return "; ".join([*(reason for reason, stands_out in reasons.items() if stands_out), *assumed])
