"""Anybody's own photos: a folder with one folder per person, or a table that says who is shown in which photo."""

from pathlib import Path

import numpy as np

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.pairs import cross_source_pairs
from prefiqs.datasets.source import face_index
from prefiqs.errors import InputError, NoFaceFound
from prefiqs.faces.align import align
from prefiqs.faces.find import find_images
from prefiqs.io.user_tables import complete_column, find_column, names_of, read_user_table

IMPOSTORS, SEED = 100_000, 0  # pairs drawn, and their seed


def people_in(source: Path) -> tuple[dict[str, str], list[str]]:
    """Who is shown in each photo, by its path, and the photos of which this is not known.

    source: a folder, where the first folder below is the person; or a table with the columns name, a path that may
        start from the table's folder, and subject.

    Raises `InputError` for a table without these columns, a photo that is not found, or fewer than two people.
    """
    if source.is_dir():
        files = [Path(name) for shard in find_images([source]) for name in shard.names()]
        people = {str(file): file.relative_to(source).parts[0] for file in files if file.parent != source}
        loose, wanted = [str(file) for file in files if file.parent == source], "one folder of photos per person"
    else:
        table = read_user_table(source, {"name": "str", "subject": "str"})
        column = find_column(table, "subject")
        if column is None:
            raise InputError(f"{source} has no column subject, only {', '.join(table.columns)}.")
        files = [file if (file := Path(name)).exists() else source.parent / name for name in names_of(table, source)]
        people = dict(zip(map(str, files), complete_column(table, column, source), strict=True))
        loose, wanted = [], "photos of several people"
    if missing := [name for name in people if not Path(name).is_file()]:
        raise InputError(f"File not found: {missing[0]} ({len(missing)} such photos in {source}).")
    if len(found := set(people.values())) < 2:
        raise InputError(f"{source} must hold {wanted}; {len(found)} found, but at least two people are needed.")
    return people, loose


def build_people(folder: Path) -> Benchmark:
    """A folder of people as a benchmark: the largest face of each photo, all genuine pairs, sampled impostor pairs.

    Photos without a face, and those in no person's folder, are `excluded` with the reason.
    """
    people, loose = people_in(folder)
    faces, excluded = {}, dict.fromkeys(loose, "It lies in no person's folder.")
    for name in people:
        try:
            faces[name] = align(name).image
        except (NoFaceFound, InputError) as error:
            excluded[name] = str(error)
    names = [Path(name).relative_to(folder).as_posix() for name in faces]
    index = face_index(names)
    pairs = cross_source_pairs(index["subject"].to_numpy(), index["name"].to_numpy(), IMPOSTORS, SEED)
    return Benchmark(folder.name, np.stack(list(faces.values())), index, *pairs, excluded=tuple(excluded.items()))
