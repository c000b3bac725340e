"""The lock holds every requirement within its range; the Makefile works where people put the repository."""

import json
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
    """Runs a target of the Makefile in a folder whose name has blanks and other letters, with a stand-in for DVC."""
    folder = tmp_path / "a b ä"
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".dvc/tmp").mkdir(parents=True)
    for name, does in {"python": f'exec "{sys.executable}" "$@"', "dvc": 'echo "$@" >> ran', "prefiqs": "true"}.items():
        (folder / ".venv/bin" / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / ".venv/bin" / name).chmod(0o755)
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("pyproject.toml", "requirements.lock", ".venv/installed"):  # nothing to install
        (folder / name).touch()

    def run(target: str = "reproduce") -> str:
        environment = {name: value for name, value in os.environ.items() if name != "VENV"}
        done = subprocess.run(["make", target], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run.folder = folder
    run.ran = lambda: (folder / "ran").read_text().splitlines()
    return run


@pytest.mark.parametrize(("note", "stays"), [('{"data": {', False), ("{}", True), (None, False)])
def test_make_reproduce_removes_a_note_of_dvc_that_a_kill_left_half_written(make, note, stays):
    lock = make.folder / ".dvc/tmp/rwlock"
    if note is not None:
        lock.write_text(note)
    make()
    assert make.ran()[-1] == "repro"
    assert lock.exists() == stays


@pytest.mark.parametrize("cloned", [False, True], ids=["archive", "clone"])
def test_make_reproduce_tells_dvc_when_there_is_no_git(make, cloned):
    if cloned:
        (make.folder / ".git").mkdir()
    make()
    assert make.ran() == [*([] if cloned else ["config --local core.no_scm true"]), "repro"]


@pytest.mark.long
def test_make_reproduce_runs_dvc_itself_and_make_test_runs_pytest(make):
    """Real ones, of one stage and one test, both of which see where they are."""
    (make.folder / ".venv/bin/dvc").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dvc "$@"\n')
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--force"], cwd=make.folder, check=True)
    stage = {"cmd": "pwd > where.txt", "outs": ["where.txt"]}
    (make.folder / "dvc.yaml").write_text(json.dumps({"stages": {"where": stage}}))
    make()
    assert (make.folder / "where.txt").read_text().strip() == str(make.folder)
    (make.folder / "test_where.py").write_text(
        f"from pathlib import Path\ndef test(): assert Path.cwd().name == {make.folder.name!r}\n"
    )
    (make.folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\nmarkers = ['long']\n")
    for name in ("installed", "installed-dev"):
        (make.folder / ".venv" / name).touch()
    assert "1 passed" in make("test")
