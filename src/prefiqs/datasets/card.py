"""What is known of a benchmark: its licence, where to get it, and the formats in which it can be read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prefiqs.datasets.benchmark import Benchmark


@dataclass(frozen=True)
class SourceFormat:
    """A format in which a benchmark is distributed.

    Attributes:
        files: that it needs, each with its alternatives.
        build: from the folder, and `align` where it holds photos, to the benchmark.
        aligned: it holds aligned faces, not photos.
    """

    files: tuple[tuple[str, ...], ...]
    build: Callable[..., Benchmark]
    aligned: bool = False

    def missing(self, folder: Path) -> tuple[tuple[str, ...], ...]:
        """The needed files of which a folder holds no alternative."""
        return tuple(names for names in self.files if not any((folder / name).exists() for name in names))


@dataclass(frozen=True)
class BenchmarkCard:
    """A benchmark of the literature.

    Attributes:
        name: as in `params.yaml`.
        title: in full.
        owner: where its owners distribute it.
        licence: in a phrase.
        formats: in which it is read; the first whose files are all there is taken.
        path: of its files below the data root; sources/NAME if empty.
        images: how many it has, as far as known; `prefiqs plan` uses it before the benchmark is built.
    """

    name: str
    title: str
    owner: str
    licence: str
    formats: tuple[SourceFormat, ...]
    path: str = ""
    images: int | None = None

    def folder(self, root: str | Path) -> Path:
        """Where its files are looked for."""
        return Path(root) / (self.path or f"sources/{self.name}")

    def missing(self, root: str | Path) -> tuple[tuple[str, ...], ...]:
        """What its first format lacks; nothing if any format is complete."""
        lacking = [each.missing(self.folder(root)) for each in self.formats]
        return lacking[0] if all(lacking) else ()
