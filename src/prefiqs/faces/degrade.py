"""Controlled degradations of an aligned face, graded by a severity in [0, 1]; severity 0 changes nothing.

What a severity means is set by the strength at severity 1 (in `params.yaml`) and interpolated linearly. Everything is
computed on 8-bit pixels with integer arithmetic or OpenCV's bit-exact routines, and random numbers come from the
caller's generator, so that the same seed gives the same pixels on every machine.
"""

from collections.abc import Callable

import cv2
import numpy as np

from prefiqs.errors import InputError

Image = np.ndarray  # uint8 RGB h×w×3


def gaussian_blur(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Out of focus: Gaussian blur with standard deviation `strength` pixels."""
    return cv2.GaussianBlur(image, (0, 0), strength, borderType=cv2.BORDER_REPLICATE)


def downsample(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Far away: reduced so that one pixel covers 1 + `strength` pixels a side, then enlarged again."""
    height, width = image.shape[:2]
    small = (max(1, round(width / (1 + strength))), max(1, round(height / (1 + strength))))
    reduced = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(reduced, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)


def sensor_noise(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """High ISO: Gaussian noise of standard deviation `strength` grey levels, the same in all three channels."""
    noise = np.rint(rng.standard_normal(image.shape[:2]) * strength).astype(np.int32)
    return np.clip(image + noise[:, :, None], 0, 255).astype(np.uint8)


def jpeg(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Compressed: JPEG of quality 100 − `strength`, but at least 1."""
    quality = max(1, round(100 - strength))
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None  # as it was just encoded
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


def occlusion(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Covered: a grey square whose area is the share `strength` of the image, anywhere inside it."""
    height, width = image.shape[:2]
    side = min(height, width, round(np.sqrt(strength * height * width)))
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    covered = image.copy()
    covered[top : top + side, left : left + side] = rng.integers(0, 256)
    return covered


def low_light(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Dark: exposure lowered by `strength` stops before 8-bit rounding, with read-out noise of two grey levels."""
    table = np.rint(np.arange(256) * 2.0**-strength).astype(np.int32)
    noise = np.rint(rng.standard_normal(image.shape[:2]) * 2 * min(1.0, strength)).astype(np.int32)
    return np.clip(table[image] + noise[:, :, None], 0, 255).astype(np.uint8)


def motion_blur(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Moved: the mean along a straight path of `strength` pixels in a random direction."""
    height, width = image.shape[:2]
    angle = rng.uniform(0, np.pi)
    steps = np.linspace(-strength / 2, strength / 2, 2 * int(np.ceil(strength)) + 1)
    total = np.zeros(image.shape, np.int32)
    for step in steps:
        dy, dx = round(step * np.sin(angle)), round(step * np.cos(angle))
        rows = np.clip(np.arange(height) + dy, 0, height - 1)
        columns = np.clip(np.arange(width) + dx, 0, width - 1)
        total += image[rows[:, None], columns]
    return ((total + len(steps) // 2) // len(steps)).astype(np.uint8)


DEGRADATIONS: dict[str, Callable[[Image, float, np.random.Generator], Image]] = {
    "gaussian-blur": gaussian_blur,
    "downsample": downsample,
    "sensor-noise": sensor_noise,
    "jpeg": jpeg,
    "occlusion": occlusion,
    "low-light": low_light,
    "motion-blur": motion_blur,
}


def degrade(image: Image, kind: str, severity: float, strongest: float, rng: np.random.Generator) -> Image:
    """Return a degraded copy of an aligned face.

    `kind` is one of `DEGRADATIONS`, `strongest` its strength at severity 1, in the unit that its function states.
    Raises `InputError` for an unknown kind or a severity outside [0, 1].
    """
    if kind not in DEGRADATIONS:
        raise InputError(f"Unknown degradation {kind!r}; choose one of {', '.join(DEGRADATIONS)}.")
    if not 0 <= severity <= 1:
        raise InputError(f"A severity must be in [0, 1], not {severity}.")
    return DEGRADATIONS[kind](image, severity * strongest, rng) if severity > 0 else image.copy()
