"""SynFIQA: generated faces with quality labels, for the density maps of Fig. 2.

Ou et al., "MR-FIQA: Face Image Quality Assessment with Multi-Reference Representations from Synthetic Data Generation",
ICCV 2025. Format: what the authors' published generator writes; the data set itself was not seen.
"""

from pathlib import Path

import numpy as np

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.source import BenchmarkCard, SourceFormat, aligned_faces, face_index
from prefiqs.errors import InputError
from prefiqs.io.user_tables import location_of_row, read_user_table

_LABELS, _FACES = "Quality-Scores.txt", "data"


def build_synfiqa(folder: Path) -> Benchmark:
    """Read `data/IDENTITY/NAME.jpg`, aligned, 112×112, and `Quality-Scores.txt` (`/IDENTITY/NAME.jpg LABEL`).

    There are no pairs; the labels are `quality` in the index, 0 … 1, higher = better. The reference images `Ref-*.jpg`
    have no label and stay out. Raises `InputError` for a file that is missing or a line in another format.
    """
    labels = read_user_table(folder / _LABELS, {"path": "str", "label": "float64"})
    if len(wrong := np.flatnonzero(~np.isfinite(labels["label"]))):
        where = location_of_row(labels, int(wrong[0]), folder / _LABELS)
        raise InputError(f"The label in {where} must be a finite number, not {labels['label'][wrong[0]]}.")
    names = labels["path"].str.lstrip("/").to_numpy()
    index = face_index(names).assign(quality=labels["label"])
    return Benchmark("synfiqa", aligned_faces(folder / _FACES, names), index)


SYNFIQA = BenchmarkCard(
    "synfiqa",
    "SynFIQA, generated faces with quality labels",
    "https://github.com/oufuzhao/MR-FIQA",
    "CC BY-NC 4.0",
    (SourceFormat(((_LABELS,), (_FACES,)), build_synfiqa, aligned=True),),
    images=550_000,
)
