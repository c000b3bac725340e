"""`prefiqs best`."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from prefiqs.cli import _shared as shared


def best(
    people: Annotated[Path, Argument(help="A folder with one folder per person, or scores of `prefiqs score`.")],
    count: Annotated[int, Option("-k", min=1, help="Photos per person.")] = 1,
    copy_to: Annotated[
        Path | None, Option(help="Copy the chosen photos to this folder, into one folder per person.")
    ] = None,
    photos: Annotated[Path, Option(help="Folder to which relative paths in the table refer.")] = Path(),
    method: Annotated[str | None, Option(help="Method; default: prefiqs, or the one method of a table.")] = None,
    model: shared.Model = "sface",
    aligned: shared.Aligned = False,
    device: shared.Device = "auto",
) -> None:
    """Choose the best photos of each person by the score of the largest face, and print them as CSV with hints.

    In a table, photos in one folder show one person, and --method is needed only if there are several methods.

    Examples:

        prefiqs best people/ -k 1

        prefiqs best scores.csv -k 3 --copy-to enrolment/
    """
    import pandas as pd

    from prefiqs.apps.score.best import COLUMNS, best_photos, copy_photos, photos_by_folder
    from prefiqs.apps.score.rows import shards_in
    from prefiqs.apps.score.run import progress
    from prefiqs.apps.score.scorer import PhotoScorer
    from prefiqs.datasets.people import people_in
    from prefiqs.faces.find import find_images

    if people.is_dir() and not shards_in(people):
        photos_of = people_in(people, least=1)
        if photos_of.warning:
            print(photos_of.warning, file=sys.stderr)
        person_of = photos_of.person_of
        rows = PhotoScorer(method or "prefiqs", model, aligned, device=device)(find_images(person_of))
        kept = [{name: row.get(name) for name in (*COLUMNS, "face", "status")}
                for of_photo in progress(rows, len(person_of)) for row in of_photo]  # fmt: skip
        table = pd.DataFrame(kept)
        table["person"] = table["path"].map(person_of)
    else:
        table = photos_by_folder(people, method)
    chosen = best_photos(table, count)
    chosen.to_csv(sys.stdout, index=False, lineterminator="\n", na_rep="NA")
    if copy_to:
        print(f"{copy_photos(chosen, photos, copy_to)} photos copied to {copy_to}", file=sys.stderr)
