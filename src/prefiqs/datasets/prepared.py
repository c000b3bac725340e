"""The folders that CR-FIQA's tools prepare and read, so that both tool sets work on the same faces and pairs.

A folder holds `images/` (112×112), `image_path_list.txt` (one path a line, PARENT/FOLDER/images/NAME.jpg; paths may
repeat), `pair_list.txt` (`NAME NAME 1` genuine, `NAME NAME 0` impostor, with or without `.jpg`) and score files
(`score_files.py`).

Colours: CR-FIQA's scripts hand RGB arrays to OpenCV, which takes them for BGR. So red and blue are **swapped** in the
files (a viewer shows blue faces), and its tools get RGB back by reading them with OpenCV and converting nothing. Here
that is `stored="swapped"`, the default; ordinary image files are `stored="plain"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

import cv2
import numpy as np

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.faces import LazyFaces
from prefiqs.datasets.pairs import consecutive_folds, people_of
from prefiqs.datasets.photos import decode_face, face_index
from prefiqs.errors import InputError
from prefiqs.io.atomic import read_text, write_text

IMAGES, PATH_LIST, PAIR_LIST = "images", "image_path_list.txt", "pair_list.txt"
Stored = Literal["swapped", "plain"]

# Its tools append `.jpg` to the names in a pair list, so nothing else will do. This is the mildest JPEG there is.
_ENCODING = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
_PHOTO = re.compile(r"\.(jpe?g|png|bmp|pgm|ppm|webp|tiff?)$", re.IGNORECASE)


def prepared_names(names: Iterable[str]) -> list[str]:
    """What images are called in a prepared folder, without `.jpg`: the file's name, or the path if that is not unique.

    Its tools split lines at spaces and names at the first dot, so that other characters than slug, digits and `@#-`
    become `_`. Raises `InputError` if two images would have one name.
    """
    bare = [_PHOTO.sub("", name) for name in names]
    for candidates in ([PurePosixPath(name).name for name in bare], bare):
        safe = [re.sub(r"[^\w@#-]", "_", name) for name in candidates]
        if len(set(safe)) == len(safe):
            return safe
    raise InputError(f"Expected distinct names of images, got several that become {max(safe, key=safe.count)!r}.")


def image_paths(folder: Path, names: Iterable[str]) -> list[str]:
    """The paths by which lists and score files of a prepared folder name its images: PARENT/FOLDER/images/NAME.jpg."""
    folder = folder.absolute()
    return [f"{folder.parent.name}/{folder.name}/{IMAGES}/{name}.jpg" for name in prepared_names(names)]


def write_prepared(benchmark: Benchmark, folder: Path, stored: Stored = "swapped") -> None:
    """Write a benchmark as CR-FIQA's tools expect it, such as in quality_data/lfw.

    Faces are written as JPEG of quality 100, 4:4:4: grey levels may change by a few. Subjects and folds have no place
    in these files.

    Args:
        benchmark: of single images.
        folder: where it goes; its name is the data set's name in score files.
        stored: whether red and blue are swapped in the files, which those tools expect.

    Raises:
        InputError: a benchmark of templates, or names that cannot be told apart.
    """
    _check(stored)
    if benchmark.templates is not None:
        raise InputError(f"Expected a benchmark of single images, got {benchmark.name}, which compares templates.")
    names = prepared_names(benchmark.names)
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    for name, face in zip(names, benchmark.images, strict=True):
        _, data = cv2.imencode(".jpg", face if stored == "swapped" else face[..., ::-1], _ENCODING)
        (folder / IMAGES / f"{name}.jpg").write_bytes(data.data)
    # The lists come last: while they are missing, the folder is not complete.
    lines = (f"{names[a]} {names[b]} {int(g)}\n" for (a, b), g in zip(benchmark.pairs, benchmark.genuine, strict=True))
    write_text("".join(lines), folder / PAIR_LIST)
    write_text("".join(f"{path}\n" for path in image_paths(folder, benchmark.names)), folder / PATH_LIST)


def read_prepared(
    folder: Path, name: str | None = None, stored: Stored = "swapped", folds: int | None = 10
) -> Benchmark:
    """A benchmark from a folder that CR-FIQA's tools, or `write_prepared`, have prepared.

    Args:
        folder: holds the two lists and `images/`.
        name: of the benchmark; the folder's when None.
        stored: whether red and blue are swapped in the files, as those tools leave them.
        folds: of the verification protocol, as equal runs of the pair list (insightface); None for no folds.

    Returns:
        The benchmark; images that the list repeats are there once; subjects are those that `people_of` infers.

    Raises:
        InputError: a list or image is missing, a line has another form, or a pair names an image that is not listed.
    """
    _check(stored)
    listed = [PurePosixPath(line.strip()).name for line in _lines(folder / PATH_LIST)]
    files = list(dict.fromkeys(filter(None, listed)))
    if missing := [file for file in files if not (folder / IMAGES / file).is_file()]:
        raise InputError(f"Expected {folder / IMAGES / missing[0]}, got no such file ({len(missing)} missing).")
    row = {Path(file).stem: i for i, file in enumerate(files)}
    sides_of_pairs, labels = [], []
    for number, line in enumerate(_lines(folder / PAIR_LIST), 1):
        fields = line.split()
        sides = [row.get(side.removesuffix(".jpg")) for side in fields[:2]]
        # NumPy wrote the lists of the .bin files, with the label as wide as the names: 00001 00002 00001.
        if len(fields) != 3 or None in sides or not re.fullmatch("0*[01]", fields[2]):
            raise InputError(f"Expected `NAME NAME 1|0` with listed names in line {number} of {folder / PAIR_LIST}.")
        sides_of_pairs.append(sides)
        labels.append(int(fields[2]) == 1)

    def face(i: int) -> np.ndarray:
        path = folder / IMAGES / files[i]
        image = decode_face(path.read_bytes(), str(path))
        return image[..., ::-1].copy() if stored == "swapped" else image

    pairs, genuine = np.array(sides_of_pairs, np.int32).reshape(-1, 2), np.array(labels, bool)
    index = face_index(files, people_of(files, pairs[genuine]))
    runs = None if folds is None else consecutive_folds(len(pairs), folds)
    return Benchmark(name or folder.absolute().name, LazyFaces(len(files), face), index, pairs, genuine, runs)


def _check(stored: str) -> None:
    if stored not in get_args(Stored):
        raise InputError(f"Expected stored to be one of {', '.join(get_args(Stored))}, got {stored!r}.")


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise InputError(f"Expected a prepared folder with {path}, got no such file.")
    return read_text(path).splitlines()
