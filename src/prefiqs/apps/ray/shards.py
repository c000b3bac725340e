"""The output folder: a Parquet shard a part, and the record of what made them, so that a run can be taken up again."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from prefiqs.errors import InputError
from prefiqs.io.atomic import read_text, write_text
from prefiqs.io.tables import write_table

# Readers of Parquet folders pass over names that begin with an underscore.
_RECORD = "_run.json"


def shard_path(out: Path, number: int) -> Path:
    """Where the rows of a part lie."""
    return out / f"part-{number:08d}.parquet"


def write_shard(table: pd.DataFrame, path: Path) -> None:
    """Write a shard, which appears whole: under a name of its own first, should a worker given up as dead write too."""
    partial = path.with_name(f"_{uuid.uuid4().hex}.parquet")
    write_table(table, partial)
    partial.replace(path)


def missing_parts(out: Path, parts: Sequence[object], settings: Mapping[str, object]) -> list[int]:
    """Numbers of the parts without a shard; the first run records its settings and parts beside the shards.

    Raises:
        InputError: an earlier run had other settings or parts, or no record of it is there.
    """
    # Paths below the source only: it may be mounted elsewhere when the run is taken up again.
    described = "\n".join(repr({k: v for k, v in vars(part).items() if k != "folder"}) for part in parts)
    record = {**settings, "parts": len(parts), "source_sha256": hashlib.sha256(described.encode()).hexdigest()}
    record = json.loads(json.dumps(record, default=str))  # as it will be read back
    shards = {path.name for path in out.glob("part-*.parquet")}
    if (out / _RECORD).is_file():
        before = json.loads(read_text(out / _RECORD))
        if changed := [k for k in {**before, **record} if before.get(k) != record.get(k)]:
            raise InputError(f"Expected the settings of the run that began {out}, got another "
                             + ", ".join(f"{k} ({record.get(k)!r}, was {before.get(k)!r})" for k in changed)
                             + "; choose another output folder.")  # fmt: skip
    elif shards:
        raise InputError(f"Expected an empty folder or one with {_RECORD} as output, got {out} with shards of another "
                         "origin; choose another.")  # fmt: skip
    else:
        write_text(json.dumps(record, indent=1) + "\n", out / _RECORD)
    for leftover in out.glob("_*.parquet*"):  # of workers that were killed
        leftover.unlink(missing_ok=True)
    return [i for i in range(len(parts)) if shard_path(out, i).name not in shards]
