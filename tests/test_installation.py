"""The package as users get it: built, installed without the extras, imported, and used where people keep things."""

import importlib.metadata as metadata
import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

import cv2
import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from small_networks import synthetic_faces

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# As a user's shell has it: nothing of the tests' own.
PLAIN = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PREFIQS_DATA"}}


def run(*command, **options) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[str, Path]:
    """The source archive, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("build")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        copy(ROOT / name, folder)
    copytree(ROOT / "src", folder / "src", ignore=ignore_patterns("__pycache__", "*.egg-info"))
    run(sys.executable, "-m", "build", "--no-isolation", folder, env=PLAIN)
    return {path.suffix: path for path in (folder / "dist").iterdir()}


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory, assets) -> Path:
    """A fresh environment outside the repository, with the wheel and what it depends on, without any extra.

    The dependencies are links to the packages of the running Python: those that the wheel asks for, and theirs.
    """
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    for name in needed(PROJECT["dependencies"]):
        for file in metadata.distribution(name).files or []:
            top = Path(file.parts[0])
            if top.name not in {"..", "__pycache__"} and not (packages / top).exists():
                (packages / top).symlink_to(metadata.distribution(name).locate_file(top))
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", built[".whl"])
    (folder / "data" / "assets").mkdir(parents=True)
    for name in ("sface", "yunet"):
        copy(assets[name], folder / "data" / "assets")
    return folder


def needed(requirements: list[str]) -> set[str]:
    """The names of these packages and of all that they need in turn."""
    found: set[str] = set()
    to_do = [(Requirement(line), "") for line in requirements]
    while to_do:
        requirement, extra = to_do.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if name not in found or requirement.extras:
            found.add(name)
            wanted = [Requirement(line) for line in metadata.distribution(name).requires or []]
            to_do += [(r, e) for r in wanted for e in ("", *requirement.extras)]
    return found


@pytest.mark.long
def test_the_archives_are_complete_and_hold_no_weights(built):
    run(sys.executable, "-m", "twine", "check", "--strict", *built.values())
    with zipfile.ZipFile(built[".whl"]) as wheel, tarfile.open(built[".gz"]) as source:
        names, sources = wheel.namelist(), source.getnames()
        about = wheel.read(next(n for n in names if n.endswith("METADATA"))).decode()
    for name in (
        "py.typed",
        "assets/assets.toml",
        "assets/orl.sha256",
        "reporting/html/static/style.css",
        "pipeline/site/templates/gallery.html.j2",
        "models/registry.py",
    ):
        assert f"prefiqs/{name}" in names
        assert any(path.endswith(f"src/prefiqs/{name}") for path in sources)
    assert not [n for n in names + sources if n.endswith((".safetensors", ".onnx", ".pth"))]
    assert built[".whl"].stat().st_size < 1_000_000
    assert "License-Expression: MIT" in about and "Provides-Extra: pipeline" in about


@pytest.mark.long
def test_scoring_and_evaluating_need_no_extra(installed, tmp_path):
    """One aligned face and one photo are scored, and scores evaluated, where no package of an extra can be imported."""
    prefiqs, python = installed / "venv" / "bin" / "prefiqs", installed / "venv" / "bin" / "python"
    options = {"env": PLAIN | {"PREFIQS_DATA": str(installed / "data")}, "cwd": tmp_path}
    for module in ("dvc", "papermill", "jupyterlab", "nbconvert", "seaborn", "pydantic_settings", "ray", "pytest"):
        assert subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 1
    origin = run(python, "-c", "import prefiqs; print(prefiqs.__file__)", **options)
    assert origin.startswith(str(installed))

    faces = synthetic_faces(8)
    for number, face in enumerate(faces):
        cv2.imwrite(str(tmp_path / f"{number}.png"), face[..., ::-1])
    assert "prefiqs" in run(prefiqs, "list", "methods", **options)
    run(prefiqs, "score", *sorted(tmp_path.glob("*.png")), "--aligned", "--out", "scores.csv", **options)
    expected = run(python, "-c", "import prefiqs; print(*prefiqs.score(__import__('numpy').load('faces.npy')))",
                   **options | {"cwd": saved(faces, tmp_path)})  # fmt: skip
    rows = (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()
    column = rows[0].split(",").index("score")
    np.testing.assert_allclose([float(r.split(",")[column]) for r in rows[1:]], list(map(float, expected.split())))

    embeddings = np.random.default_rng(0).normal(size=(8, 16))
    names = [f"{number}.png" for number in range(8)]
    (tmp_path / "scores.txt").write_text("".join(f"{name} {number}\n" for number, name in enumerate(names)))
    (tmp_path / "e.txt").write_text(
        "".join(f"{n} {' '.join(map(str, e))}\n" for n, e in zip(names, embeddings, strict=True))
    )
    pairs = [(i, j) for i in range(8) for j in range(i)]
    (tmp_path / "pairs.txt").write_text("".join(f"{names[i]} {names[j]} {int(i // 2 == j // 2)}\n" for i, j in pairs))
    run(prefiqs, "evaluate", "scores.txt", "--embeddings", "e.txt", "--pairs", "pairs.txt", "--fmr", "0.1",
        "--out", "report", **options)  # fmt: skip
    assert (tmp_path / "report" / "report.html").stat().st_size > 1000


def saved(faces: np.ndarray, folder: Path) -> Path:
    np.save(folder / "faces.npy", faces)
    return folder


@pytest.mark.long
def test_without_the_compendium_the_way_to_its_weights_is_said(installed, tmp_path):
    prefiqs = installed / "venv" / "bin" / "prefiqs"
    environment = PLAIN | {"PREFIQS_DATA": str(tmp_path / "data")}
    done = subprocess.run(
        [prefiqs, "fetch", "vit-prefiqs"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"put the file at {tmp_path}/data/assets/vit_prefiqs.safetensors (sha256 daca0dde" in done.stderr


SNAPSHOT = """
import importlib, json, locale, logging, multiprocessing, os, pkgutil, random, signal, sys, warnings

def modules():
    import prefiqs
    names = (m.name for m in pkgutil.walk_packages(prefiqs.__path__, "prefiqs."))
    return [name for name in names if not name.endswith("__main__")]

def state():
    import cv2, numpy, torch
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "handlers": list(map(str, logging.root.handlers)) + list(map(str, logging.getLogger("prefiqs").handlers)),
        "levels": [logging.root.level, logging.getLogger("prefiqs").level],
        "warnings": list(map(str, warnings.filters)),
        "threads": [torch.get_num_threads(), torch.get_num_interop_threads(), cv2.getNumThreads()],
        "numbers": [str(torch.get_default_dtype()), torch.are_deterministic_algorithms_enabled(),
                    torch.is_grad_enabled(), numpy.geterr()],
        "random": [hash(random.getstate()), str(numpy.random.get_state()[1][:9]), torch.initial_seed()],
        "signals": {s.name: str(signal.getsignal(s)) for s in signal.valid_signals() if hasattr(s, "name")},
        "processes": multiprocessing.get_start_method(allow_none=True),
        "locale": locale.setlocale(locale.LC_ALL),
    }

for name in sys.argv[1:] or modules():
    importlib.import_module(name)
if not sys.argv[1:]:
    print(json.dumps([name for name in sys.modules if not name.startswith(("prefiqs", "__"))]))
else:
    before = state()
    for name in modules():
        importlib.import_module(name)
    print(json.dumps([before, state()]))
"""


@pytest.mark.long
def test_importing_any_module_changes_nothing_in_the_process():
    """All libraries that the modules bring are imported first; what these change is not ours."""
    libraries = json.loads(run(sys.executable, "-c", SNAPSHOT))
    before, after = json.loads(run(sys.executable, "-c", SNAPSHOT, *libraries))
    assert after == before


@pytest.mark.long
def test_a_stage_runs_in_an_unpacked_archive_in_an_awkward_folder(assets, tmp_path):
    """No .git, blanks and other letters in the path, and a temporary folder whose name is too long for sockets."""
    folder = tmp_path / "Ein Ordner mit Ümläuten"
    ignored = ignore_patterns("__pycache__", ".venv", "*.egg-info", "executed")
    for name in ("src", "notebooks", ".dvc"):
        copytree(ROOT / name, folder / name, ignore=ignore_patterns("__pycache__", "*.egg-info", "tmp", "cache"))
    for name in ("dvc.yaml", "params.yaml", "requirements.lock", ".prefiqs-root", ".dvcignore", "Makefile"):
        copy(ROOT / name, folder)
    copytree(ROOT / "data" / "checkpoints", folder / "data" / "checkpoints", ignore=ignored)
    copytree(assets["yunet"].parent, folder / "data" / "assets")
    copytree(ROOT / "training" / "weights", folder / "training" / "weights")
    temporary = tmp_path / ("t" * max(8, 100 - len(str(tmp_path))))
    temporary.mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    options = {
        "cwd": folder,
        "env": PLAIN | {"PATH": path, "TMPDIR": str(temporary), "PYTHONPATH": str(folder / "src")},
    }
    run("dvc", "config", "--local", "core.no_scm", "true", **options)
    run("dvc", "repro", "fetch", **options)
    assert list((folder / "data" / "results" / "fetch").glob("*.ipynb"))
    assert (folder / "data" / "weights" / "sface" / "model.safetensors").is_file()
    assert not list(temporary.iterdir())


@pytest.mark.long
def test_photos_are_scored_without_fcntl(assets, tmp_path):
    """As on Windows, which has no such module."""
    cv2.imwrite(str(tmp_path / "a.png"), synthetic_faces(1)[0])
    code = (
        "import sys; sys.modules['fcntl'] = None; from prefiqs.cli import main; "
        "sys.argv = ['prefiqs', 'score', 'a.png', '--aligned', '--method', 'norm', '--out', 's.csv']; main()"
    )
    run(sys.executable, "-c", code, cwd=tmp_path)
    assert (tmp_path / "s.csv").read_text(encoding="utf-8").count("\n") == 2
