"""Adience: unfiltered photos from Flickr albums, aligned by this project.

Source: Eidinger, Enbar, Hassner, "Age and gender estimation of unfiltered faces", IEEE TIFS 9(12), 2014. The data set
defines folds for age and gender only; for verification, all genuine pairs are compared here and a sample of impostors.
"""

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.pairs import sampled_pairs
from prefiqs.datasets.photos import Align, align_photos, face_index
from prefiqs.errors import InputError
from prefiqs.faces.decode import decode_photo

FOLD_LISTS = tuple(tuple(f"{stem}_{i}_data.txt" for i in range(5)) for stem in ("fold", "fold_frontal"))
"""The two sets of lists, each in five files: all faces, and nearly frontal ones."""
CROPS = {"aligned": "landmark_aligned_face", "faces": "coarse_tilt_aligned_face"}
"""The folders of crops that are given out, and how file names in them begin."""
_COLUMNS = ["user_id", "original_image", "face_id"]


def build_adience(
    folder: Path,
    align: Align,
    impostors: int = 1_000_000,
    seed: int = 0,
    identity: Literal["user_id", "face_id"] = "user_id",
) -> Benchmark:
    """Adience from its fold lists and one of its folders of crops (`aligned/` before `faces/`).

    Every face that a list names is used once: those of `fold_0…4_data.txt`, of `fold_frontal_0…4_data.txt`, or of both.
    The face in the middle of a crop is the person meant (`central_face`); a crop without a face is `excluded`.

    Args:
        folder: holds the files.
        align: from a photo to all its faces.
        impostors: how many impostor pairs to draw; all 187 million pairs of 19,370 faces are never formed.
        seed: of the draw.
        identity: the column that says who is shown. `user_id` is the owner of the album; albums show several people, so
            some genuine pairs do not show one person. `face_id` tells the people of all albums apart (CR-FIQA uses it).

    Raises:
        InputError: a list or crop that is missing or not of its format.
    """
    labels = _read_lists(folder)
    crops = next((c for c in CROPS if (folder / c).is_dir()), None)
    if crops is None:
        raise InputError(f"Expected a folder {' or '.join(CROPS)} in {folder}, got neither.")
    file = CROPS[crops] + "." + labels["face_id"] + "." + labels["original_image"]
    subjects = dict(zip(labels["user_id"] + "/" + file, labels[identity], strict=True))
    paths = {name: folder / crops / name for name in subjects}
    if missing := [path for path in paths.values() if not path.is_file()]:
        raise InputError(f"Expected {len(paths)} crops of Adience, got no {missing[0]} ({len(missing)} missing).")
    photos = ((name, decode_photo(path.read_bytes(), str(path))) for name, path in paths.items())
    faces, excluded = align_photos(photos, align)
    people = [subjects[name] for name in faces]
    pairs = sampled_pairs(np.array(people), impostors, seed)
    index = face_index(list(faces), people)
    return Benchmark("adience", np.stack(list(faces.values())), index, *pairs, excluded=tuple(excluded.items()))


def _read_lists(folder: Path) -> pd.DataFrame:
    """user_id, original_image and face_id of every face in the fold lists that are there, each face once."""
    there = [files for files in FOLD_LISTS if any((folder / file).is_file() for file in files)]
    parts = []
    for file in (file for files in there or FOLD_LISTS[:1] for file in files):
        path = folder / file
        if not path.is_file():
            raise InputError(f"Expected the fold list {path}, got no such file; Adience has five of a kind.")
        try:
            table = pd.read_csv(path, sep="\t", dtype=str, usecols=_COLUMNS, quoting=3, keep_default_na=False)
        except ValueError as error:
            raise InputError(
                f"Expected the columns {', '.join(_COLUMNS)}, tab-separated, in {path}: {error}."
            ) from error
        unsafe = table.apply(lambda column: column.str.contains(r"[/\\\0]|^\.*$")).any(axis=1)
        if unsafe.any():
            raise InputError(f"Expected names without folders in {path}, got {table[unsafe].iloc[0].tolist()}.")
        parts.append(table)
    return pd.concat(parts).drop_duplicates()
