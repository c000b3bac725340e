"""Compare a fresh run's numbers with the committed ones."""

import json
import math
import subprocess
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from prefiqs.errors import InputError
from prefiqs.io.atomic import read_text
from prefiqs.io.tables import read_table

# Times and the manifest differ from run to run.
_MEASURED = ("cost/", "manifest.json", "paper/paper-table1")


def check_against_commit(root: Path, run: str, tolerance: float) -> list[str]:
    """What differs between the tables and numbers of reports/RUN and those of the commit that is checked out.

    Args:
        root: of the compendium, a git clone.
        run: name of the run.
        tolerance: largest relative difference of two numbers that count as equal.

    Returns:
        One sentence a difference; none if all is equal.

    Raises:
        InputError: no git, or nothing is committed for this run.
    """
    folder = f"reports/{run}/"
    committed = _git(root, "ls-tree", "-r", "--name-only", "HEAD", folder).splitlines()
    old = {name for name in (path.removeprefix(folder) for path in committed) if _is_compared(name)}
    there = {path.relative_to(root / folder).as_posix() for path in (root / folder).rglob("*") if path.is_file()}
    new = {name for name in there if _is_compared(name)}
    if not old:
        raise InputError(f"Nothing is committed below {folder}, so there is nothing to compare with.")
    differences = [f"{name}: missing now." for name in sorted(old - new)]
    differences += [f"{name}: not committed." for name in sorted(new - old)]
    for name in sorted(old & new):
        before = _git(root, "show", f"HEAD:{folder}{name}")
        differences += [f"{name}: {d}" for d in _differences(before, root / folder / name, tolerance)]
    return differences


def _is_compared(name: str) -> bool:
    return name.endswith((".csv", ".json")) and not name.startswith(_MEASURED)


def _differences(before: str, now: Path, tolerance: float) -> Iterator[str]:
    if now.suffix == ".json":
        leaves, leaves_now = _leaves(json.loads(before)), _leaves(json.loads(read_text(now)))
        for key in sorted(leaves.keys() | leaves_now.keys()):
            if not _equal(leaves.get(key), leaves_now.get(key), tolerance):
                yield f"{key}: {leaves.get(key)} → {leaves_now.get(key)}."
        return
    old, new = read_table(StringIO(before)), read_table(now)
    if list(old) != list(new) or len(old) != len(new):
        yield f"{len(new)} rows of {', '.join(new)}; committed: {len(old)} rows of {', '.join(old)}."
        return
    for column in new:
        pairs = zip(old[column], new[column], strict=True)
        if apart := [(row, *pair) for row, pair in enumerate(pairs) if not _equal(*pair, tolerance)]:
            row, was, value = apart[0]
            yield f"{len(apart)} of {len(new)} values of {column} differ, first {was} → {value} (row {row})."


def _leaves(value: Any, key: str = "") -> dict[str, Any]:
    """The values in nested objects and lists, by keys such as `pauc.sface[0]`."""
    if isinstance(value, dict):
        parts = {f"{key}.{name}".lstrip("."): part for name, part in value.items()}
    elif isinstance(value, list):
        parts = {f"{key}[{position}]": part for position, part in enumerate(value)}
    else:
        return {key: value}
    return {name: leaf for below, part in parts.items() for name, leaf in _leaves(part, below).items()}


def _equal(a: Any, b: Any, tolerance: float) -> bool:
    kinds = {type(a), type(b)}
    if float in kinds and kinds <= {float, int}:
        return math.isclose(a, b, rel_tol=tolerance) or (math.isnan(a) and math.isnan(b))
    return a == b


def _git(root: Path, *arguments: str) -> str:
    try:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, encoding="utf-8").stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError("Committed results can be read in a git clone only.") from error
