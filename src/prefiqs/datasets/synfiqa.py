"""SynFIQA: generated faces with quality labels, for the density maps of Fig. 2.

Ou et al., "MR-FIQA: Face Image Quality Assessment with Multi-Reference Representations from Synthetic Data Generation",
ICCV 2025. Format: what the authors' published generator writes; the data set itself was not seen.
"""

from pathlib import Path

import numpy as np

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.faces import LazyFaces
from prefiqs.datasets.photos import face_index
from prefiqs.faces.decode import decode_face
from prefiqs.io.tables import read_text_table, require_files


def build_synfiqa(folder: Path) -> Benchmark:
    """Read SynFIQA; images are decoded one by one while the benchmark is saved.

    Args:
        folder: holds `data/IDENTITY/NAME.jpg`, aligned, 112×112, and `Quality-Scores.txt`, whose lines are
            `/IDENTITY/NAME.jpg LABEL`, parted by a tab. The reference images `Ref-*.jpg` have no label and stay out.

    Returns:
        A benchmark without pairs; the labels are `quality` in the index, 0 … 1, higher = better.

    Raises:
        InputError: the list or an image is missing, or a line of the list cannot be read.
    """
    labels = read_text_table(folder / "Quality-Scores.txt", {"path": "str", "label": "float64"})
    names = labels["path"].str.lstrip("/").to_numpy()
    require_files(folder / "data", names)
    index = face_index(names, [name.split("/")[0] for name in names]).assign(quality=labels["label"])
    images = LazyFaces(len(names), lambda i: decode_face((folder / "data" / names[i]).read_bytes(), names[i]))
    return Benchmark("synfiqa", images, index, np.empty((0, 2), np.int32), np.empty(0, bool))
