"""Labeled Faces in the Wild: the official photos and the 6,000 pairs of view 2, aligned by this project.

Source: Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", UMass Amherst TR 07-49, 2007.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from prefiqs.datasets.benchmark import Benchmark, keep_images
from prefiqs.datasets.insightface_bin import bin_format
from prefiqs.datasets.prepared import PREPARED
from prefiqs.datasets.source import Align, BenchmarkCard, LazyFaces, SourceFormat, align_photos, face_index
from prefiqs.errors import InputError
from prefiqs.faces.decode import decode_photo, read_photo
from prefiqs.faces.find import archive_members
from prefiqs.io.atomic import read_text

_FOLDERS = ("lfw-deepfunneled", "lfw_funneled", "lfw")
_LISTS = ("pairs.txt", "pairs.csv", "pairsDevTest.txt", "pairsDevTrain.txt")
_ARCHIVES = tuple(
    f"{stem}{ending}" for stem in ("lfw-deepfunneled", "lfw-funneled", "lfw") for ending in (".tar", ".tgz", ".tar.gz")
)
_MEMBER = re.compile(rf"(?:\./)?(?:{'|'.join(_FOLDERS)})/(.+\.jpg)")
# LFW's have less than a tenth of a megabyte; a few bytes of archive can claim to be any number of zeros.
_LARGEST_PHOTO = 2**26
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

    `pairs.txt` (view 2): the first line holds the number of folds F and of pairs of each kind N; each fold has 2N
    lines, N genuine pairs (`NAME I J`) and N impostor pairs (`NAME I OTHER J`). `pairsDevTrain.txt` and
    `pairsDevTest.txt` (view 1) have N alone and no folds. `pairs.csv`, as Kaggle gives out view 2, has names of columns
    in the first line, commas, and ten folds.

    Returns:
        The photos that occur, `NAME/NAME_0001.jpg`, in the order in which they are first named; int32 P×2, rows of
        them; bool P, whether a pair is genuine; int8 P, its fold, or None.
    """
    header, *lines = read_text(path).rstrip().split("\n")
    if path.suffix == ".csv":
        header, lines = f"10 {len(lines) // 20}", [line.rstrip(", \r").replace(",", " ") for line in lines]
    counts = re.fullmatch(r"(?:([1-9]\d?)\s+)?([1-9]\d{0,5})", header.strip(), re.ASCII)
    if counts is None:
        raise InputError(f"Line 1 of {path} does not hold the numbers of folds and of pairs, such as `10 300`.")
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

    Of the 13,233 photos, those that occur in pairs are used, 7,701 in `pairs.txt`. The first is taken of the lists (see
    `read_lfw_pairs`), of the folders lfw-deepfunneled, lfw_funneled and lfw (also one in another of its name, as Kaggle
    nests it), then of the archives; an archive is read where it lies. The face in the middle of a photo is
    the person meant (`central_face`). A photo in which no face is seen is in `excluded`, and its pairs are left out.

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


def build_lfw_photos(folder: Path, align: Align) -> Benchmark:
    """All 13,233 photos of LFW's folder or archive (see `build_lfw`), aligned, with names and without pairs.

    A photo in which no face is seen is in `excluded`. Raises `InputError` for files that are missing or damaged.
    """
    faces, reasons = align_photos(_read_photos(folder, None), align)
    names, excluded = sorted(faces), tuple(reasons.items())
    return Benchmark("lfw-photos", np.stack([faces[n] for n in names]), face_index(names), excluded=excluded)


def _read_photos(folder: Path, names: list[str] | None) -> Iterator[tuple[str, np.ndarray]]:
    """Name and pixels of those photos that are there; of all photos for None."""
    tops = (top for name in _FOLDERS for top in (folder / name / name, folder / name))
    if top := next((top for top in tops if top.is_dir()), None):
        for name in names or sorted(path.relative_to(top).as_posix() for path in top.glob("*/*.jpg")):
            if (top / name).is_file():
                yield name, read_photo(top / name)
        return
    archive = next((folder / name for name in _ARCHIVES if (folder / name).is_file()), None)
    if archive is None:
        raise InputError(f"Photos not found: {', '.join(_FOLDERS)} or an archive of it in {folder}.")
    wanted, seen = None if names is None else set(names), set()
    for member, content in archive_members(archive, _is_photo):
        name = _MEMBER.sub(r"\1", member)
        if name not in seen and (wanted is None or name in wanted):
            seen.add(name)
            yield name, decode_photo(content, f"{name} of {archive}")


def _is_photo(name: str, size: int) -> bool:
    photo = _MEMBER.fullmatch(name) is not None
    if photo and size > _LARGEST_PHOTO:
        raise InputError(f"{name} has {size} bytes, more than any photo of LFW.")
    return photo


LFW = BenchmarkCard(
    "lfw",
    "Labeled Faces in the Wild, view 2",
    "https://vis-www.cs.umass.edu/lfw (or the copy that scikit-learn's fetch_lfw_pairs names)",
    "research",
    (SourceFormat((_FOLDERS + _ARCHIVES, _LISTS), build_lfw), bin_format("lfw.bin"), PREPARED),
    images=7_701,
)
