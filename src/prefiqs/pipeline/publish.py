"""Copy what a run shows to `reports/RUN`, whole, and nothing that today's parameters do not name."""

import json
import os
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from prefiqs.errors import InputError
from prefiqs.io.atomic import read_text, write_text
from prefiqs.pipeline.durations import durations
from prefiqs.pipeline.manifest import as_markdown, manifest
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.stages import RESULTS, stage_items

_LINK = re.compile(r"\]\((\d\d_\w+\.ipynb)\)")


def publish(run: Run) -> Path:
    """Write the folder of published results of a run and return it; one that is there is replaced as a whole.

    It holds `STAGE/ITEM/…` of every stage and item that today's parameters name, the report (README.md, numbers.json,
    claims), and manifest.json.

    Raises:
        InputError: a stage has not run yet.
    """
    root, out = run.layout.root, run.layout.report(run.params.run)
    folders = [item.results for item in stage_items(root) if item.results]
    took = {folder: seconds for folder, seconds in durations(root).items() if folder in folders}
    made = manifest(root, run.params.run, {folder.removeprefix(RESULTS): seconds for folder, seconds in took.items()})
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as work:
        new, old = Path(work) / "new", Path(work) / "old"
        shutil.copytree(_existing(run.layout.data / "report"), new)
        for folder in folders:
            shutil.copytree(_existing(root / folder), new / folder.removeprefix(RESULTS))
        _link_notebooks(new)
        write_text(json.dumps(made, indent=1) + "\n", new / "manifest.json")
        write_text(f"{read_text(new / 'README.md')}\n{as_markdown(made)}", new / "README.md")
        if out.exists():
            out.rename(old)
        try:
            new.rename(out)
        except BaseException:
            if old.exists():
                old.rename(out)
            raise
    return out


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise InputError(f"No results in {folder}; run `dvc repro` first.")
    return folder


def _link_notebooks(folder: Path) -> None:
    """Let each notebook's links to others lead to their executed copies, of the same item where there is one."""
    copies: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.ipynb")):
        copies.setdefault(path.name, []).append(path)
    for path in [path for found in copies.values() for path in found]:
        item = set(path.relative_to(folder).parts[1:-1])

        def nearest(match: re.Match[str], path: Path = path, item: set[str] = item) -> str:
            if not (found := copies.get(match[1])):
                return match[0]
            best = max(found, key=lambda other: len(item & set(other.relative_to(folder).parts[1:-1])))
            return f"]({Path(os.path.relpath(best, path.parent)).as_posix()})"

        write_text(_LINK.sub(nearest, read_text(path)), path)
