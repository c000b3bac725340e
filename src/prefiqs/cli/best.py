"""`prefiqs best`."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from prefiqs.cli import _shared as shared
from prefiqs.errors import InputError


def best(
    people: Annotated[Path, Argument(help="A folder with one folder per person, or a table of `prefiqs score`.")],
    count: Annotated[int, Option("-k", min=1, help="Photos per person.")] = 1,
    copy_to: Annotated[
        Path | None, Option(help="Copy the chosen photos to this folder, into one folder per person.")
    ] = None,
    photos: Annotated[Path, Option(help="Folder to which relative paths in the table refer.")] = Path(),
    method: shared.Method = "prefiqs",
    model: shared.Model = "sface",
    aligned: shared.Aligned = False,
    device: shared.Device = "auto",
) -> None:
    """Choose the best photos of each person by the score of the largest face, and print them as CSV with hints.

    In a table, the folder of a photo stands for the person, and --method is needed only if there are several methods.

    Examples:

        prefiqs best people/ -k 1

        prefiqs best scores.csv -k 3 --copy-to enrolment/
    """
    import pandas as pd

    from prefiqs.apps.score.best import best_photos, copy_photos
    from prefiqs.apps.score.rows import read_scores
    from prefiqs.apps.score.scorer import PhotoScorer
    from prefiqs.datasets.people import people_in
    from prefiqs.faces.find import find_images

    if people.is_dir():
        photos_of = people_in(people, least=1)
        if photos_of.warning:
            print(photos_of.warning, file=sys.stderr)
        person_of = photos_of.person_of
        rows = PhotoScorer(method, model, aligned, device=device)(find_images(person_of))
        table = pd.DataFrame([row for of_photo in rows for row in of_photo])
        table["person"] = table["path"].map(person_of)
    else:
        table = read_scores(people).to_pandas()
        if len(methods := table["method"].unique()) > 1:
            if method not in methods:
                scored = ", ".join(methods)
                raise InputError(
                    f"{people} has no scores of {method}, only of {scored}. Choose one of them by --method."
                )
            table = table[table["method"] == method]
        table["person"] = [str(Path(path).parent) for path in table["path"]]
    chosen = best_photos(table, count)
    chosen.to_csv(sys.stdout, index=False, lineterminator="\n", na_rep="NA")
    if copy_to:
        print(f"{copy_photos(chosen, photos, copy_to)} photos copied to {copy_to}", file=sys.stderr)
