"""Copy what a run shows to `reports/RUN`, whole, and nothing that today's parameters do not name."""

import json
import os
import re
import shutil
from pathlib import Path

from prefiqs.errors import InputError
from prefiqs.io.atomic import read_text, whole_folder, write_text
from prefiqs.pipeline.manifest import as_markdown, manifest
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.stages import RESULTS, stage_items

_LINK = re.compile(r"\]\((\d\d_\w+\.ipynb)\)")


def publish(run: Run) -> Path:
    """Write the folder of published results of a run and return it; one that is there is replaced as a whole.

    It holds `STAGE/ITEM/…` of every stage and item that today's parameters name, the report (README.md, numbers.json,
    claims), and manifest.json. Raises `InputError` if a stage has not run yet.
    """
    root, out = run.layout.root, run.layout.report(run.params.run)
    folders = [item.results for item in stage_items(root) if item.results]
    made = manifest(root, run.params.run, folders)
    with whole_folder(out) as new:
        for folder in ("data/report", *folders):
            if not (root / folder).is_dir():
                raise InputError(f"No results in {root / folder}; run `dvc repro` first.")
            target = new / folder.removeprefix(RESULTS) if folder in folders else new
            shutil.copytree(root / folder, target, dirs_exist_ok=True)
        _link_notebooks(new)
        write_text(json.dumps(made, indent=1) + "\n", new / "manifest.json")
        write_text(f"{read_text(new / 'README.md')}\n{as_markdown(made)}", new / "README.md")
    return out


def _link_notebooks(folder: Path) -> None:
    """Let each notebook's links to others lead to their executed copies, of the same item where there is one."""
    items = {path: set(path.relative_to(folder).parts[1:-1]) for path in sorted(folder.rglob("*.ipynb"))}
    for path, item in items.items():
        text = read_text(path)
        for name in set(_LINK.findall(text)):
            if copies := [other for other in items if other.name == name]:
                nearest = max(copies, key=lambda other: len(item & items[other]))
                link = Path(os.path.relpath(nearest, path.parent)).as_posix()
                text = text.replace(f"]({name})", f"]({link})")
        write_text(text, path)
