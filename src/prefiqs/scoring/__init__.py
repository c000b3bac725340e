"""Scoring photos: any number of them, in chunks, as rows of a table that survives a killed run."""

from prefiqs.scoring.faces import FacesOf
from prefiqs.scoring.photos import find_photos
from prefiqs.scoring.rows import COLUMNS
from prefiqs.scoring.run import check_out, print_scores, write_scores
from prefiqs.scoring.scorer import FaceScorer, PhotoScorer

__all__ = [
    "COLUMNS", "FaceScorer", "FacesOf", "PhotoScorer", "check_out", "find_photos", "print_scores",
    "write_scores",
]  # fmt: skip
