"""Verification sets as insightface packs them: one `.bin` file of encoded faces and booleans.

The file is a pickle of a list of 2P images (JPEG or PNG, aligned to 112×112) and a list of P booleans; images 2i and
2i + 1 are pair i. lfw, agedb_30, calfw and cplfw hold 6,000 pairs, cfp_fp and cfp_ff 7,000.
"""

import hashlib
from pathlib import Path

import numpy as np

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.cfp import cfp_format
from prefiqs.datasets.pairs import consecutive_folds, people_of
from prefiqs.datasets.prepared import PREPARED
from prefiqs.datasets.source import BenchmarkCard, LazyFaces, SourceFormat, face_index
from prefiqs.errors import InputError
from prefiqs.faces.decode import decode_face
from prefiqs.io.restricted_pickle import EncodedArray, read_restricted

FOLDS = 10


def read_bin(path: Path) -> tuple[list[bytes | bytearray], np.ndarray]:
    """The 2P encoded images of a `.bin` file in its order, and bool P, whether a pair is genuine.

    Raises `InputError` for a pickle that holds anything else, or is damaged; nothing of it is run.
    """
    match read_restricted(path):
        case [list() | tuple() as images, list() | tuple() as genuine]:
            encoded = [image.data if isinstance(image, EncodedArray) else image for image in images]
        case _:
            raise InputError(f"{path} does not hold a list of images and a list of booleans.")
    if not all(type(image) in (bytes, bytearray) for image in encoded) or not all(type(g) is bool for g in genuine):
        raise InputError(f"The lists in {path} contain something other than encoded images and booleans.")
    if len(encoded) != 2 * len(genuine) or not encoded:
        raise InputError(f"{path} has {len(encoded)} images and {len(genuine)} booleans, not two images per boolean.")
    return encoded, np.array(genuine, bool)


def build_insightface_bin(path: Path) -> Benchmark:
    """A benchmark from a `.bin` file, whose faces are decoded when they are needed.

    An image that occurs several times (by SHA-256 of the encoded bytes) becomes one, named by its first place in the
    file, `00000.jpg`, as in CR-FIQA's score files. The file does not say who is shown: `people_of` infers it from the
    genuine pairs. Folds are 10 equal runs of the pairs in the order of the file (the published protocol).
    """
    encoded, genuine = read_bin(path)
    first: dict[bytes, int] = {}
    places = [first.setdefault(hashlib.sha256(image).digest(), place) for place, image in enumerate(encoded)]
    distinct, rows = np.unique(places, return_inverse=True)
    names = [f"{place:05d}.jpg" for place in distinct]
    faces = LazyFaces(len(distinct), lambda row: decode_face(encoded[distinct[row]], f"{names[row]} of {path}"))
    pairs = rows.reshape(-1, 2).astype(np.int32)
    index = face_index(names, people_of(names, pairs[genuine]), [f"{path.name}:{place}" for place in distinct])
    return Benchmark(path.stem, faces, index, pairs, genuine, consecutive_folds(len(genuine), FOLDS))


def bin_format(file: str) -> SourceFormat:
    """The format of a benchmark that is a `.bin` file of this name."""
    return SourceFormat(((file,),), lambda folder: build_insightface_bin(folder / file), aligned=True)


def _card(name: str, title: str, licence: str, images: int, *official: SourceFormat) -> BenchmarkCard:
    owner = "https://github.com/deepinsight/insightface, recognition/_datasets_ (inside the training set MS1M-ArcFace)"
    formats = (bin_format(name.replace("-", "_") + ".bin"), PREPARED, *official)
    return BenchmarkCard(name, title, owner, licence, formats, images=images)


INSIGHTFACE = (
    _card("agedb-30", "AgeDB, 30 years apart", "research, non-commercial", 12_000),
    _card("cfp-fp", "CFP, frontal to profile", "research", 5_901, cfp_format("FP")),
    _card("cfp-ff", "CFP, frontal to frontal", "research", 4_764, cfp_format("FF")),
    _card("calfw", "Cross-Age LFW", "research", 12_000),
    _card("cplfw", "Cross-Pose LFW", "research", 12_000),
)
