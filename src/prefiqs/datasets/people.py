"""Anybody's own photos: a folder with a folder per person, or a table that says who is shown in which photo."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.pairs import cross_source_pairs
from prefiqs.datasets.source import Align, face_index
from prefiqs.errors import InputError, NoFaceFound
from prefiqs.faces.decode import decode_photo
from prefiqs.faces.find import find_images
from prefiqs.io.names import ImageNameIndex
from prefiqs.io.tables import complete_column, names_of, read_user_table

IMPOSTORS, SEED = 100_000, 0  # pairs drawn, and their seed


def people_by_folder(names: Iterable[str], folder: Path) -> dict[str, str]:
    """Who is shown in each photo: the first folder below `folder`; photos that lie in no such folder are left out.

    Raises `InputError` if there are fewer than two people.
    """
    below = {name: Path(name).relative_to(folder).parts for name in names}
    people = {name: parts[0] for name, parts in below.items() if len(parts) > 1}
    return _checked(people, f"{folder} must have a folder of photos for each person")


def people_by_table(names: Iterable[str], path: Path) -> dict[str, str]:
    """Who is shown in each photo by a table with the columns name and subject; photos that it lacks are left out.

    Raises `InputError` for a table without these columns, or with fewer than two people.
    """
    table = read_user_table(path)
    listed = ImageNameIndex(names_of(table, path), str(path))
    if "subject" not in table:
        raise InputError(f"{path} has no column subject, only {', '.join(map(str, table.columns))}.")
    subjects, names = complete_column(table, "subject", path).to_numpy(), list(names)
    found = zip(names, listed.rows(names), strict=True)
    return _checked({name: subjects[row] for name, row in found if row >= 0}, f"{path} must name the people in photos")


def _checked(people: dict[str, str], wanted: str) -> dict[str, str]:
    if len(found := set(people.values())) < 2:
        raise InputError(f"{wanted}; {len(found)} found, and at least two are needed.")
    return people


def build_people(folder: Path, align: Align) -> Benchmark:
    """A folder per person as a benchmark: the largest face of each photo, all genuine pairs, sampled impostors.

    Photos without a face, and those in no person's folder, are `excluded` with the reason.
    """
    images = {image.name: image for shard in find_images([folder]) for image in shard.images()}
    people = people_by_folder(images, folder)
    excluded = {name: "It lies in no person's folder." for name in images.keys() - people.keys()}
    faces = {}
    for name in people:
        try:
            faces[name] = align(decode_photo(images[name].read(), name))[0].image
        except (NoFaceFound, InputError) as error:
            excluded[name] = str(error)
    names = [Path(name).relative_to(folder).as_posix() for name in faces]
    index = face_index(names)
    pairs = cross_source_pairs(index["subject"].to_numpy(), index["name"].to_numpy(), IMPOSTORS, SEED)
    return Benchmark(folder.name, np.stack(list(faces.values())), index, *pairs, excluded=tuple(excluded.items()))
