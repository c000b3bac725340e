"""An output folder of numbered shards, and the record of what made them, so that a run can be resumed."""

import json
from collections.abc import Mapping
from pathlib import Path

from prefiqs.errors import InputError
from prefiqs.io.atomic import read_text, write_text

# Readers of Parquet folders ignore names that begin with an underscore or a dot.
_RECORD = "_run.json"


def shard_path(out: Path, number: int, ending: str = ".parquet") -> Path:
    """The file with the results of a shard."""
    return out / f"part-{number:08d}{ending}"


def missing_shards(out: Path, count: int, settings: Mapping[str, object]) -> list[int]:
    """Numbers of the shards without a file; the first run records its settings beside them.

    Raises:
        InputError: an earlier run had other settings, or the folder has shards without a record.
    """
    record = json.loads(json.dumps({**settings, "shards": count}))  # as it will be read back
    found = {path.stem for path in out.glob("part-*")}
    if (out / _RECORD).is_file():
        before = json.loads(read_text(out / _RECORD))
        if changed := [key for key in {**before, **record} if before.get(key) != record.get(key)]:
            raise InputError(f"{out} was started with other settings: "
                             + "; ".join(f"{key} was {before.get(key)!r}, now {record.get(key)!r}" for key in changed)
                             + ". Use these settings, or choose another folder.")  # fmt: skip
    elif found:
        raise InputError(f"{out} has shards from another source (without {_RECORD}). Choose another folder.")
    else:
        write_text(json.dumps(record, indent=1) + "\n", out / _RECORD)
    for leftover in out.glob(".*.partial"):  # of workers that were killed
        leftover.unlink(missing_ok=True)
    return [i for i in range(count) if shard_path(out, i).stem not in found]
