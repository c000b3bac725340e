"""What the registry knows of a benchmark: its licence, where it is given out, and in which forms it can be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prefiqs.datasets.benchmark import Benchmark


@dataclass(frozen=True)
class SourceFormat:
    """One form in which a benchmark is given out: the files it needs, each with its alternatives, and its reader."""

    files: tuple[tuple[str, ...], ...]
    build: Callable[..., Benchmark]  # (folder, align, **options)

    def missing(self, folder: Path) -> tuple[tuple[str, ...], ...]:
        """Those needed files of which no alternative is in a folder."""
        return tuple(names for names in self.files if not any((folder / name).exists() for name in names))


@dataclass(frozen=True)
class BenchmarkCard:
    """A benchmark of the literature.

    Attributes:
        name: as in `params.yaml`.
        title: in full.
        owner: where its owners give it out.
        licence: in a phrase.
        ways: the forms it is read in; the first whose files are all there is taken.
        place: where its files lie below the data root; sources/NAME if empty.
    """

    name: str
    title: str
    owner: str
    licence: str
    ways: tuple[SourceFormat, ...]
    place: str = ""

    def folder(self, root: str | Path) -> Path:
        """Where its files lie."""
        return Path(root) / (self.place or f"sources/{self.name}")

    def missing(self, root: str | Path) -> tuple[tuple[str, ...], ...]:
        """What its first form lacks; nothing if any form is complete."""
        lacking = [way.missing(self.folder(root)) for way in self.ways]
        return lacking[0] if all(lacking) else ()
