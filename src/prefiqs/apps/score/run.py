"""What `prefiqs score` does: photos to rows, on stdout or in a file, with a bar on a terminal."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from prefiqs.apps.score.progress import ScoreJournal
from prefiqs.apps.score.rows import COLUMNS, path_text
from prefiqs.apps.score.scorer import PhotoScorer
from prefiqs.apps.score.tables import FORMATS, csv_values
from prefiqs.errors import InputError


def check_out(out: Path | None, resume: bool, as_json: bool, all_faces: bool) -> None:
    """Raise `InputError` for a way of output that cannot be had."""
    if out is None:
        if resume:
            raise InputError("Expected --out with --resume, got none; there is nothing on stdout to go on with.")
        return
    if as_json:
        raise InputError("Expected one of --out and --json, got both; --json writes to stdout.")
    if out.suffix not in FORMATS or out.is_dir():
        raise InputError(f"Expected --out to be a file that ends in {', '.join(FORMATS)}, got {out}.")
    if all_faces and out.suffix == ".txt":
        raise InputError(f"Expected --out as .csv or .parquet with --all-faces, got {out}; its lines are one a photo.")


def write_scores(scorer: PhotoScorer, paths: Sequence[Path], out: Path, resume: bool = False) -> int:
    """Score photos into a .csv, .parquet or .txt, which appears at the end; see `ScoreJournal` for what happens before.

    Returns the number of the photos without a score.
    """
    with ScoreJournal(out, scorer.settings, resume) as progress:
        waiting = [path for path in paths if path_text(path) not in progress.done]
        with _bar(len(paths), len(paths) - len(waiting)) as bar:
            for rows in scorer(waiting):
                progress.append(rows)
                bar.update()
        progress.finish()
        return sum(not progress.done[path_text(path)] for path in paths)


def print_scores(scorer: PhotoScorer, paths: Sequence[Path], as_json: bool = False) -> int:
    """Score photos onto stdout, as CSV or as a JSON object a line; returns the number of the photos without a score."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if not as_json:
        writer.writerow(COLUMNS)
    lost = 0
    with _bar(len(paths)) as bar:
        for rows in scorer(paths):
            for row in rows:
                print(json.dumps(row)) if as_json else writer.writerow(csv_values(row))
            sys.stdout.flush()
            lost += all(row["score"] is None for row in rows)
            bar.update()
    return lost


def _bar(total: int, done: int = 0) -> tqdm:
    return tqdm(total=total, initial=done, unit="photo", desc="scoring", disable=None, dynamic_ncols=True)
