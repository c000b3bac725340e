"""Labeled Faces in the Wild: the official photos and the 6,000 pairs of view 2, aligned by this project; and XQLFW.

Source: Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", UMass Amherst TR 07-49, 2007.
"""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from prefiqs.datasets.benchmark import Benchmark, keep_images
from prefiqs.datasets.formats import PREPARED, bin_format
from prefiqs.datasets.source import (
    Align,
    BenchmarkCard,
    LazyFaces,
    SourceFormat,
    align_photos,
    aligned_faces,
    face_index,
    packed_files,
)
from prefiqs.errors import InputError
from prefiqs.faces.decode import decode_photo
from prefiqs.io.atomic import read_text

_FOLDERS = ("lfw-deepfunneled", "lfw_funneled", "lfw")
_LISTS = ("pairs.txt", "pairs.csv", "pairsDevTest.txt", "pairsDevTrain.txt")
_STEMS = ("lfw-deepfunneled", "lfw-funneled", "lfw")
_ARCHIVES = tuple(f"{stem}{ending}" for stem in _STEMS for ending in (".tar", ".tgz", ".tar.gz"))
_PHOTO = re.compile(rf"(?:\./)?(?:(?:{'|'.join(_FOLDERS)})/)+(.+\.jpg)")
_XQLFW = "xqlfw_aligned_112", "xqlfw_pairs.txt"
_NAME = r"([^/\\\0\s.][^/\\\0\s]*)"
_PAIR = re.compile(rf"{_NAME}\s+(\d{{1,9}})\s+(?:{_NAME}\s+)?(\d{{1,9}})")


def is_lfw_list(path: Path) -> bool:
    """Whether a list of pairs is of a form of `read_lfw_pairs`, by its beginning; no other list begins so."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        begin = file.read(99)
    return re.match(rb"(\xef\xbb\xbf)?(\d+([ \t]+\d+)?\s*[\r\n]|name,imagenum)", begin) is not None


def read_lfw_pairs(path: Path) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray | None]:
    """Read a list of pairs of LFW or XQLFW; `InputError` names a line or fold in another format.

    `pairs.txt` (view 2): the first line contains the number of folds F and of pairs of each kind N; each fold has 2N
    lines, N genuine pairs (`NAME I J`) and N impostor pairs (`NAME I OTHER J`). The lists of view 1 have N alone and no
    folds. Kaggle's `pairs.csv` of view 2 has names of columns in the first line, commas, and ten folds.

    Returns the photos that occur, `NAME/NAME_0001.jpg`, in the order in which they are first named; int32 P×2, rows of
    them; bool P, whether a pair is genuine; int8 P, its fold, or None.
    """
    header, *lines = read_text(path).rstrip().split("\n")
    if path.suffix == ".csv":
        header, lines = f"10 {len(lines) // 20}", [line.rstrip(", \r").replace(",", " ") for line in lines]
    counts = re.fullmatch(r"(?:([1-9]\d?)\s+)?([1-9]\d{0,5})", header.strip(), re.ASCII)
    if counts is None:
        raise InputError(f"Line 1 of {path} does not contain the numbers of folds and of pairs, such as `10 300`.")
    folds, each = int(counts[1] or 1), int(counts[2])
    if len(lines) != 2 * folds * each:
        raise InputError(f"{path} has {len(lines)} pairs after line 1, which promises {2 * folds * each}.")
    rows: dict[str, int] = {}
    pairs, genuine = np.empty((len(lines), 2), np.int32), np.empty(len(lines), bool)
    for i, line in enumerate(lines):
        pair = _PAIR.fullmatch(line.strip())
        if pair is None:
            raise InputError(f"Line {i + 2} of {path} is not of the form `NAME I J` or `NAME I OTHER J`.")
        left, first, right, second = pair.groups()
        genuine[i] = right is None
        photos = [(left, first), (right or left, second)]
        pairs[i] = [rows.setdefault(f"{who}/{who}_{int(n):04d}.jpg", len(rows)) for who, n in photos]
    for fold, count in enumerate(genuine.reshape(folds, -1).sum(axis=1), 1):
        if count != each:
            raise InputError(f"Fold {fold} of {path} has {count} genuine pairs, not {each}.")
    return list(rows), pairs, genuine, np.repeat(np.arange(folds, dtype=np.int8), 2 * each) if counts[1] else None


def build_lfw(folder: Path, align: Align) -> Benchmark:
    """LFW from the official files: a list of pairs, and the photos as a folder or as the archive itself.

    The photos that occur in pairs are used, 7,701 of 13,233 in `pairs.txt`. The first is taken of the lists (see
    `read_lfw_pairs`), of the folders lfw-deepfunneled, lfw_funneled and lfw (also nested, as Kaggle has it), then of
    the archives, which are not unpacked. The face in the middle of a photo is the person meant (`central_face`). A
    photo in which no face is seen is in `excluded`, and its pairs are left out.

    Raises `InputError` if a file is missing or not of its format, or a photo named in a pair is not there.
    """
    names, pairs, genuine, folds = read_lfw_pairs(next(folder / name for name in _LISTS if (folder / name).is_file()))
    faces, reasons = align_photos(_read_photos(folder, names), align)
    if missing := [name for name in names if name not in faces and name not in reasons]:
        raise InputError(f"Photo not found in {folder}: {missing[0]} ({len(missing)} of {len(names)} are missing).")
    lost = {name: np.count_nonzero((pairs == names.index(name)).any(axis=1)) for name in reasons}
    excluded = tuple((name, f"{reason} {lost[name]} pairs are left out.") for name, reason in reasons.items())
    images = LazyFaces(len(names), lambda row: faces[names[row]])
    whole = Benchmark("lfw", images, face_index(names), pairs, genuine, folds, excluded=excluded)
    return keep_images(whole, np.array([name in faces for name in names]))


def build_xqlfw(folder: Path) -> Benchmark:
    """Cross-Quality LFW, given out aligned, from `xqlfw_aligned_112/NAME/NAME_0001.jpg` and `xqlfw_pairs.txt`.

    It has the faces that occur in pairs, and 10 folds. Source: Knoche, Hörmann, Rigoll, "Cross-Quality LFW: A Database
    for Analyzing Cross-Resolution Image Face Recognition in Unconstrained Environments", FG 2021. Raises `InputError`
    as `read_lfw_pairs`, and for a face that is missing.
    """
    names, pairs, genuine, folds = read_lfw_pairs(folder / _XQLFW[1])
    return Benchmark("xqlfw", aligned_faces(folder / _XQLFW[0], names), face_index(names), pairs, genuine, folds)


def build_lfw_photos(folder: Path, align: Align) -> Benchmark:
    """All 13,233 photos of LFW's folder or archive (see `build_lfw`), aligned, with names and without pairs.

    A photo in which no face is seen is in `excluded`. Raises `InputError` for files that are missing or damaged.
    """
    faces, reasons = align_photos(_read_photos(folder, None), align)
    names, excluded = sorted(faces), tuple(reasons.items())
    return Benchmark("lfw-photos", np.stack([faces[n] for n in names]), face_index(names), excluded=excluded)


def _read_photos(folder: Path, names: Collection[str] | None) -> Iterator[tuple[str, np.ndarray]]:
    """Name and pixels of those photos that are there; of all photos for None."""
    source = next((folder / name for name in _FOLDERS + _ARCHIVES if (folder / name).exists()), None)
    if source is None:
        raise InputError(f"Photos not found: {', '.join(_FOLDERS)} or an archive of it in {folder}.")
    left = None if names is None else set(names)

    def wanted(path: str) -> bool:
        match = _PHOTO.fullmatch(path)
        return match is not None and (left is None or match[1] in left)

    for path, content in packed_files(source, wanted):
        name = _PHOTO.sub(r"\1", path)
        if left is not None:
            left.remove(name)
        yield name, decode_photo(content, f"{source}/{name}")


LFW = BenchmarkCard(
    "lfw",
    "Labeled Faces in the Wild, view 2",
    "https://vis-www.cs.umass.edu/lfw (or the copy that scikit-learn's fetch_lfw_pairs names)",
    "research",
    (SourceFormat((_FOLDERS + _ARCHIVES, _LISTS), build_lfw), bin_format("lfw.bin"), PREPARED),
    images=7_701,
)
XQLFW = BenchmarkCard(
    "xqlfw",
    "Cross-Quality LFW",
    "https://martlgap.github.io/xqlfw/pages/download.html",
    "MIT; photos as LFW's",
    (SourceFormat(tuple((name,) for name in _XQLFW), build_xqlfw, aligned=True), PREPARED),
    images=12_000,
)
