"""The AT&T (ORL) database of faces: 40 people, 10 grey images of 92×112 pixels each.

Source: Samaria and Harter, "Parameterisation of a stochastic model for human face identification", WACV 1994.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.pairs import all_pairs
from prefiqs.datasets.photos import face_index

PEOPLE, IMAGES_EACH = 40, 10


def build_orl(faces: Path, align: Callable[[Path], np.ndarray], people: int = PEOPLE) -> Benchmark:
    """Align the ORL faces and compare all of them.

    Args:
        faces: the folder with s1/1.pgm … s40/10.pgm.
        align: from the path of a photo to the aligned face, uint8 112×112×3.
        people: use only the first so many.

    Raises:
        NoFaceFound: a photo in which no face is seen; ORL is used whole or not at all.
    """
    names = [f"s{person}/{i}.pgm" for person in range(1, people + 1) for i in range(1, IMAGES_EACH + 1)]
    images = np.stack([align(faces / name) for name in names])
    return Benchmark("orl", images, index_of(names, images), *all_pairs(np.array([n.split("/")[0] for n in names])))


def index_of(names: list[str], images: np.ndarray) -> pd.DataFrame:
    """The index of undegraded images named SUBJECT/FILE."""
    index = face_index(names, [name.split("/")[0] for name in names])
    index.insert(3, "sha256", [hashlib.sha256(image.tobytes()).hexdigest() for image in images])
    return index
