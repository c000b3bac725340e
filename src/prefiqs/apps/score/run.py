"""What `prefiqs score` does: write the rows of photos to stdout or to a file, with a progress bar."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from prefiqs.apps.score.journal import ScoreJournal
from prefiqs.apps.score.ray import RayScorer
from prefiqs.apps.score.rows import COLUMNS, FORMATS, Row, csv_values
from prefiqs.apps.score.scorer import PhotoScorer
from prefiqs.errors import InputError
from prefiqs.faces.find import Shard


def check_out(
    out: Path | None,
    resume: bool,
    as_json: bool,
    several: bool,
    folder: bool = False,
    force: bool = False,
    html: Path | None = None,
) -> None:
    """Raise `InputError` for output options that contradict each other.

    several: a photo may have several rows. folder: `out` will be a folder of shards. html: a page of `out`.
    """
    if html:
        check_page(html)
    if as_json and (out or html):
        raise InputError(f"--json writes to stdout. Choose either --json or --{'html' if html else 'out'}.")
    if html and (folder or (out and out.suffix == ".txt")):
        raise InputError(f"--html shows a table: choose a .csv or .parquet as --out, not {out}.")
    if out is None:
        if resume or force:
            raise InputError(f"--{'resume' if resume else 'force'} needs --out. Name the file of the table.")
    elif resume and force:
        raise InputError("--resume keeps the existing rows, --force replaces them. Choose one.")
    elif folder:
        if force:
            raise InputError(f"--force replaces a file. Delete the folder {out} yourself, or choose another --out.")
        if not resume and any(out.glob("part-*")):
            raise InputError(f"{out} has results of an earlier run. Continue it with --resume or choose another --out.")
    elif out.suffix not in FORMATS or out.is_dir():
        raise InputError(f"--out must be a file that ends in {', '.join(FORMATS)}, not {out}.")
    elif several and out.suffix == ".txt":
        raise InputError(f"{out} can have only one score per photo. With --all-faces or several methods, choose a .csv "
                         "or .parquet file as --out.")  # fmt: skip


def check_page(path: Path) -> None:
    """Raise `InputError` for a page that would replace a table or a photo."""
    if path.suffix.lower() not in (".html", ".htm") or path.is_dir():
        raise InputError(f"--html must be a file that ends in .html, not {path}.")


def write_scores(
    scorer: PhotoScorer | RayScorer, shards: Sequence[Shard], out: Path, resume: bool = False, force: bool = False
) -> tuple[int, int]:
    """Score photos and write a .csv, .parquet or .txt at the end; until then, rows are in a `ScoreJournal`.

    resume: keep the rows that exist. force: replace a file with other contents than a table of these photos.

    Returns the number of photos, and how many of them have no score.
    """
    listed = [shard.names() for shard in shards]
    every = [name for names in listed for name in names]
    if repeated := [name for name, count in Counter(every).items() if count > 1]:
        raise InputError(
            f"{repeated[0]} occurs more than once, but every image needs its own name. Rename one of them."
        )
    if out.suffix == ".txt":
        from prefiqs.io.scores import require_lines  # which loads pandas

        require_lines(every, out)
    with ScoreJournal(out, scorer.settings, resume, force, every) as journal:
        states = {name: kept.state for name, kept in journal.done.items()}
        to_do = [
            frozenset(shard.names(states) if states else names) for shard, names in zip(shards, listed, strict=True)
        ]
        waiting = [replace(shard, only=names) for shard, names in zip(shards, to_do, strict=True) if names]
        for rows in progress(scorer(waiting), len(every), len(every) - sum(map(len, to_do))):
            journal.append(rows)
        journal.finish()
        return len(every), sum(not journal.done[name].scored for name in every)


def print_scores(scorer: PhotoScorer | RayScorer, shards: Sequence[Shard], as_json: bool = False) -> tuple[int, int]:
    """Score photos and print CSV, or one JSON object per line; returns the same as `write_scores`."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if not as_json:
        writer.writerow(COLUMNS)
    photos = lost = 0
    for rows in progress(scorer(shards), sum(len(shard.names()) for shard in shards)):
        for row in rows:
            print(json.dumps(row)) if as_json else writer.writerow(csv_values(row))
        sys.stdout.flush()
        photos += 1
        lost += all(row["score"] is None for row in rows)
    return photos, lost


def progress(rows: Iterator[list[Row]], total: int, done: int = 0) -> Iterable[list[Row]]:
    """A progress bar on a terminal; elsewhere, such as in a log, one line per minute."""
    options: dict[str, Any] = {"dynamic_ncols": True}
    if not sys.stderr.isatty():
        options = {"delay": 60, "mininterval": 60, "maxinterval": 120, "bar_format": "{desc}: {n_fmt} of {total_fmt}\n"}
    return tqdm(rows, "scoring", total, initial=done, unit="photo", **options)
