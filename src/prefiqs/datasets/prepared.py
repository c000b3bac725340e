"""The folders that CR-FIQA's tools prepare and read, so that both tool sets work on the same faces and pairs.

A folder holds `images/` (112×112), `image_path_list.txt` (one path a line, PARENT/FOLDER/images/NAME.jpg; paths may
repeat) and `pair_list.txt` (`NAME NAME 1` genuine, `NAME NAME 0` impostor, with or without `.jpg`).

Colours: CR-FIQA's scripts hand RGB arrays to OpenCV, which takes them for BGR. So red and blue are **swapped** in the
files (a viewer shows blue faces), and its tools get RGB back by reading them with OpenCV and converting nothing.
"""

from pathlib import Path, PurePosixPath

import numpy as np

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.pairs import consecutive_folds, people_of
from prefiqs.datasets.source import LazyFaces, SourceFormat, aligned_faces, face_index
from prefiqs.io.atomic import read_text
from prefiqs.io.names import ImageNameIndex
from prefiqs.io.pairs import read_pairs

_IMAGES, _PATHS, _PAIRS = "images", "image_path_list.txt", "pair_list.txt"


def read_prepared(folder: Path, folds: int | None = 10) -> Benchmark:
    """Read a folder that CR-FIQA's tools have prepared; faces are decoded when they are needed.

    People are those that `people_of` infers; `folds` are equal runs of the pair list (insightface's protocol). Raises
    `InputError` as `read_pairs` does, and for a file that is missing.
    """
    listed = [PurePosixPath(line.strip()).name for line in read_text(folder / _PATHS).splitlines()]
    files = list(dict.fromkeys(filter(None, listed)))
    swapped = aligned_faces(folder / _IMAGES, files)
    pairs, genuine = read_pairs(folder / _PAIRS, ImageNameIndex(files, str(folder / _PATHS)))
    faces = LazyFaces(len(files), lambda i: swapped[i][..., ::-1].copy())
    index = face_index(files, people_of(files, pairs[genuine]))
    runs = None if folds is None else consecutive_folds(len(pairs), folds)
    return Benchmark(folder.absolute().name, faces, index, pairs.astype(np.int32), genuine, runs)


PREPARED = SourceFormat(((_PATHS,), (_PAIRS,), (_IMAGES,)), read_prepared, aligned=True)
