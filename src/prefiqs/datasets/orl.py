"""The AT&T (ORL) database of faces: 40 people, 10 grey images of 92×112 pixels each.

Source: Samaria and Harter, "Parameterisation of a stochastic model for human face identification", WACV 1994.
"""

from pathlib import Path

import numpy as np

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.pairs import all_pairs
from prefiqs.datasets.source import Align, BenchmarkCard, SourceFormat, face_index
from prefiqs.faces.decode import read_photo


def build_orl(folder: Path, align: Align) -> Benchmark:
    """Align the faces of s1/1.pgm … s40/10.pgm and compare all of them.

    Raises `NoFaceFound` for a photo in which no face is seen: ORL is used whole or not at all.
    """
    names = [f"s{person}/{i}.pgm" for person in range(1, 41) for i in range(1, 11)]
    images = np.stack([align(read_photo(folder / name))[0].image for name in names])
    index = face_index(names)
    return Benchmark("orl", images, index, *all_pairs(index["subject"]))


ORL = BenchmarkCard(
    "orl",
    "AT&T (ORL) faces",
    "the fetched assets (`prefiqs fetch orl`)",
    "research, with acknowledgement of AT&T Laboratories Cambridge",
    (SourceFormat((("s1/1.pgm",), ("s40/10.pgm",)), build_orl),),
    path="assets/orl",
    images=400,
)
