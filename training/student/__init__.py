"""Training of `vit-prefiqs`, the small ViT-FIQA (T) that this project gives out: its data, its targets, its loop."""

from student.augment import augment, augmented_copies
from student.distil import build_student, distil, save_weights
from student.settings import Settings, load_settings
from student.targets import class_centres, classifiability

__all__ = [
    "Settings", "augment", "augmented_copies", "build_student", "class_centres", "classifiability",
    "distil", "load_settings", "save_weights",
]  # fmt: skip
