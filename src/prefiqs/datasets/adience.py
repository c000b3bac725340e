"""Adience: unfiltered photos from Flickr albums, aligned by this project.

Source: Eidinger, Enbar, Hassner, "Age and gender estimation of unfiltered faces", IEEE TIFS 9(12), 2014. The data set
defines folds for age and gender only; for verification, all genuine pairs are compared here and a sample of impostors.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.formats import PREPARED, read_prepared
from prefiqs.datasets.pairs import cross_source_pairs
from prefiqs.datasets.source import Align, BenchmarkCard, SourceFormat, align_photos, face_index
from prefiqs.errors import InputError
from prefiqs.faces.decode import read_photo
from prefiqs.io.tables import require_files

# The two sets of lists, each in five files: all faces, and nearly frontal ones.
_LISTS = [[f"{stem}_{i}_data.txt" for i in range(5)] for stem in ("fold", "fold_frontal")]
# The folders of crops that are given out, and how file names in them begin.
_CROPS = {"aligned": "landmark_aligned_face", "faces": "coarse_tilt_aligned_face"}
_COLUMNS = ["user_id", "original_image", "face_id"]


def build_adience(folder: Path, align: Align, identity: Literal["user_id", "face_id"] = "user_id") -> Benchmark:
    """Adience from `fold_0…4_data.txt`, `fold_frontal_0…4_data.txt` or both, and its crops, `aligned/` before `faces/`.

    Every listed face is used once, and a million of the 187 million impostor pairs. The face in the middle of a crop is
    the person meant (`central_face`); a crop without a face is `excluded`.

    identity: who is shown. `user_id` is the owner of the album; albums show several people, so some genuine pairs do
        not show one person. `face_id` tells the people of all albums apart (CR-FIQA uses it).

    Raises `InputError` for a list or crop that is missing or not of its format.
    """
    labels = _read_lists(folder)
    crops = next((c for c in _CROPS if (folder / c).is_dir()), None)
    if crops is None:
        raise InputError(f"Folder not found: {' or '.join(_CROPS)} in {folder}.")
    file = _CROPS[crops] + "." + labels["face_id"] + "." + labels["original_image"]
    subjects = dict(zip(labels["user_id"] + "/" + file, labels[identity], strict=True))
    require_files(folder / crops, subjects)
    faces, excluded = align_photos(((name, read_photo(folder / crops / name)) for name in subjects), align)
    index = face_index(list(faces), [subjects[name] for name in faces])
    pairs = cross_source_pairs(index["subject"].to_numpy(), index["name"].to_numpy(), 1_000_000, seed=0)
    return Benchmark("adience", np.stack(list(faces.values())), index, *pairs, excluded=tuple(excluded.items()))


def _read_lists(folder: Path) -> pd.DataFrame:
    """user_id, original_image and face_id of every face in the fold lists that are there, each face once."""
    there = [files for files in _LISTS if any((folder / file).is_file() for file in files)] or _LISTS[:1]
    files = [file for some in there for file in some]
    require_files(folder, files)
    tables = []
    for path in (folder / file for file in files):
        try:
            table = pd.read_csv(path, sep="\t", dtype=str, usecols=_COLUMNS, quoting=3, keep_default_na=False)
        except ValueError as error:
            columns = ", ".join(_COLUMNS)
            raise InputError(f"{path} cannot be read as tab-separated columns {columns}: {error}.") from error
        unsafe = table.apply(lambda column: column.str.contains(r"[/\\\0]|^\.*$")).any(axis=1)
        if unsafe.any():
            raise InputError(f"{path} has names that are empty or unsafe: {table[unsafe].iloc[0].tolist()}.")
        tables.append(table)
    return pd.concat(tables).drop_duplicates()


ADIENCE = BenchmarkCard(
    "adience",
    "Adience",
    "https://talhassner.github.io/home/projects/Adience/Adience-data.html",
    "research; photos under the Creative Commons licences of their owners",
    (
        SourceFormat((tuple(_CROPS), *zip(*_LISTS, strict=True)), build_adience),
        replace(PREPARED, build=partial(read_prepared, folds=None)),
    ),
    images=19_370,
)
