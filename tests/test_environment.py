"""environment.yml, pyproject.toml and the lock name the same packages, and the lock lies within the ranges."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = {
    canonicalize_name(r.name): r
    for r in map(Requirement, PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])
}
LOCK = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([\w.\-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.M)
}


@pytest.mark.parametrize("name", sorted(REQUIREMENTS))
def test_the_lock_pins_every_requirement_within_its_range(name):
    assert REQUIREMENTS[name].specifier.contains(LOCK[name])


def test_environment_yml_has_the_requirements_of_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    lines = [line for line in environment[-1]["pip"] if not line.startswith("--")]
    assert {canonicalize_name(r.name): r.specifier for r in map(Requirement, lines)} == {
        name: r.specifier for name, r in REQUIREMENTS.items()
    }
    assert "--constraint requirements.lock" in environment[-1]["pip"]
    assert f"python={PROJECT['requires-python'].removeprefix('>=')}" in environment


def test_the_lock_ties_nobody_to_one_build_of_pytorch():
    assert "+" not in LOCK["torch"]
    assert not [name for name in LOCK if name.startswith("nvidia")]


@pytest.mark.parametrize(("note", "stays"), [('{"data": {', False), ("{}", True), (None, False)])
def test_make_reproduce_removes_a_note_of_dvc_that_a_kill_left_half_written(tmp_path, note, stays):
    lock, bin_folder = tmp_path / ".dvc" / "tmp" / "rwlock", tmp_path / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    lock.parent.mkdir(parents=True)
    (bin_folder / "python").symlink_to(sys.executable)
    (bin_folder / "dvc").write_text("#!/bin/sh\necho $1 > ran\n")
    (bin_folder / "dvc").chmod(0o755)
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "requirements.lock", ".venv/installed"):  # nothing to install
        (tmp_path / name).touch()
    if note is not None:
        lock.write_text(note)
    subprocess.run(["make", "reproduce"], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "ran").read_text() == "repro\n"
    assert lock.exists() == stays
