"""Labeled Faces in the Wild: the official photos and the 6,000 pairs of view 2, aligned by this project.

Source: Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", UMass Amherst TR 07-49, 2007.
"""

import lzma
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.photos import Align, align_photos, face_index
from prefiqs.errors import InputError
from prefiqs.faces.decode import decode_photo

LFW_FOLDERS = ("lfw-deepfunneled", "lfw_funneled", "lfw")
LFW_ARCHIVES = tuple(
    f"{stem}{ending}" for stem in ("lfw-deepfunneled", "lfw-funneled", "lfw") for ending in (".tar", ".tgz", ".tar.gz")
)
# LFW's have less than a tenth of a megabyte; a few bytes of archive can claim to be any number of zeros.
_LARGEST_PHOTO = 2**26
_SAFE_NAME = re.compile(r"[^/\\\0\s.][^/\\\0\s]*")


def read_lfw_pairs(path: Path) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Read pairs in the format of LFW's view 2, which XQLFW shares.

    The first line holds the number of folds F and of pairs of each kind N; each fold has 2N lines, N genuine pairs
    (`NAME I J`) and N impostor pairs (`NAME I OTHER J`).

    Returns:
        The photos that occur, `NAME/NAME_0001.jpg`, in the order in which they are first named; int32 P×2, rows of
        them; bool P, whether a pair is genuine; int8 P, its fold.

    Raises:
        InputError: a line that is not of this form, or a fold with another number of pairs; the line is named.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    header = lines[0].split()
    if len(header) != 2 or not all(re.fullmatch("[1-9][0-9]{0,5}", field) for field in header):
        raise InputError(f"Expected the numbers of folds and of pairs, such as `10 300`, in line 1 of {path}.")
    folds, each = map(int, header)
    body = [line.split() for line in "\n".join(lines[1:]).rstrip().split("\n")]
    if len(body) != 2 * folds * each or folds > 127:
        raise InputError(f"Expected {2 * folds * each} pairs after line 1 of {path}, got {len(body)}.")
    rows: dict[str, int] = {}
    pairs = np.array([[rows.setdefault(n, len(rows)) for n in _photos(f, i, path)] for i, f in enumerate(body, 2)])
    genuine = np.array([len(fields) == 3 for fields in body])
    for fold, part in enumerate(genuine.reshape(folds, -1)):
        if part.sum() != each:
            raise InputError(f"Expected {each} genuine pairs in fold {fold + 1} of {path}, got {part.sum()}.")
    return list(rows), pairs.astype(np.int32), genuine, np.repeat(np.arange(folds, dtype=np.int8), 2 * each)


def build_lfw(folder: Path, align: Align) -> Benchmark:
    """LFW's view 2 from the official files: `pairs.txt`, and the photos as a folder or as the archive itself.

    Of the 13,233 photos, the 7,701 that occur in pairs are used. The first is taken of the folders lfw-deepfunneled,
    lfw_funneled and lfw, then of the archives; an archive is read where it lies. The face in the middle of a photo is
    the person meant (`central_face`). A photo in which no face is seen is in `excluded`, and its pairs are left out.

    Args:
        folder: holds the files.
        align: from a photo to all its faces.

    Raises:
        InputError: a file is missing or not of its format, or a photo named in a pair is not there.
    """
    names, pairs, genuine, folds = read_lfw_pairs(folder / "pairs.txt")
    faces, reasons = align_photos(_read_photos(folder, names), align)
    if missing := [name for name in names if name not in faces and name not in reasons]:
        raise InputError(
            f"Expected {len(names)} photos of LFW in {folder}, got no {missing[0]} ({len(missing)} missing)."
        )
    without = {name: int((np.array(names)[pairs] == name).any(axis=1).sum()) for name in reasons}
    kept = [name for name in names if name in faces]
    row = {name: i for i, name in enumerate(kept)}
    new_row = np.array([row.get(name, -1) for name in names])
    inside = (new_row[pairs] >= 0).all(axis=1)
    return Benchmark(
        "lfw",
        np.stack([faces[name] for name in kept]),
        face_index(kept, [name.split("/")[0] for name in kept]),
        new_row[pairs[inside]].astype(np.int32),
        genuine[inside],
        folds[inside],
        excluded=tuple((name, f"{reason} {without[name]} pairs are left out.") for name, reason in reasons.items()),
    )


def build_lfw_photos(folder: Path, align: Align) -> Benchmark:
    """All 13,233 photos of LFW's folder or archive (see `build_lfw`), aligned, with names and without pairs.

    A photo in which no face is seen is in `excluded`. Raises `InputError` for files that are missing or damaged.
    """
    faces, reasons = align_photos(_read_photos(folder, None), align)
    names = sorted(faces)
    none = np.empty((0, 2), np.int32), np.empty(0, bool)
    index = face_index(names, [name.split("/")[0] for name in names])
    return Benchmark("lfw-photos", np.stack([faces[n] for n in names]), index, *none, excluded=tuple(reasons.items()))


def _photos(fields: list[str], line: int, path: Path) -> tuple[str, str]:
    """The two photos of a pair."""
    if len(fields) == 3:
        fields = [fields[0], fields[1], fields[0], fields[2]]
    if (
        len(fields) != 4
        or not all(f.isdecimal() for f in fields[1::2])
        or not all(map(_SAFE_NAME.fullmatch, fields[::2]))
    ):
        raise InputError(f"Expected `NAME I J` or `NAME I OTHER J` in line {line} of {path}.")
    left, right = (
        f"{name}/{name}_{int(number):04d}.jpg" for name, number in zip(fields[::2], fields[1::2], strict=True)
    )
    return left, right


def _read_photos(folder: Path, names: list[str] | None) -> Iterator[tuple[str, np.ndarray]]:
    """Name and pixels of those photos that are there; of all photos for None."""
    for top in LFW_FOLDERS:
        if (folder / top).is_dir():
            for name in _names_in(folder / top) if names is None else names:
                if (path := folder / top / name).is_file():
                    yield name, decode_photo(path.read_bytes(), str(path))
            return
    archive = next((folder / name for name in LFW_ARCHIVES if (folder / name).is_file()), None)
    if archive is None:
        raise InputError(f"Expected {', '.join(LFW_FOLDERS)} or an archive of it in {folder}, got none of them.")
    wanted, seen = None if names is None else set(names), set()
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                top, _, name = str(PurePosixPath(member.name)).partition("/")
                photo = member.isreg() and top in LFW_FOLDERS and name.endswith(".jpg") and name not in seen
                if photo and (wanted is None or name in wanted):
                    if member.size > _LARGEST_PHOTO:
                        raise InputError(f"Expected a photo as {name} of {archive}, got {member.size} bytes.")
                    seen.add(name)
                    content = tar.extractfile(member)
                    assert content is not None  # as it is a file
                    yield name, decode_photo(content.read(), f"{name} of {archive}")
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"Expected a tar archive in {archive}, got one that is damaged ({reason}).") from error


def _names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.jpg"))
