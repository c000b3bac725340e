"""A run beside the default one: other parameters, a workspace of its own, the same cache.

The workspace is a folder below data/runs with a copy of the pipeline and its own params.yaml, dvc.lock and data. It
shares DVC's cache with the compendium, so what any run has computed before is found again.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from prefiqs.assets.location import MARK
from prefiqs.errors import ConfigError, PrefiqsError
from prefiqs.io.atomic import write_text
from prefiqs.pipeline.params import Params, as_params, overlaid, read_yaml

_FILES = ("dvc.yaml", "requirements.lock", MARK)
_FOLDERS = ("notebooks", "src/prefiqs", "data/paper")
# What users put in place; linked, as it can be large.
_LINKED = ("data/sources", "data/checkpoints", "data/external")


def run_parameters(
    root: Path, overlay: Mapping[str, Any], settings: Mapping[str, Any], name: str
) -> tuple[Params, dict[str, Any]]:
    """The checked parameters of a run, and their content: params.yaml, the overlay, single settings, in this order.

    Args:
        root: of the compendium.
        overlay: blocks of params.yaml, only what differs.
        settings: values by dotted key, such as `edc.limit`.
        name: of the run.

    Raises:
        ConfigError: an unknown key, or values that do not go together.
    """
    content = overlaid(read_yaml(root / "params.yaml"), overlay)
    for key, value in settings.items():
        *blocks, last = key.split(".")
        nested: dict[str, Any] = {last: value}
        for block in reversed(blocks):
            nested = {block: nested}
        content = overlaid(content, nested)
    content["run"] = name
    return as_params(content, f"parameters of run {name!r}"), content


def run_in_workspace(root: Path, name: str, content: Mapping[str, Any]) -> Path:
    """Run the pipeline with these parameters in data/runs/NAME and publish to reports/NAME; returns that folder.

    A run that was interrupted continues when it is started again.

    Raises:
        PrefiqsError: a stage failed.
    """
    workspace = root / "data" / "runs" / name
    _prepare(root, workspace, content)
    # Stages call `prefiqs`, which is installed beside the running Python.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run([sys.executable, "-m", "dvc", "repro"], cwd=workspace, env={**os.environ, "PATH": path})
    if done.returncode != 0:
        raise PrefiqsError(f"Run {name!r} stopped (see above). Start it again to continue; its files: {workspace}.")
    published = root / "reports" / name
    if published.exists():
        shutil.rmtree(published)
    shutil.copytree(workspace / "reports" / name, published)
    return published


def _prepare(root: Path, workspace: Path, content: Mapping[str, Any]) -> None:
    for name in _FOLDERS:
        target = workspace / name
        if target.exists():
            shutil.rmtree(target)
        shutil.copytree(root / name, target, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    for name in _FILES:
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
    write_text(yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True), workspace / "params.yaml")


def read_overlay(root: Path, preset: str) -> dict[str, Any]:
    """The overlay PRESET: a name of presets/, or the path of a YAML file."""
    path = root / "presets" / f"{preset}.yaml"
    if not path.is_file():
        path = Path(preset)
    if not path.is_file():
        known = sorted(p.stem for p in (root / "presets").glob("*.yaml"))
        raise ConfigError(f"Unknown preset {preset!r}; choose one of {', '.join(known)}, or name a YAML file.")
    return read_yaml(path)


def settings_of(given: Sequence[str] | None) -> dict[str, Any]:
    """Values by dotted key from KEY=VALUE texts, the values in YAML."""
    settings = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set takes KEY=VALUE, not {text!r}.")
        settings[key] = yaml.safe_load(value)
    return settings
