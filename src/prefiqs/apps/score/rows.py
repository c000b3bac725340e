"""The score table and its files: one row per face, or one row that says why a photo has no score."""

import csv
import json
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.csv import ConvertOptions, ParseOptions, read_csv

from prefiqs.errors import InputError
from prefiqs.faces.align import LANDMARK_DIGITS, VERSION
from prefiqs.faces.find import RUN_RECORD
from prefiqs.faces.hints import explain, observe
from prefiqs.faces.reader import Photo
from prefiqs.io.atomic import read_text, require_file, whole_file

Row = dict[str, Any]  # text, numbers and None, by the name of the column

# Left and right as seen in the image.
_POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
LANDMARKS = tuple(f"{point}_{axis}" for point in _POINTS for axis in "xy")
_PLACES = ("x", "y", "width", "height", *LANDMARKS)
_SEEN = ("eye_distance", "roll", "yaw", "cut", "sharpness", "brightness", "clipped")

SCHEMA = pa.schema({
    "path": pa.string(), "face": pa.int32(), "method": pa.string(), "score": pa.float64(), "drift": pa.float64(),
    "percentile": pa.float64(), **dict.fromkeys(_PLACES, pa.float64()), "confidence": pa.float64(), "faces": pa.int32(),
    **dict.fromkeys(_SEEN, pa.float64()), "hints": pa.string(), "status": pa.string(), "settings": pa.string(),
    "file_state": pa.string(),
})  # fmt: skip
COLUMNS = tuple(SCHEMA.names)
"""Columns of the table. `path`: of the photo, or FILE/NAME in a packed set; `face`: number within the photo, 1
is the largest; `method`: as it was asked for; `score`: higher = better; `drift` in [0, 2], of methods that have one;
`percentile`: share (%) of the 7,701 photos in LFW's official pairs that score lower, where `PERCENTILES` has the
settings; `x` to `right_mouth_y`: box and landmarks in pixels of the photo; `confidence` of the detector in [0, 1];
`faces`: how many the photo has; `eye_distance` to `clipped`: see `prefiqs.faces.hints.observe`; `hints`: what stands
out of that, in words, or empty; `status`: "ok", or one sentence on why there is no score; `settings`: the method, its
network and options; `file_state`: size and time of the last change of the file, by which a changed photo is noticed.
What does not exist is missing (None; NA in CSV)."""
PERCENTILES = Path(__file__).parent / "percentiles.csv"
"""One line per setting: the text of `Wanted.settings`, alignment=`VERSION`, and the percentiles 0 … 100."""
PERCENTILE = "share (%) of LFW's 7,701 faces that score lower"

AND = "; "  # between the settings of several methods
FORMATS = (".csv", ".parquet", ".txt")
_MISSING = "NA"
ROWS_AT_ONCE = 4096


def photo_rows(photo: Photo, results: Sequence[Mapping[str, Any]], **of_all: str | None) -> list[Row]:
    """The rows of a photo. results: what was computed of each face, by column, such as score and drift.

    of_all: what all rows have, the method and its settings.
    """
    found: list[Row] = [] if photo.faces else [{"status": photo.reason}]
    for number, (face, result) in enumerate(zip(photo.faces, results, strict=True), 1):
        if not math.isfinite(result.get("score", 0)):
            result = {"status": f"The score is not finite ({result['score']})."}
        places = [_rounded(value, LANDMARK_DIGITS) for value in (*face.box, *face.landmarks.ravel())]
        seen = observe(face)
        about = {
            "face": number, "confidence": _rounded(face.confidence, 4), "faces": face.faces, "status": "ok",
            **{name: _rounded(value, 3) for name, value in seen.items()},
            "hints": explain(seen, face.confidence, face.faces, photo.assumed),
        }  # fmt: skip
        found.append(dict(zip(_PLACES, places, strict=True)) | about | dict(result))
    about = {"path": photo.name, "hints": "", "file_state": photo.state}
    return [dict.fromkeys(COLUMNS) | about | of_all | row for row in found]


def percentile_of(settings: str) -> Callable[[float], float | None]:
    """From a score to the share (%, in [0, 100]) of reference faces that score lower; None if settings are unknown."""
    with PERCENTILES.open(encoding="utf-8", newline="") as file:
        known = {setting: np.array(line, float) for setting, *line in csv.reader(file)}
    if (scores := known.get(f"{settings} alignment={VERSION}")) is None:
        return lambda score: None
    return lambda score: round(float(np.interp(score, scores, np.arange(101))), 1)


def _rounded(value: float, digits: int) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None


def csv_values(row: Row) -> list[str | int | float]:
    """The values of a row in CSV."""
    return [_MISSING if row.get(name) is None else row[name] for name in COLUMNS]


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Write a table by the ending of the path: .csv, .parquet, or .txt in the `PATH SCORE` form of the field's tools.

    The file appears complete or not at all.
    """
    if path.suffix == ".txt":
        from prefiqs.io.scores import write_score_file  # which loads pandas

        scores = {row["path"]: row["score"] for row in rows if row["score"] is not None}
        write_score_file(scores, scores.values(), path)
        return
    with whole_file(path) as partial:
        if path.suffix == ".csv":
            with partial.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(chain([COLUMNS], map(csv_values, rows)))
            return
        rows = iter(rows)
        with pq.ParquetWriter(partial, SCHEMA) as parquet:
            while part := list(islice(rows, ROWS_AT_ONCE)):
                parquet.write_table(pa.Table.from_pylist(part, SCHEMA))


def shards_in(folder: Path) -> list[Path]:
    """The shards in a folder that a Ray cluster wrote; none in any other folder."""
    return sorted(folder.glob("part-*.parquet")) if (folder / RUN_RECORD).is_file() else []


def read_scores(path: Path) -> pa.Table:
    """A .csv or .parquet that `write_rows` wrote, `file_state` empty if it is missing, or a folder of such shards.

    Raises `InputError` for any other file or folder. Warns of a folder with fewer shards than its run has.
    """
    if shards := shards_in(path):
        if (all_of_them := json.loads(read_text(path / RUN_RECORD)).get("shards")) != len(shards):
            logging.getLogger(__name__).warning("%s has only %d of %s shards.", path, len(shards), all_of_them)
    elif path.is_dir():
        raise InputError(f"{path} is not a folder of scores that `prefiqs score --engine ray` wrote. Name a table.")
    else:
        require_file(path)
    if path.suffix == ".txt":
        raise InputError(f"{path} does not say how its scores were made, so it cannot be read as a table. Use a "
                         ".csv or .parquet file.")  # fmt: skip
    try:
        if shards or path.suffix == ".parquet":
            table = pa.concat_tables(pq.ParquetFile(file).read() for file in shards or [path])
        else:
            converting = ConvertOptions(column_types=SCHEMA, null_values=[_MISSING])
            table = read_csv(path, None, ParseOptions(newlines_in_values=True), converting)
        if (found := tuple(table.column_names)) == COLUMNS[:-1]:
            table = table.append_column(COLUMNS[-1], pa.array([""] * len(table), pa.string()))
        elif found != COLUMNS:
            raise pa.ArrowInvalid(f"its columns are {', '.join(found[:8]) or 'none'}")
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not a table of `prefiqs score` ({reason}). Choose another file.") from error
    return table
