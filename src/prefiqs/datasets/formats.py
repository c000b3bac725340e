"""Forms in which many benchmarks are given out: insightface's `.bin` files, and folders prepared by CR-FIQA's tools.

Neither says who is shown: `people_of` infers it from the genuine pairs. Folds are equal runs of the list of pairs
(insightface's protocol).
"""

import hashlib
from pathlib import Path, PurePosixPath

import numpy as np

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.pairs import consecutive_folds, people_of
from prefiqs.datasets.source import LazyFaces, SourceFormat, aligned_faces, face_index
from prefiqs.errors import InputError
from prefiqs.faces.decode import decode_face
from prefiqs.io.atomic import read_text
from prefiqs.io.names import ImageNameIndex
from prefiqs.io.pairs import read_pairs
from prefiqs.io.restricted_pickle import EncodedArray, read_restricted

_PREPARED = _PATHS, _PAIRS, _IMAGES = "image_path_list.txt", "pair_list.txt", "images"


def read_bin(path: Path) -> tuple[list[bytes | bytearray], np.ndarray]:
    """The 2P encoded images of a `.bin` file (images 2i and 2i + 1 are pair i), and bool P, whether a pair is genuine.

    The file is a pickle of a list of images (JPEG or PNG, aligned to 112×112) and a list of booleans. Raises
    `InputError` for a pickle that holds anything else, or is damaged; nothing of it is run.
    """
    match read_restricted(path):
        case [list() | tuple() as images, list() | tuple() as genuine]:
            encoded = [image.data if isinstance(image, EncodedArray) else image for image in images]
        case _:
            raise InputError(f"{path} does not contain a list of images and a list of booleans.")
    if not all(type(image) in (bytes, bytearray) for image in encoded) or not all(type(g) is bool for g in genuine):
        raise InputError(f"The lists in {path} contain something other than encoded images and booleans.")
    if len(encoded) != 2 * len(genuine) or not encoded:
        raise InputError(f"{path} has {len(encoded)} images and {len(genuine)} booleans, not two images per boolean.")
    return encoded, np.array(genuine, bool)


def build_insightface_bin(path: Path) -> Benchmark:
    """A benchmark from a `.bin` file, whose faces are decoded when they are needed; 10 folds.

    An image that occurs several times (by SHA-256 of the encoded bytes) becomes one, named by its first place in the
    file, `00000.jpg`, as in CR-FIQA's score files.
    """
    encoded, genuine = read_bin(path)
    first: dict[bytes, int] = {}
    places = [first.setdefault(hashlib.sha256(image).digest(), place) for place, image in enumerate(encoded)]
    distinct, rows = np.unique(places, return_inverse=True)
    names = [f"{place:05d}.jpg" for place in distinct]
    faces = LazyFaces(len(distinct), lambda row: decode_face(encoded[distinct[row]], f"{names[row]} of {path}"))
    pairs = rows.reshape(-1, 2).astype(np.int32)
    index = face_index(names, people_of(names, pairs[genuine]), [f"{path.name}:{place}" for place in distinct])
    index = index.assign(inferred=True)
    return Benchmark(path.stem, faces, index, pairs, genuine, consecutive_folds(len(genuine), 10))


def read_prepared(folder: Path, folds: int | None = 10) -> Benchmark:
    """Read a folder that CR-FIQA's tools have prepared; faces are decoded when they are needed.

    It holds `images/` (112×112), `image_path_list.txt` (one path a line, PARENT/FOLDER/images/NAME.jpg; paths may
    repeat) and `pair_list.txt` (`NAME NAME 1` genuine, `NAME NAME 0` impostor, with or without `.jpg`). CR-FIQA's
    scripts hand RGB arrays to OpenCV, which takes them for BGR, so red and blue are **swapped** in the files; its tools
    get RGB back by reading them with OpenCV and converting nothing.

    Raises `InputError` as `read_pairs` does, and for a file that is missing.
    """
    listed = [PurePosixPath(line.strip()).name for line in read_text(folder / _PATHS).splitlines()]
    files = list(dict.fromkeys(filter(None, listed)))
    swapped = aligned_faces(folder / _IMAGES, files)
    pairs, genuine = read_pairs(folder / _PAIRS, ImageNameIndex(files, str(folder / _PATHS)))
    faces = LazyFaces(len(files), lambda i: swapped[i][..., ::-1].copy())
    index = face_index(files, people_of(files, pairs[genuine])).assign(inferred=True)
    runs = None if folds is None else consecutive_folds(len(pairs), folds)
    return Benchmark(folder.absolute().name, faces, index, pairs.astype(np.int32), genuine, runs)


PREPARED = SourceFormat(tuple((name,) for name in _PREPARED), read_prepared, aligned=True, owner="CR-FIQA's tools")
BIN_OWNER = "https://github.com/deepinsight/insightface, recognition/_datasets_ (inside the training set MS1M-ArcFace)"


def bin_format(file: str) -> SourceFormat:
    """The format of a benchmark that is a `.bin` file of this name."""
    return SourceFormat(((file,),), lambda folder: build_insightface_bin(folder / file), True, BIN_OWNER)
