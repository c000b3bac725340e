"""The folders that CR-FIQA's tools prepare and read, so that both tool sets work on the same faces and pairs.

A folder holds `images/` (112×112), `image_path_list.txt` (one path a line, PARENT/FOLDER/images/NAME.jpg; paths may
repeat) and `pair_list.txt` (`NAME NAME 1` genuine, `NAME NAME 0` impostor, with or without `.jpg`).

Colours: CR-FIQA's scripts hand RGB arrays to OpenCV, which takes them for BGR. So red and blue are **swapped** in the
files (a viewer shows blue faces), and its tools get RGB back by reading them with OpenCV and converting nothing.
"""

import re
from pathlib import Path, PurePosixPath

import numpy as np

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.pairs import consecutive_folds, people_of
from prefiqs.datasets.source import LazyFaces, SourceFormat, aligned_faces, face_index
from prefiqs.errors import InputError
from prefiqs.io.atomic import read_text

_IMAGES, _PATHS, _PAIRS = "images", "image_path_list.txt", "pair_list.txt"


def read_prepared(folder: Path, folds: int | None = 10) -> Benchmark:
    """Read a folder that CR-FIQA's tools have prepared; faces are decoded when they are needed.

    Args:
        folder: holds the two lists and `images/`.
        folds: of the verification protocol, as equal runs of the pair list (insightface); None = no folds.

    Returns:
        The benchmark. An image that the list repeats occurs once; subjects are those that `people_of` infers.

    Raises:
        InputError: a list or image is missing, a line has another form, or a pair names an image that is not listed.
    """
    listed = [PurePosixPath(line.strip()).name for line in read_text(folder / _PATHS).splitlines()]
    files = list(dict.fromkeys(filter(None, listed)))
    swapped = aligned_faces(folder / _IMAGES, files)
    row = {Path(file).stem: i for i, file in enumerate(files)}
    sides_of_pairs, labels = [], []
    for number, line in enumerate(read_text(folder / _PAIRS).splitlines(), 1):
        fields = line.split()
        sides = [row.get(side.removesuffix(".jpg")) for side in fields[:2]]
        # NumPy wrote the lists of the .bin files, with the label as wide as the names: 00001 00002 00001.
        if len(fields) != 3 or None in sides or not re.fullmatch("0*[01]", fields[2]):
            where = f"Line {number} of {folder / _PAIRS}"
            raise InputError(f"{where} is not of the form `NAME NAME 1|0` with names of {_PATHS}: {line!r}.")
        sides_of_pairs.append(sides)
        labels.append(int(fields[2]) == 1)
    pairs, genuine = np.array(sides_of_pairs, np.int32).reshape(-1, 2), np.array(labels, bool)
    faces = LazyFaces(len(files), lambda i: swapped[i][..., ::-1].copy())
    index = face_index(files, people_of(files, pairs[genuine]))
    runs = None if folds is None else consecutive_folds(len(pairs), folds)
    return Benchmark(folder.absolute().name, faces, index, pairs, genuine, runs)


PREPARED = SourceFormat(((_PATHS,), (_PAIRS,), (_IMAGES,)), read_prepared, aligned=True)
