"""What a source of an asset is, and the simplest one: a file at an address.

A source delivers named parts of an asset into a folder and checks nothing: verifying is the caller's work.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import IO

from prefiqs.errors import AssetError

THIS = "."
"""The name of the only part of an asset that is one file."""
LARGEST = 2**30
"""No part of an asset has as many bytes; a member of a small archive may."""


class Source(ABC):
    """A place that an asset can be had from; `str()` names it in messages."""

    @abstractmethod
    def deliver(self, parts: Iterable[str], target: Path, downloads: Path) -> None:
        """Write each part to `target / part`.

        Args:
            parts: paths below the asset, or `THIS` alone for an asset that is one file.
            target: path of the asset in a temporary folder.
            downloads: temporary folder for whole packages; a package that lies there already is not downloaded again.

        Raises:
            AssetError: the source cannot be reached or lacks a part. The message is the reason, in few words.
        """


@dataclass(frozen=True)
class Url(Source):
    """A file at an address, for assets of one file."""

    url: str

    def __str__(self) -> str:
        """Name the address."""
        return self.url

    def deliver(self, parts: Iterable[str], target: Path, downloads: Path) -> None:
        """See `Source.deliver`."""
        # Imported where needed, mostly never: pooch imports tqdm.auto, which warns in a notebook without ipywidgets.
        import pooch
        import requests

        downloaded = downloads / "url" / target.name
        downloaded.parent.mkdir(exist_ok=True)
        try:
            pooch.HTTPDownloader(timeout=30)(self.url, str(downloaded), None)
        except requests.ConnectionError as error:
            raise AssetError("no connection") from error
        except (requests.RequestException, ValueError) as error:
            raise AssetError(str(error).splitlines()[0]) from error
        for part in parts:
            with downloaded.open("rb") as content:
                write(content, target / part)


@dataclass(frozen=True)
class Bundled(Source):
    """A file that comes with this package, for assets of one file."""

    member: str

    def __str__(self) -> str:
        """Name the file inside the package."""
        return f"prefiqs/{self.member} of the installed package"

    def deliver(self, parts: Iterable[str], target: Path, downloads: Path) -> None:
        """See `Source.deliver`."""
        bundled = files("prefiqs").joinpath(self.member)
        if not bundled.is_file():
            raise AssetError("not in this installation")
        for part in parts:
            write(bundled.open("rb"), target / part)


def write(content: IO[bytes], path: Path) -> None:
    """Copy an open stream to a new file and close it; AssetError if it has more than `LARGEST` bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with content, path.open("wb") as file:
        while chunk := content.read(2**20):
            if file.tell() + len(chunk) > LARGEST:
                raise AssetError(f"it gave more than {LARGEST} bytes")
            file.write(chunk)
