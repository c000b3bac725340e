"""Scored photos as one page: distribution, the lowest and highest faces with reasons, and a threshold to try."""

import json
import os
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from functools import partial
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from PIL import Image

from prefiqs import __version__
from prefiqs.apps.score.rows import LANDMARKS, PERCENTILE
from prefiqs.errors import InputError
from prefiqs.faces.align import cut_out
from prefiqs.faces.decode import EncodedPhoto, decode_face, read_file
from prefiqs.faces.find import EncodedImage, find_images, path_of
from prefiqs.io.atomic import read_text, write_text
from prefiqs.reporting.html.pages import STATIC, render

MOST_NAMES = 5000  # of rejected photos that the page lists
MOST_FAILED = 1000  # photos without a score that it lists
_JPEG_QUALITY = 85
_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029\u2066-\u2069]")


def write_page(
    table: pd.DataFrame, path: Path, title: str, photos: Path = Path(), worst: int = 60, best: int = 24
) -> None:
    """Write a self-contained page on a table of `prefiqs score`: no other files, no requests to any host.

    photos: folder that relative paths in the table start from. worst, best: how many faces are shown of either end.
    """
    scored, failed = table.dropna(subset="score"), table[table["score"].isna()].drop_duplicates("path")
    methods = {name: rows.sort_values("score", kind="stable") for name, rows in scored.groupby("method", sort=False)}
    ends = {name: (rows.head(worst), rows.tail(best)[::-1]) for name, rows in methods.items()}
    shown = pd.concat([rows for pair in ends.values() for rows in pair]) if ends else scored
    pictures = _pictures(shown.drop_duplicates(["path", "face"]), photos)

    def link(name: str) -> str:
        file = _file_of(_path_of(name, photos)) or photos / name
        try:
            return quote(os.fsencode(os.path.relpath(file, path.parent).replace(os.sep, "/")))
        except ValueError:  # on another drive of Windows
            return file.absolute().as_uri()

    def faces(rows: pd.DataFrame) -> list[dict[str, Any]]:
        return [
            {"name": row.path, "shown": _visible(row.path), "link": link(row.path), "hints": row.hints,
             "picture": pictures.get((row.path, row.face)), "score": row.score,
             "percentile": None if pd.isna(row.percentile) else row.percentile}
            for row in rows.itertuples()
        ]  # fmt: skip

    data = [
        {"scores": rows["score"].tolist(), "names": rows["path"].head(MOST_NAMES).tolist(),
         "lowest": faces(ends[name][0]), "highest": faces(ends[name][1])}
        for name, rows in methods.items()
    ]  # fmt: skip
    count = table["path"].nunique()
    facts = {
        "photos": f"{count:,}, {count - len(failed):,} with a score and {len(failed):,} without",
        "faces": f"{scored.drop_duplicates(['path', 'face']).shape[0]:,} scored",
        "settings": "; ".join(dict.fromkeys(table["settings"])),
        "reading": "Compare only scores with the same settings. Scores are not probabilities, and no threshold suits "
        "every use. The hints may explain a low score; they do not enter the score.",
    }
    if scored["percentile"].notna().any():
        facts["percentile"] = PERCENTILE
    page = render(
        "photos", title=title, facts=facts, version=__version__, methods=list(methods), most_names=f"{MOST_NAMES:,}",
        failed=[
            (_visible(row.path), link(row.path), _visible(row.status)) for row in failed.head(MOST_FAILED).itertuples()
        ],
        more_failed=f"{max(0, len(failed) - MOST_FAILED):,}",
        data=json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
        style=read_text(STATIC / "style.css"), script=read_text(STATIC / "photos.js"),
    )  # fmt: skip
    write_text(page, path)


def _pictures(rows: pd.DataFrame, photos: Path) -> dict[tuple[str, int], str]:
    """The aligned faces of these rows as data URIs, by path and face; what is no longer there is left out."""
    found = {}
    by_path = dict(iter(rows.groupby("path")))
    for image in _encoded(by_path, photos):
        for row in by_path[image.name].to_dict("records"):
            landmarks = np.array([row[name] for name in LANDMARKS], float).reshape(5, 2)
            try:
                data = image.read()
                if np.isnan(landmarks).all():
                    face = decode_face(data, image.name)
                else:
                    face = cut_out(EncodedPhoto(data, image.name), landmarks, 1).image
            except (InputError, OSError):
                continue  # the page says that the photo was not found
            jpeg = BytesIO()
            Image.fromarray(face).save(jpeg, "JPEG", quality=_JPEG_QUALITY)
            found[row["path"], row["face"]] = f"data:image/jpeg;base64,{b64encode(jpeg.getvalue()).decode()}"
    return found


def _visible(text: str) -> str:
    """Text with escapes for controls, some of which would turn the direction of writing."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _path_of(name: str, photos: Path) -> Path:
    """The path of a photo, or inside a packed set, that is called so in a table."""
    path = photos / name
    return path if _file_of(path) else path_of(path)


def _file_of(photo: Path) -> Path | None:
    """The photo, or the packed set that it lies in, if it is still there."""
    return next((path for path in (photo, *photo.parents) if path.is_file()), None)


def _encoded(names: Iterable[str], photos: Path) -> Iterator[EncodedImage]:
    """The images of these names, FILE/NAME inside packed sets, that are still there."""
    packed: dict[Path, set[str]] = {}
    for name in names:
        path = _path_of(name, photos)
        file = _file_of(path)
        if file == path:
            yield EncodedImage(name, partial(read_file, path), path)
        elif file:
            packed.setdefault(file, set()).add(name)
    for file, inside in packed.items():
        for image in chain.from_iterable(shard.images() for shard in find_images([file])):
            name = os.path.relpath(image.name, photos) if image.name not in inside else image.name
            if name in inside:
                yield image._replace(name=name)
                inside.remove(name)
            if not inside:
                break
