"""Colour spaces: whatever a file holds becomes sRGB, which is what networks were trained on."""

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from prefiqs.errors import InputError

_SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK"}  # Pillow's modes, and what ICC calls them
_SRGB = ImageCms.createProfile("sRGB")


def to_srgb(image: Image.Image, profile: bytes = b"") -> Image.Image:
    """An image as RGB, converted from its ICC profile or its mode; `InputError`, with the end of a sentence, if it
    has over 8 bits per sample. A profile that is damaged, or of another kind than the image, is ignored."""
    if image.mode in ("I", "F") or ";" in image.mode:
        raise InputError("has samples of a kind that cannot be read. Save it with 8 bits.")
    if image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("RGB")
    transform = _transform(profile, image.mode) if profile or image.mode == "LAB" else None
    return transform.apply(image) if transform else image.convert("RGB")


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What brings a profile to sRGB; None if that changes no colour by more than 2 of 255."""
    if mode == "LAB":
        return ImageCms.buildTransform(ImageCms.createProfile("LAB"), _SRGB, mode, "RGB")
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if source.profile.xcolor_space != _SPACES[mode]:
            return None
        transform = ImageCms.buildTransform(source, _SRGB, mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    grid = np.stack(np.meshgrid(*[levels] * len(mode)), -1).reshape(1, -1, len(mode)).squeeze(-1 if mode == "L" else ())
    colours = Image.fromarray(grid, mode)
    moved = np.asarray(transform.apply(colours), int)
    return transform if np.abs(moved - np.asarray(colours.convert("RGB"))).max() > 2 else None
