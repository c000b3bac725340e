"""The best photos of each person, or of each folder, from a table of scores."""

import os
import shutil
from pathlib import Path

import pandas as pd

from prefiqs.apps.score.rows import read_scores
from prefiqs.errors import InputError

COLUMNS = ("person", "rank", "of", "path", "score", "percentile", "hints")


def photos_by_folder(path: Path, method: str | None) -> pd.DataFrame:
    """A table of `prefiqs score` with the folder of each photo as `person`; of several methods, the rows of one.

    method: None if the table has one only. Raises `InputError` for no such table, one without rows, or without this
    method.
    """
    table = read_scores(path).to_pandas()
    methods = table["method"].unique()
    if table.empty:
        raise InputError(f"{path} has no rows.")
    if method is None and len(methods) > 1:
        raise InputError(f"{path} has scores of {', '.join(methods)}. Choose one with --method.")
    if method not in (None, *methods):
        raise InputError(f"{path} has no scores of {method}, only of {', '.join(methods)}.")
    table = table if method is None else table[table["method"] == method]
    return table.assign(person=[str(Path(name).parent) for name in table["path"]])


def best_photos(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """The `count` best photos of each person by the score of their largest face; all that there are if fewer.

    table: of `prefiqs score` by one method, with a column `person`. Returns `COLUMNS`, people in order of appearance;
    `rank` 1 is the best, and `of` the number of the person's photos that have a score. A person without any has one row
    that is empty but for `hints`, the reason why a photo has no score.
    """
    first = table[table["face"].isna() | (table["face"] == 1)]
    chosen = []
    for person, photos in first.groupby("person", sort=False):
        scored = photos.dropna(subset="score").sort_values("score", ascending=False, kind="stable").head(count)
        scored = scored.assign(rank=range(1, len(scored) + 1), of=photos["score"].count())
        if scored.empty:
            lost = {"person": person, "of": 0, "hints": f"No photo has a score. {photos['status'].iloc[0]}"}
            scored = pd.DataFrame([lost])
        chosen.append(scored.reindex(columns=COLUMNS))
    return pd.concat(chosen, ignore_index=True).astype({"rank": "Int64", "of": "Int64"})


def copy_photos(best: pd.DataFrame, photos: Path, folder: Path) -> int:
    """Copy photos to FOLDER/PERSON/NAME and return how many; files that are there already are not replaced.

    A person who is a folder has its path below the folder of all people: never one outside FOLDER.

    photos: folder that relative paths start from. Raises `InputError` before anything is copied if a photo is not a
    file of its own, or a copy would replace another file.
    """
    rows = best.dropna(subset="path")
    homes = {person: Path(os.path.abspath(photos / person)) for person in best["person"]}
    common = Path(os.path.commonpath(homes.values()))
    common = common.parent if common in homes.values() else common
    copies = {folder / homes[row.person].relative_to(common) / Path(row.path).name: photos / row.path
              for row in rows.itertuples()}  # fmt: skip
    if len(copies) < len(rows):
        raise InputError(f"Two of the photos to copy would have the same path in {folder}. Rename one of them.")
    for copy, photo in copies.items():
        if not photo.is_file():
            raise InputError(f"File not found: {photo}. Photos inside an archive cannot be copied.")
        if copy.exists():
            raise InputError(f"{copy} exists already. Choose another folder for --copy-to.")
    for copy, photo in copies.items():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(photo, copy)
    return len(copies)
