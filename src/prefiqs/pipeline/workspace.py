"""A run beside the default one: other parameters, a workspace of its own, the same cache.

The workspace is a folder below data/runs with a copy of the pipeline and its own params.yaml, dvc.lock and data. It
shares DVC's cache with the compendium, so what any run has computed before is found again.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from prefiqs.assets.location import MARK
from prefiqs.errors import ConfigError, PrefiqsError
from prefiqs.io.atomic import whole_file, whole_folder, write_text
from prefiqs.pipeline.params import Params, overlaid, parse_yaml, read_yaml
from prefiqs.pipeline.run import check_run_name
from prefiqs.pipeline.studies.fetch import check_networks

_COLLECTED = ("data/results/jacobian", "data/results/verification")  # read even if no stage fills them
_FILES = ("dvc.yaml", "requirements.lock", MARK, *(f"{folder}/README.md" for folder in _COLLECTED))
_FOLDERS = ("notebooks", "src/prefiqs", "data/paper")
_LINKED = ("data/sources", "data/checkpoints", "data/external")  # what users put in place, which can be large


def run_parameters(root: Path, preset: str | None, settings: Mapping[str, str], name: str) -> tuple[Params, dict]:
    """The checked parameters of a run, and their content: params.yaml, the preset, single settings, in this order.

    preset: a name of presets/, or the path of a YAML file, with what differs from params.yaml. settings: values in YAML
    by dotted key, such as "0.2" for `edc.limit`. name: of the run.

    Raises `ConfigError` for an unknown preset, key, network or option, or values that contradict each other.
    """
    content = read_yaml(root / "params.yaml")
    if preset:
        content = overlaid(content, read_yaml(_preset_file(root, preset)))
    for key, text in settings.items():
        value = parse_yaml(text, f"{key}={text}")
        for block in reversed(key.split(".")):
            value = {block: value}
        content = overlaid(content, value)
    content["run"] = name
    params = Params.checked(content, f"parameters of run {name!r}")
    check_networks(params, thorough=False)
    return params, content


def _preset_file(root: Path, preset: str) -> Path:
    for path in (root / "presets" / f"{preset}.yaml", Path(preset)):
        if path.is_file():
            return path
    known = sorted(path.stem for path in (root / "presets").glob("*.yaml"))
    raise ConfigError(f"Unknown preset {preset!r}; choose one of {', '.join(known)}, or name a YAML file.")


def run_name(root: Path, preset: str | None, settings: Mapping[str, str], name: str | None) -> str:
    """The name of a run: `name`, or that of its preset.

    Raises `ConfigError` if there is none, or if reports/NAME shows something else: the run of params.yaml, a preset as
    it is, or no run at all.
    """
    if not name and (settings or not preset):
        raise ConfigError("Name the run with --name: a run without a name is a preset that is not changed by --set.")
    name = name or Path(str(preset)).stem
    if name == read_yaml(root / "params.yaml").get("run"):
        raise ConfigError(f"`dvc repro` publishes to reports/{name}; choose another --name.")
    own = root / "presets" / f"{name}.yaml"
    if settings or not preset or not own.is_file() or not own.samefile(_preset_file(root, preset)):
        check_run_name(root, name)
    return name


def run_in_workspace(root: Path, name: str, content: Mapping[str, Any]) -> Path:
    """Run the pipeline with these parameters in data/runs/NAME and publish to reports/NAME; returns that folder.

    A run that was interrupted continues when it is started again. Raises `PrefiqsError` if a stage fails.
    """
    workspace, published = root / "data" / "runs" / name, root / "reports" / name
    _prepare(root, workspace, content)
    # Stages call `prefiqs`, which is installed beside the running Python.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run([sys.executable, "-m", "dvc", "repro"], cwd=workspace, env={**os.environ, "PATH": path})
    if done.returncode != 0:
        raise PrefiqsError(f"Run {name!r} failed (see above). Run the same command to continue. Files: {workspace}.")
    with whole_folder(published) as new:
        shutil.copytree(workspace / "reports" / name, new, dirs_exist_ok=True)
    return published


def _prepare(root: Path, workspace: Path, content: Mapping[str, Any]) -> None:
    for name in _FOLDERS:
        shutil.rmtree(workspace / name, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        shutil.copytree(root / name, workspace / name, ignore=ignored)
    for name in _FILES:
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, workspace / name)
    for name in _LINKED:
        link = workspace / name
        if not link.exists():
            link.symlink_to(os.path.relpath(root / name, link.parent), target_is_directory=True)
    if not (workspace / "data" / "assets").exists() and (root / "data" / "assets").is_dir():
        shutil.copytree(root / "data" / "assets", workspace / "data" / "assets")  # instead of another download
    cache = os.path.relpath(root / ".dvc" / "cache", workspace / ".dvc")
    config = f"[core]\n    analytics = false\n    no_scm = true\n[cache]\n    dir = {cache}\n"
    write_text(config, workspace / ".dvc" / "config")
    write_text("__pycache__/\n", workspace / ".dvcignore")
    with whole_file(workspace / "params.yaml") as path:
        YAML().dump(dict(content), path)
