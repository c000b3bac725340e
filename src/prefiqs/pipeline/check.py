"""Compare a fresh run's numbers with the committed ones."""

import json
import math
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from prefiqs.errors import InputError
from prefiqs.io.atomic import read_text
from prefiqs.io.tables import read_table
from prefiqs.pipeline.publish import git

# Times and the manifest differ from run to run.
_MEASURED = ("cost/", "manifest.json", "paper/paper-table1")


def check_against_commit(root: Path, run: str, tolerance: float) -> list[str]:
    """What differs between the tables and numbers of ROOT/reports/RUN and those of the commit that is checked out.

    Two numbers count as equal up to the relative difference `tolerance`. Returns one sentence a difference, none if all
    is equal. Raises `InputError` without git, or if nothing is committed for this run.
    """
    folder = f"reports/{run}/"
    committed = git(root, "ls-tree", "-r", "--name-only", "HEAD", folder).splitlines()
    old = {name for name in (path.removeprefix(folder) for path in committed) if _is_compared(name)}
    there = (path.relative_to(root / folder).as_posix() for path in (root / folder).rglob("*") if path.is_file())
    new = {name for name in there if _is_compared(name)}
    if not old:
        raise InputError(f"Nothing is committed below {folder}, so there is nothing to compare with.")
    differences = [f"{name}: missing now." for name in sorted(old - new)]
    differences += [f"{name}: not committed." for name in sorted(new - old)]
    for name in sorted(old & new):
        before, now = git(root, "show", f"HEAD:{folder}{name}"), read_text(root / folder / name)
        found = _differences(_columns(name, before), _columns(name, now), tolerance)
        differences += [f"{name}: {difference}" for difference in found]
    return differences


def _is_compared(name: str) -> bool:
    return name.endswith((".csv", ".json")) and not name.startswith(_MEASURED)


def _columns(name: str, text: str) -> dict[str, list[Any]]:
    """The columns of a table; of JSON each value, as a column of its own."""
    if name.endswith(".csv"):
        return read_table(StringIO(text)).to_dict("list")
    return {key: [leaf] for key, leaf in _leaves(json.loads(text))}


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """The values in nested objects and lists, by keys such as `pauc.sface[0]`."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(part, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for position, part in enumerate(value):
            yield from _leaves(part, f"{key}[{position}]")
    else:
        yield key, value


def _differences(old: dict[str, list[Any]], new: dict[str, list[Any]], tolerance: float) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        before, now = old.get(name, []), new.get(name, [])
        rows = [row for row, pair in enumerate(zip(before, now, strict=False)) if not _equal(*pair, tolerance)]
        if len(before) != len(now):
            yield f"{name}: {len(now)} values; committed: {len(before)}."
        elif rows:
            change = f"{before[rows[0]]} → {now[rows[0]]}"
            many = f"{len(rows)} of {len(now)} values of {name} differ, first {change} (row {rows[0]})."
            yield many if len(now) > 1 else f"{name}: {change}."


def _equal(a: Any, b: Any, tolerance: float) -> bool:
    kinds = {type(a), type(b)}
    if float in kinds and kinds <= {float, int}:
        return math.isclose(a, b, rel_tol=tolerance) or (math.isnan(a) and math.isnan(b))
    return a == b
