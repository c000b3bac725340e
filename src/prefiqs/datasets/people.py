"""Anybody's own photos: a folder with one folder per person, or a table that says who is shown in which photo."""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from prefiqs.assets.fetch import file_sha256
from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.pairs import cross_source_pairs
from prefiqs.datasets.source import face_index
from prefiqs.errors import InputError
from prefiqs.faces.decode import read_file
from prefiqs.faces.find import EncodedImage, find_images, in_words
from prefiqs.faces.lists import path_meant
from prefiqs.faces.reader import FaceReader, prefetch
from prefiqs.faces.template import FACE_SIZE
from prefiqs.io.user_tables import complete_column, find_column, names_of, read_user_table

IMPOSTORS, SEED = 100_000, 0  # pairs drawn, and their seed


@dataclass(frozen=True)
class People:
    """Photos of people: `person_of` and `sha256` by path; `left_out`, the reason by the path of every other photo.

    skipped: which files are not photos, in words.
    """

    person_of: dict[str, str]
    sha256: dict[str, str]
    left_out: dict[str, str]
    skipped: str = ""

    @property
    def warning(self) -> str:
        """What is left out and skipped, in sentences; empty if nothing is."""
        name, reason = next(iter(self.left_out.items()), ("", ""))
        told = f"{name} is left out: {reason}" if name else ""
        if len(self.left_out) > 1:
            told = f"{len(self.left_out)} photos are left out. The first is {name}: {reason}"
        return f"{told} {self.skipped}".strip()


def people_in(source: Path, least: int = 2) -> People:
    """Who is shown in which photo. Copies of a photo are left out: they would match for the wrong reason.

    source: a folder, where the first folder below is the person; or a table with the columns name, a path that may
        start from the table's folder, and subject. Raises `InputError` for a table without these columns, a photo that
        is not found or shown as two people, or fewer than `least` people.
    """
    left_out, passed_over = dict[str, str](), Counter[str]()
    if source.is_dir():
        wanted, listed = "one folder of photos per person", []
        shards = find_images([source], passed_over=passed_over)
        for file in (Path(name) for shard in shards for name in shard.names()):
            if file.parent == source:
                left_out[str(file)] = "it is not in a person's folder."
            elif not file.is_file():
                left_out[str(file)] = "it is inside an archive, or its name is not UTF-8."
            else:
                listed.append((str(file), file.relative_to(source).parts[0]))
    else:
        table = read_user_table(source, {"name": "str", "subject": "str"})
        if (column := find_column(table, "subject")) is None:
            raise InputError(f"{source} has no column subject, only {', '.join(table.columns)}.")
        files = [path_meant(name, source.parent) or Path(name) for name in names_of(table, source)]
        wanted = "photos of several people"
        listed = list(zip(map(str, files), complete_column(table, column, source), strict=True))
    if missing := [name for name, _ in listed if not Path(name).is_file()]:
        raise InputError(f"File not found: {missing[0]} ({len(missing)} such photos in {source}).")
    first: dict[str, tuple[str, str]] = {}
    for name, person in dict.fromkeys(listed):
        original, shown = first.setdefault(file_sha256(Path(name)), (name, person))
        if shown != person:
            raise InputError(f"{name} and {original} are the same photo, but of {person} and {shown} in {source}.")
        if original != name:
            left_out[name] = f"it is a copy of {original}."
    person_of = {name: person for name, person in first.values()}
    if len(found := set(person_of.values())) < least:
        raise InputError(f"{source} must contain {wanted}; {len(found)} found, but at least {least} are needed.")
    sha256 = {name: digest for digest, (name, _) in first.items()}
    return People(person_of, sha256, left_out, in_words(passed_over))


def build_people(folder: Path) -> Benchmark:
    """A folder of people as a benchmark: the largest face of each photo, all genuine pairs, sampled impostor pairs.

    Photos without a face, and those that `people_in` leaves out, are `excluded` with the reason.
    """
    people = people_in(folder)
    excluded, names = dict(people.left_out), list[str]()
    images = np.empty((len(people.person_of), FACE_SIZE, FACE_SIZE, 3), np.uint8)
    encoded = (EncodedImage(name, partial(read_file, Path(name)), Path(name)) for name in people.person_of)
    for photo in prefetch(FaceReader(), encoded, threads=None, lookahead=255):
        if photo.faces:
            images[len(names)] = photo.faces[0].image
            names.append(Path(photo.name).relative_to(folder).as_posix())
        else:
            excluded[photo.name] = photo.reason
    if not names:
        raise InputError(f"No face was found in any photo in {folder}; the first: {photo.reason}")
    index = face_index(names)
    pairs = cross_source_pairs(index["subject"].to_numpy(), index["name"].to_numpy(), IMPOSTORS, SEED)
    return Benchmark(folder.name, images[: len(names)], index, *pairs, excluded=tuple(excluded.items()))
