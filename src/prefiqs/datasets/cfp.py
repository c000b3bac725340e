"""Celebrities in Frontal-Profile (CFP) as its owners distribute it: 7,000 photos, and ten folds of pairs.

Source: Sengupta, Chen, Castillo, Patel, Chellappa, Jacobs, "Frontal to Profile Face Verification in the Wild", WACV
2016. Where the detector finds no face, mostly in profiles, the 30 fiducial points of the set say where it is.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.source import Align, LazyFaces, SourceFormat, central_face, face_index
from prefiqs.errors import InputError, NoFaceFound
from prefiqs.faces.decode import decode_photo
from prefiqs.faces.find import archive_members
from prefiqs.faces.template import align_to_template

_SOURCES = ("cfp-dataset", "cfp-dataset.tar", "cfp-dataset.tgz", "cfp-dataset.tar.gz")
_FOLDS = 10
_LARGEST_FILE = (
    2**26
)  # the photos have less than a hundredth; a few bytes of archive can claim to be any number of zeros
# Fiducial points, counted from 0: those of the visible eye, the bridge of the nose, its tip, the visible corner of the
# mouth, and two on the middle line of the lips, which with the bridge gives the mirror line of a frontal face.
_EYE, _BRIDGE, _TIP, _CORNER, _LIP, _MIDDLE = slice(12, 18), 18, 21, 25, 27, 28


def build_cfp(protocol: str, folder: Path, align: Align) -> Benchmark:
    """CFP-FP or CFP-FF from `cfp-dataset/`, or from a tar file of it.

    Args:
        protocol: "FP" (frontal with profile) or "FF" (frontal with frontal).
        folder: holds the files.
        align: from a photo to all its faces; the face in the middle is the person meant (`central_face`).

    Returns:
        The photos that occur in pairs, in the order of their names `NNN/frontal/MM.jpg`, and ten folds of 350 genuine
        and 350 impostor pairs. Columns of the index: `pose`, "frontal" or "profile"; `landmarks`, what aligned a photo,
        "detector" or "fiducials".

    Raises:
        InputError: a file is missing, or not of its format; it is named.
    """
    texts = {name: content.decode(errors="replace") for name, content in _files(folder, ".txt")}
    lists = {kind: _photo_list(texts, f"Protocol/Pair_list_{kind}.txt") for kind in set(protocol)}
    left, right = (lists[kind] for kind in protocol)
    named: list[tuple[str, str]] = []
    genuine, folds = [], []
    for fold in range(_FOLDS):
        for file in ("same", "diff"):
            where = f"Protocol/Split/{protocol}/{fold + 1:02d}/{file}.txt"
            for line in _text(texts, where).split():
                pair = re.fullmatch(r"(\d+),(\d+)", line)
                if pair is None or pair[1] not in left or pair[2] not in right:
                    raise InputError(f"{line!r} in {where} of {folder} does not name two photos.")
                named.append((left[pair[1]], right[pair[2]]))
                genuine.append(file == "same")
                folds.append(fold)
    names = sorted({name for pair in named for name in pair})
    faces, by_fiducials = _aligned(folder, names, texts, align)
    rows = {name: row for row, name in enumerate(names)}
    landmarks = ["fiducials" if name in by_fiducials else "detector" for name in names]
    index = face_index(names).assign(pose=[name.split("/")[1] for name in names], landmarks=landmarks)
    pairs = np.array([[rows[a], rows[b]] for a, b in named], np.int32)
    images = LazyFaces(len(names), lambda row: faces[names[row]])
    return Benchmark(f"cfp-{protocol.lower()}", images, index, pairs, np.array(genuine), np.array(folds, np.int8))


def _aligned(
    folder: Path, names: list[str], texts: dict[str, str], align: Align
) -> tuple[dict[str, np.ndarray], set[str]]:
    """The faces by name, and the names of those that the detector did not find."""
    wanted, faces, by_fiducials = set(names), {}, set()
    for path, content in _files(folder, ".jpg"):
        name = path.removeprefix("Data/Images/")
        if name not in wanted:
            continue
        photo = decode_photo(content, f"{name} of {folder}")
        try:
            faces[name] = central_face(align(photo), photo).image
        except NoFaceFound:
            faces[name] = align_to_template(photo, five_points(_fiducials(texts, name), "profile" in name))
            by_fiducials.add(name)
    if missing := sorted(wanted - faces.keys()):
        raise InputError(f"Photo not found in {folder}: {missing[0]} ({len(missing)} of {len(names)} are missing).")
    return faces, by_fiducials


def five_points(fiducials: np.ndarray, profile: bool) -> np.ndarray:
    """Eyes, tip of the nose and corners of the mouth, left of the image first, from the 30 fiducials of half a face.

    A frontal face is mirrored at the line from the bridge of the nose to the middle of the lips. In a profile, the
    hidden eye is placed at the bridge and the hidden corner at the lips.

    Args:
        fiducials: 30×2, pixels of the photo.
        profile: whether the other half of the face is hidden.
    """
    eye, corner = fiducials[_EYE].mean(axis=0), fiducials[_CORNER]
    bridge, tip = fiducials[_BRIDGE], fiducials[_TIP]
    if profile:
        other_eye, other_corner = bridge, fiducials[_LIP]
    else:
        other_eye, other_corner = (_mirrored(point, bridge, fiducials[_MIDDLE]) for point in (eye, corner))
    left_first = eye[0] <= other_eye[0]
    eyes, corners = (eye, other_eye), (corner, other_corner)
    return np.array([*eyes[:: 1 if left_first else -1], tip, *corners[:: 1 if left_first else -1]])


def _mirrored(point: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    axis = (end - start) / np.linalg.norm(end - start)
    foot = start + axis * np.dot(point - start, axis)
    return 2 * foot - point


def _fiducials(texts: dict[str, str], name: str) -> np.ndarray:
    where = f"Data/Fiducials/{name.removesuffix('.jpg')}.txt"
    try:
        points = np.array([[float(x) for x in line.split(",")] for line in _text(texts, where).split()])
        return points.reshape(30, 2)
    except ValueError as error:
        raise InputError(f"{where} does not hold 30 points `x,y`.") from error


def _photo_list(texts: dict[str, str], where: str) -> dict[str, str]:
    """The photos of a list by their number."""
    found = re.findall(r"(\d+)\s+\S*?Data/Images/(\d+/(?:frontal|profile)/\d+\.jpg)", _text(texts, where))
    if not found:
        raise InputError(f"{where} does not list photos, one `NUMBER PATH` a line.")
    return dict(found)


def _text(texts: dict[str, str], where: str) -> str:
    if where not in texts:
        raise InputError(f"File not found: cfp-dataset/{where}.")
    return texts[where]


def _files(folder: Path, ending: str) -> Iterator[tuple[str, bytes]]:
    """Path below cfp-dataset/ and content of all files with an ending."""
    source = next(folder / name for name in _SOURCES if (folder / name).exists())
    if source.is_dir():
        for path in sorted(source.rglob(f"*{ending}")):
            yield path.relative_to(source).as_posix(), path.read_bytes()
    else:

        def wanted(name: str, size: int) -> bool:
            return name.endswith(ending) and size < _LARGEST_FILE

        for name, content in archive_members(source, wanted):
            yield name.partition("cfp-dataset/")[2], content


def cfp_format(protocol: str) -> SourceFormat:
    """The official files of CFP, for one of its protocols."""
    return SourceFormat((_SOURCES,), partial(build_cfp, protocol))
