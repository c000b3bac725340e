"""Images: aligning faces in photos, and degrading aligned faces in a controlled way."""

from prefiqs.imaging.align import ARCFACE_TEMPLATE, PHOTO_SUFFIXES, AlignedFace, align, align_to_template, read_photo
from prefiqs.imaging.degrade import DEGRADATIONS, degrade

__all__ = [
    "ARCFACE_TEMPLATE", "DEGRADATIONS", "PHOTO_SUFFIXES", "AlignedFace", "align", "align_to_template", "degrade",
    "read_photo",
]  # fmt: skip
