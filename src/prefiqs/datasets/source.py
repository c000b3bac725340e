"""A benchmark as its owners distribute it: its card, and from its files to aligned faces and labels."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.errors import InputError, NoFaceFound
from prefiqs.faces.align import AlignedFace
from prefiqs.faces.decode import decode_face, read_file
from prefiqs.faces.find import archive_members
from prefiqs.faces.reader import prefetch
from prefiqs.io.tables import require_files

# Photos have less than a hundredth; a few bytes of archive can claim to be any number of zeros.
LARGEST = 2**26
Align = Callable[[np.ndarray], list[AlignedFace]]
"""From a photo (uint8 RGB h×w×3) to all its faces, largest first; raises `NoFaceFound`."""


@dataclass(frozen=True)
class SourceFormat:
    """A format in which a benchmark is distributed."""

    files: tuple[tuple[str, ...], ...]  # what it needs, each with its alternatives
    build: Callable[..., Benchmark]  # from the folder, and `Align` unless the faces are aligned already
    aligned: bool = False
    owner: str = ""  # who gives it out, if not the benchmark's owners

    def missing(self, folder: Path) -> list[tuple[str, ...]]:
        """The needed files of which a folder holds no alternative."""
        return [names for names in self.files if not any((folder / name).exists() for name in names)]


@dataclass(frozen=True)
class BenchmarkCard:
    """A benchmark of the literature."""

    name: str  # as in `params.yaml`
    title: str
    owner: str  # where its owners distribute it
    licence: str  # in a phrase
    formats: tuple[SourceFormat, ...]  # the first whose files are all there is read
    images: int | None = None  # how many, for `prefiqs plan`
    path: str = ""  # of its files below the data root; sources/NAME if empty

    def folder(self, root: str | Path) -> Path:
        """Where its files are looked for."""
        return Path(root) / (self.path or f"sources/{self.name}")

    def missing(self, root: str | Path) -> list[tuple[str, ...]]:
        """What its first format lacks; nothing if any format is complete."""
        lacking = [each.missing(self.folder(root)) for each in self.formats]
        return lacking[0] if all(lacking) else []


class LazyFaces(Sequence[np.ndarray]):
    """`count` faces, each made by `make(i)` when it is asked for: uint8 112×112×3, RGB.

    Iterating makes the next few hundred (10 MB) on all cores (decoding and warping leave Python's lock) and keeps none.
    """

    def __init__(self, count: int, make: Callable[[int], np.ndarray]):
        self._rows, self._make = range(count), make

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i: int) -> np.ndarray:  # type: ignore[override]  # one face at a time: nobody slices them
        return self._make(self._rows[i])

    def __iter__(self) -> Iterator[np.ndarray]:
        return prefetch(self._make, self._rows, threads=None, lookahead=255)


def packed_files(source: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Path and content of the wanted files below a folder, or in an archive, which is not unpacked.

    Paths begin with the name of the folder, and those in an archive are as they stand there. Raises `InputError` for a
    damaged archive, or a file in it that is larger than `LARGEST`.
    """
    if source.is_dir():
        below = os.walk(source, followlinks=True)
        for file in sorted(Path(top, name) for top, _, names in below for name in names):
            if wanted(path := file.relative_to(source.parent).as_posix()):
                yield path, file.read_bytes()
        return

    def right(path: str, size: int) -> bool:
        if wanted(path) and size > LARGEST:
            raise InputError(f"{path} in {source} has {size} bytes, more than any file of this data set.")
        return wanted(path)

    yield from archive_members(source, right)


def aligned_faces(folder: Path, names: Sequence[str]) -> LazyFaces:
    """The faces in the files `names` of a folder, aligned already; `InputError` for one that is missing."""
    require_files(folder, names)
    return LazyFaces(len(names), lambda row: decode_face(read_file(folder / names[row]), str(folder / names[row])))


def align_photos(
    photos: Iterable[tuple[str, np.ndarray]], align: Align
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The aligned central face of each photo by name, and why others have none; `InputError` if no photo has a face."""
    faces, excluded = {}, {}
    for name, photo in photos:
        try:
            faces[name] = central_face(align(photo), photo).image
        except NoFaceFound as error:
            excluded[name] = str(error)
    if excluded and not faces:
        first = next(iter(excluded.values()))
        raise InputError(f"No face was found in any of {len(excluded)} photos; the first: {first}")
    return faces, excluded


def central_face(faces: list[AlignedFace], photo: np.ndarray) -> AlignedFace:
    """The face whose box centre is nearest to the centre of the photo: the person a cropped photo is meant to show.

    Faces of less than a quarter of the largest one's area are people in the background and are skipped.
    """
    quarter = max(f.box[2] * f.box[3] for f in faces) / 4
    middle = np.array(photo.shape[1::-1]) / 2
    large = [f for f in faces if f.box[2] * f.box[3] >= quarter]
    return min(large, key=lambda f: np.linalg.norm(f.box[:2] + f.box[2:] / 2 - middle))


def face_index(
    names: Sequence[str], subjects: Sequence[str] | None = None, sources: Sequence[str] | None = None
) -> pd.DataFrame:
    """The index of undegraded images. A subject is the first folder of a name, a source the name, unless given."""
    people = [name.split("/")[0] for name in names] if subjects is None else subjects
    labels = {"name": names, "subject": people, "source": names if sources is None else sources}
    return pd.DataFrame({**labels, "degradation": "none", "severity": 0.0})
