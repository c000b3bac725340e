"""Compare a fresh run's numbers with the committed ones."""

import json
import subprocess
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from prefiqs.errors import InputError
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
    new = {p.relative_to(root / folder).as_posix() for p in (root / folder).rglob("*") if p.is_file()}
    new = {name for name in new if _is_compared(name)}
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
        yield from _of_values(json.loads(before), json.loads(now.read_text(encoding="utf-8")), tolerance, "")
        return
    old, new = read_table(StringIO(before)), read_table(now)
    if list(old) != list(new) or len(old) != len(new):
        yield f"{len(new)} rows of {', '.join(new)}; committed: {len(old)} rows of {', '.join(old)}."
        return
    for column in new:
        yield from _of_columns(old[column], new[column], tolerance)


def _of_columns(old: pd.Series, new: pd.Series, tolerance: float) -> Iterator[str]:
    if pd.api.types.is_numeric_dtype(old) and pd.api.types.is_numeric_dtype(new):
        apart = ~np.isclose(new.astype(float), old.astype(float), rtol=tolerance, atol=0, equal_nan=True)
    else:
        apart = ~((old == new) | (old.isna() & new.isna())).to_numpy()
    if apart.any():
        row = int(np.flatnonzero(apart)[0])
        yield f"{apart.sum()} of {len(new)} values of {new.name} differ, first {old[row]} → {new[row]} (row {row})."


def _of_values(old: Any, new: Any, tolerance: float, key: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _of_values(old.get(name), new.get(name), tolerance, f"{key}.{name}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for position, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from _of_values(a, b, tolerance, f"{key}[{position}]")
    elif isinstance(old, float) or isinstance(new, float):
        if old is None or new is None or not np.isclose(old, new, rtol=tolerance, atol=0):
            yield f"{key}: {old} → {new}."
    elif old != new:
        yield f"{key}: {old} → {new}."


def _git(root: Path, *arguments: str) -> str:
    try:
        return subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=True, encoding="utf-8"
        ).stdout.strip("\n")
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError("Committed results can be read in a git clone only.") from error
