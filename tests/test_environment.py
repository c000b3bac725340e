"""The lock holds every requirement within its range; the Makefile works where people put the repository."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = [line for extra in PROJECT["optional-dependencies"].values() for line in extra]
REQUIREMENTS = {canonicalize_name(r.name): r for r in map(Requirement, PROJECT["dependencies"] + EXTRAS)}
REQUIREMENTS.pop("prefiqs")  # an extra that brings another
LOCK = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([\w.\-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.M)
}


@pytest.mark.parametrize("name", sorted(REQUIREMENTS))
def test_the_lock_pins_every_requirement_within_its_range(name):
    assert REQUIREMENTS[name].specifier.contains(LOCK[name])


def test_the_lock_ties_nobody_to_one_build_of_pytorch():
    assert "+" not in LOCK["torch"]
    assert not [name for name in LOCK if name.startswith("nvidia")]


@pytest.fixture
def make(tmp_path):
    """Runs `make reproduce` in a folder whose name has blanks and other letters, with a stand-in for DVC."""
    folder = tmp_path / "a b ä"
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".dvc/tmp").mkdir(parents=True)
    (folder / ".venv/bin/python").symlink_to(sys.executable)
    (folder / ".venv/bin/dvc").write_text('#!/bin/sh\necho "$@" >> ran\n')
    (folder / ".venv/bin/dvc").chmod(0o755)
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("pyproject.toml", "requirements.lock", ".venv/installed"):  # nothing to install
        (folder / name).touch()

    def run() -> tuple[Path, list[str]]:
        environment = {name: value for name, value in os.environ.items() if name != "VENV"}
        done = subprocess.run(["make", "reproduce"], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return folder, (folder / "ran").read_text().splitlines()

    run.folder = folder
    return run


@pytest.mark.parametrize(("note", "stays"), [('{"data": {', False), ("{}", True), (None, False)])
def test_make_reproduce_removes_a_note_of_dvc_that_a_kill_left_half_written(make, note, stays):
    lock = make.folder / ".dvc/tmp/rwlock"
    if note is not None:
        lock.write_text(note)
    _, ran = make()
    assert ran[-1] == "repro"
    assert lock.exists() == stays


@pytest.mark.parametrize("cloned", [False, True], ids=["archive", "clone"])
def test_make_reproduce_tells_dvc_when_there_is_no_git(make, cloned):
    if cloned:
        (make.folder / ".git").mkdir()
    _, ran = make()
    assert ran == [*([] if cloned else ["config --local core.no_scm true"]), "repro"]
