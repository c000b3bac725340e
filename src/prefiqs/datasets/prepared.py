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
from prefiqs.datasets.faces import LazyFaces
from prefiqs.datasets.pairs import consecutive_folds, people_of
from prefiqs.datasets.photos import face_index
from prefiqs.errors import InputError
from prefiqs.faces.decode import decode_face
from prefiqs.io.atomic import read_text

IMAGES, PATH_LIST, PAIR_LIST = "images", "image_path_list.txt", "pair_list.txt"


def read_prepared(folder: Path, name: str | None = None, folds: int | None = 10) -> Benchmark:
    """Read a folder that CR-FIQA's tools have prepared; faces are decoded when they are needed.

    Args:
        folder: holds the two lists and `images/`.
        name: of the benchmark; None = the folder's.
        folds: of the verification protocol, as equal runs of the pair list (insightface); None = no folds.

    Returns:
        The benchmark. An image that the list repeats occurs once; subjects are those that `people_of` infers.

    Raises:
        InputError: a list or image is missing, a line has another form, or a pair names an image that is not listed.
    """
    listed = [PurePosixPath(line.strip()).name for line in read_text(folder / PATH_LIST).splitlines()]
    files = list(dict.fromkeys(filter(None, listed)))
    if missing := [file for file in files if not (folder / IMAGES / file).is_file()]:
        raise InputError(
            f"File not found: {folder / IMAGES / missing[0]} ({len(missing)} of {len(files)} are missing)."
        )
    row = {Path(file).stem: i for i, file in enumerate(files)}
    sides_of_pairs, labels = [], []
    for number, line in enumerate(read_text(folder / PAIR_LIST).splitlines(), 1):
        fields = line.split()
        sides = [row.get(side.removesuffix(".jpg")) for side in fields[:2]]
        # NumPy wrote the lists of the .bin files, with the label as wide as the names: 00001 00002 00001.
        if len(fields) != 3 or None in sides or not re.fullmatch("0*[01]", fields[2]):
            where = f"Line {number} of {folder / PAIR_LIST}"
            raise InputError(f"{where} is not of the form `NAME NAME 1|0` with names of {PATH_LIST}: {line!r}.")
        sides_of_pairs.append(sides)
        labels.append(int(fields[2]) == 1)

    def face(i: int) -> np.ndarray:
        path = folder / IMAGES / files[i]
        return decode_face(path.read_bytes(), str(path))[..., ::-1].copy()

    pairs, genuine = np.array(sides_of_pairs, np.int32).reshape(-1, 2), np.array(labels, bool)
    index = face_index(files, people_of(files, pairs[genuine]))
    runs = None if folds is None else consecutive_folds(len(pairs), folds)
    return Benchmark(name or folder.absolute().name, LazyFaces(len(files), face), index, pairs, genuine, runs)
