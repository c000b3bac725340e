"""Copy the results that the current parameters name to `reports/RUN`, with a manifest; nothing else remains there.

And compare the numbers there with those that are committed.
"""

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from prefiqs.assets.fetch import file_sha256
from prefiqs.errors import InputError
from prefiqs.io.atomic import read_text, whole_folder, write_text
from prefiqs.io.tables import read_table
from prefiqs.pipeline.durations import durations
from prefiqs.pipeline.params import RESULTS, stage_items
from prefiqs.pipeline.run import Run

_LINK = re.compile(r"\]\((\d\d_\w+\.ipynb)\)")
_PACKAGES = ("prefiqs", "torch", "openvino", "numpy", "pandas", "opencv-python-headless")
MEASURED = ("cost/", "manifest.json", "paper/paper-table1")  # what differs from run to run
NOT_PUBLISHED = (
    "numbers.json",  # in one file for all stages
    *("edc.parquet", "random-edc.csv", "ranks.csv"),  # drawn in figures
    "contributions.png",  # shown in a notebook
    *("paper-table*.md", "companion.md"),  # typeset in paper.pdf
    *("table2.*", "table3.*", "table4.md", "candidates.*"),  # all of it is in another table, and most in paper.pdf
)


def publish(run: Run) -> Path:
    """Write the folder of published results of a run and return it; an existing one is replaced as a whole.

    It has the report with all numbers in one file, `STAGE/ITEM/…`, and manifest.json. Raises `InputError` if a stage
    has not run yet.
    """
    root, out = run.layout.root, run.layout.report(run.params.run)
    folders = [item.results for item in stage_items(root) if item.results]
    made = manifest(root, run.params.run, folders)
    left_out = shutil.ignore_patterns(*NOT_PUBLISHED, *([] if run.params.report.notebooks else ["*.ipynb"]))
    with whole_folder(out) as new:
        for folder in ("data/report", *folders):
            if not (root / folder).is_dir():
                raise InputError(f"No results in {root / folder}; run `dvc repro` first.")
        shutil.copytree(root / "data" / "report", new, dirs_exist_ok=True)
        for folder in folders:
            shutil.copytree(root / folder, new / folder.removeprefix(RESULTS), ignore=left_out)
        _link_notebooks(new, os.path.relpath(root / "notebooks", out))
        write_text(json.dumps(made, indent=1) + "\n", new / "manifest.json")
        write_text(f"{read_text(new / 'README.md')}\n{as_markdown(made)}", new / "README.md")
    return out


def _link_notebooks(folder: Path, sources: str) -> None:
    """Let each notebook's links to others lead to their executed copies, of the same item where there is one.

    Where the run has no copy, they lead to the notebook itself in `sources`, a path that starts from `folder`.
    """
    items = {path: set(path.relative_to(folder).parts[1:-1]) for path in sorted(folder.rglob("*.ipynb"))}
    for path, item in items.items():
        text = read_text(path)
        for name in set(_LINK.findall(text)):
            copies = [other for other in items if other.name == name]
            nearest = max(copies, key=lambda other: len(item & items[other]), default=folder / sources / name)
            link = Path(os.path.relpath(nearest, path.parent)).as_posix()
            text = text.replace(f"]({name})", f"]({link})")
        write_text(text, path)


def manifest(root: Path, run: str, folders: Iterable[str]) -> dict[str, Any]:
    """Describe a run that has just ended; `folders`: those below data/results that its stages wrote."""
    import torch

    noted = durations(root)
    seconds = {folder.removeprefix(RESULTS): noted[folder] for folder in sorted(folders) if folder in noted}
    return {
        "run": run,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": _commit(root),
        "lock_sha256": file_sha256(root / "requirements.lock"),
        "params_sha256": file_sha256(root / "params.yaml"),
        "versions": {"python": platform.python_version()} | {package: version(package) for package in _PACKAGES},
        "platform": platform.platform(aliased=True),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "seconds": round(sum(seconds.values())),
        "seconds_by_stage": seconds,
    }


def as_markdown(made: Mapping[str, Any]) -> str:
    """The manifest as a section of a page."""
    hours, minutes = divmod(round(made["seconds"] / 60), 60)
    took = f"{hours} h {minutes} min" if hours else f"{minutes} min"
    versions = ", ".join(f"{name} {number}" for name, number in made["versions"].items())
    gpu = f", {made['gpu']}" if made["gpu"] else ""
    return f"""## How these results were made

* {made["date"]}, commit `{made["commit"] or "unknown"}`; compute time {took}.
* {made["processor"]}, {made["cores"]} cores{gpu}; {made["platform"]}.
* {versions}.
* SHA-256 of `params.yaml` {made["params_sha256"][:12]}, of `requirements.lock` {made["lock_sha256"][:12]}. All of it: \
[manifest.json](manifest.json).
"""


def _commit(root: Path) -> str | None:
    """The commit that is checked out, with a `+` if tracked source files differ from it; None without git."""
    sources = (":/src", ":/notebooks", ":/dvc.yaml")
    try:
        changed = git(root, "status", "--porcelain", "--untracked-files=no", "--", *sources)
        return git(root, "rev-parse", "--short=12", "HEAD").strip() + "+" * bool(changed.strip())
    except InputError:
        return None


def git(root: Path, *arguments: str) -> str:
    """The output of a git command; `InputError` without git or outside a clone, such as in an unpacked archive."""
    command = ["git", *arguments]
    try:
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, encoding="utf-8").stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(f"`{' '.join(command[:2])}` failed in {root}, which must be a git clone.") from error


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:  # not Linux
        found = None
    return found[1] if found else platform.processor() or platform.machine()


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
        found = _differences(_table(name, before), _table(name, now), tolerance)
        differences += [f"{name}: {difference}" for difference in found]
    return differences


def _is_compared(name: str) -> bool:
    return name.endswith((".csv", ".json")) and not name.startswith(MEASURED)


def _table(name: str, text: str) -> pd.DataFrame:
    """A table; JSON as a row of it, with a column for each value, such as `pauc.sface` and `ends.1`."""
    return read_table(StringIO(text)) if name.endswith(".csv") else pd.json_normalize(_without_lists(json.loads(text)))


def _without_lists(value: Any) -> Any:
    """JSON with an object, whose keys are numbers, in place of each list."""
    parts = dict(enumerate(value)) if isinstance(value, list) else value
    return {str(key): _without_lists(part) for key, part in parts.items()} if isinstance(parts, dict) else parts


def _differences(old: pd.DataFrame, new: pd.DataFrame, tolerance: float) -> Iterator[str]:
    for name in sorted({*old, *new}):
        before, now = (table.get(name, pd.Series(dtype=object)) for table in (old, new))
        if len(before) != len(now):
            yield f"{name}: {len(now)} values; committed: {len(before)}."
            continue
        same = (before == now) | (before.isna() & now.isna())
        if "f" in (kinds := before.dtype.kind + now.dtype.kind) and set(kinds) <= set("fi"):
            same |= np.isclose(before, now, rtol=tolerance, atol=0)
        if rows := np.flatnonzero(~same).tolist():
            change = f"{before[rows[0]]} → {now[rows[0]]}"
            many = f"{len(rows)} of {len(now)} values of {name} differ, first {change} (row {rows[0]})."
            yield many if len(now) > 1 else f"{name}: {change}."
