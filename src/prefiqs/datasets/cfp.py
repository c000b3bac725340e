"""Celebrities in Frontal-Profile (CFP) as its owners distribute it: 7,000 photos, and ten folds of pairs.

Source: Sengupta, Chen, Castillo, Patel, Chellappa, Jacobs, "Frontal to Profile Face Verification in the Wild", WACV
2016. Where the detector finds no face, mostly in profiles, the 30 fiducial points of the set say where it is.
"""

import re
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.source import Align, LazyFaces, SourceFormat, central_face, face_index, packed_files
from prefiqs.errors import InputError, NoFaceFound
from prefiqs.faces.decode import decode_photo
from prefiqs.faces.template import align_to_template

_SOURCES = ("cfp-dataset", "cfp-dataset.tar", "cfp-dataset.tgz", "cfp-dataset.tar.gz")
# Fiducial points, counted from 0: those of the visible eye, the bridge of the nose, its tip, the visible corner of the
# mouth, and two on the middle line of the lips, which with the bridge gives the mirror line of a frontal face.
_EYE, _BRIDGE, _TIP, _CORNER, _LIP, _MIDDLE = slice(12, 18), 18, 21, 25, 27, 28


def build_cfp(protocol: str, folder: Path, align: Align) -> Benchmark:
    """CFP-FP (frontal with profile) or CFP-FF (frontal with frontal) from `cfp-dataset/`, or from a tar file of it.

    It has the photos that occur in pairs, `NNN/frontal/MM.jpg`, by name, and ten folds of 350 genuine and 350 impostor
    pairs. Columns of the index: `pose`, "frontal" or "profile"; `landmarks`, what aligned a photo, "detector" (the face
    in the middle, see `central_face`) or "fiducials". Raises `InputError` for a file that is missing or not of its
    format.
    """
    source = next(folder / name for name in _SOURCES if (folder / name).exists())
    texts = {name: content.decode(errors="replace") for name, content in _files(source, ".txt")}
    left, right = (_photo_list(texts, f"Protocol/Pair_list_{kind}.txt") for kind in protocol)
    sides, genuine, folds = [], [], []
    for fold, kind in product(range(10), ("same", "diff")):
        where = f"Protocol/Split/{protocol}/{fold + 1:02d}/{kind}.txt"
        for line in _text(texts, where).split():
            first, _, second = line.partition(",")
            if first not in left or second not in right:
                raise InputError(f"{line!r} in {where} of {folder} does not name two photos.")
            sides.append((left[first], right[second]))
            genuine.append(kind == "same")
            folds.append(fold)
    distinct, rows = np.unique(sides, return_inverse=True)
    names, faces, by_fiducials = distinct.tolist(), dict[str, np.ndarray](), set()
    wanted = set(names)
    for path, content in _files(source, ".jpg"):
        if (name := path.removeprefix("Data/Images/")) in wanted:
            photo = decode_photo(content, f"{name} of {folder}")
            try:
                faces[name] = central_face(align(photo), photo).image
            except NoFaceFound:
                faces[name] = align_to_template(photo, five_points(_fiducials(texts, name), "profile" in name))
                by_fiducials.add(name)
    if missing := [name for name in names if name not in faces]:
        raise InputError(f"Photo not found in {folder}: {missing[0]} ({len(missing)} of {len(names)} are missing).")
    index = face_index(names).assign(
        pose=[name.split("/")[1] for name in names],
        landmarks=["fiducials" if name in by_fiducials else "detector" for name in names],
    )
    images, pairs = LazyFaces(len(names), lambda row: faces[names[row]]), rows.reshape(-1, 2).astype(np.int32)
    return Benchmark(f"cfp-{protocol.lower()}", images, index, pairs, np.array(genuine), np.array(folds, np.int8))


def five_points(fiducials: np.ndarray, profile: bool) -> np.ndarray:
    """Eyes, tip of the nose and corners of the mouth, left of the image first, from the 30 fiducials of half a face.

    A frontal face is mirrored at the line from the bridge of the nose to the middle of the lips. In a profile, the
    hidden eye is placed at the bridge and the hidden corner at the lips.

    fiducials: 30×2, pixels of the photo. profile: whether the other half of the face is hidden.
    """
    seen, bridge = np.stack([fiducials[_EYE].mean(axis=0), fiducials[_CORNER]]), fiducials[_BRIDGE]
    if profile:
        hidden = np.stack([bridge, fiducials[_LIP]])
    else:
        line = fiducials[_MIDDLE] - bridge
        hidden = 2 * (bridge + np.outer((seen - bridge) @ line / (line @ line), line)) - seen
    left, right = (seen, hidden) if seen[0, 0] <= hidden[0, 0] else (hidden, seen)
    return np.stack([left[0], right[0], fiducials[_TIP], left[1], right[1]])


def _fiducials(texts: dict[str, str], name: str) -> np.ndarray:
    where = f"Data/Fiducials/{name.removesuffix('.jpg')}.txt"
    try:
        return np.array([line.split(",") for line in _text(texts, where).split()], float).reshape(30, 2)
    except ValueError as error:
        raise InputError(f"{where} does not contain 30 points `x,y`.") from error


def _photo_list(texts: dict[str, str], where: str) -> dict[str, str]:
    """The photos of a list by their number."""
    found = re.findall(r"(\d+)\s+\S*?Data/Images/(\d+/(?:frontal|profile)/\d+\.jpg)", _text(texts, where))
    if not found:
        raise InputError(f"{where} does not list photos, one `NUMBER PATH` per line.")
    return dict(found)


def _text(texts: dict[str, str], where: str) -> str:
    if where not in texts:
        raise InputError(f"File not found: cfp-dataset/{where}.")
    return texts[where]


def _files(source: Path, ending: str) -> Iterator[tuple[str, bytes]]:
    """Path below cfp-dataset/ and content of all files with an ending."""
    files = packed_files(source, lambda path: path.endswith(ending))
    return ((path.partition("cfp-dataset/")[2], content) for path, content in files)


def cfp_format(protocol: str) -> SourceFormat:
    """The official files of CFP, for one of its protocols."""
    return SourceFormat((_SOURCES,), partial(build_cfp, protocol), owner="http://www.cfpw.io")
