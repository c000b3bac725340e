"""What a source holds, cut into parts that are the same in every run: photos, Parquet with image bytes, tar shards."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from prefiqs.errors import InputError
from prefiqs.faces.align import PHOTO_SUFFIXES

_ROWS_AT_ONCE = 64

Record = tuple[str, Callable[[], bytes]]
"""The name of an image, and what reads its bytes (may raise `OSError`)."""


@dataclass(frozen=True)
class Photos:
    """Some files of a folder, by their paths below it, which are their names."""

    folder: Path
    names: tuple[str, ...]

    def records(self) -> Iterator[Record]:
        """The images in order."""
        for name in self.names:
            yield name, partial(Path.read_bytes, self.folder / name)


@dataclass(frozen=True)
class RowGroups:
    """Row groups `first` to `last` (exclusive) of a Parquet file; images without a name are FILE#ROW."""

    folder: Path
    file: str
    first: int
    last: int
    row: int
    image: str
    name: str | None

    def records(self) -> Iterator[Record]:
        """The images in order."""
        columns = [self.image, *([self.name] if self.name else [])]
        row = self.row
        with pq.ParquetFile(self.folder / self.file) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE, range(self.first, self.last), columns):
                images = batch.column(self.image).to_pylist()
                names = batch.column(self.name).to_pylist() if self.name else [None] * len(images)
                for name, image in zip(names, images, strict=True):
                    data = image["bytes"] if isinstance(image, dict) else image
                    yield str(name) if self.name else f"{self.file}#{row}", partial(bytes, data or b"")
                    row += 1


@dataclass(frozen=True)
class TarShard:
    """A tar file of images, such as a WebDataset shard; images are named SHARD/MEMBER, other members passed over."""

    folder: Path
    file: str

    def records(self) -> Iterator[Record]:
        """The images in order."""
        try:
            with tarfile.open(self.folder / self.file, "r:") as tar:
                for member in tar:
                    if member.isfile() and Path(member.name).suffix.lower() in PHOTO_SUFFIXES:
                        content = tar.extractfile(member)
                        assert content is not None  # as it is a file
                        yield f"{self.file}/{member.name}", partial(bytes, content.read())
        except tarfile.TarError as error:
            path = self.folder / self.file
            raise InputError(
                f"Expected a tar file in {path}, got a broken one ({error}); replace it and run again."
            ) from error


Part = Photos | RowGroups | TarShard


def parts_of(source: Path, part_size: int) -> list[Part]:
    """Cut a source into parts, in the order of its files' names.

    Args:
        source: a folder that is searched for photos, or for .parquet or .tar files; or one such file.
        part_size: photos in a part, and images after which no row group is added to one; a tar file is one part.

    Raises:
        InputError: no source, one of mixed kinds, or a Parquet file without a column of image bytes.
    """
    if part_size < 1:
        raise InputError(f"Expected at least one image a part, got part_size={part_size}.")
    if not source.exists():
        raise InputError(f"Expected a data set at {source}, got nothing there; check the path.")
    source = source.absolute()
    folder = source if source.is_dir() else source.parent
    paths = sorted(p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]
    files: dict[str, list[str]] = {kind: [] for kind in ("photos", ".parquet", ".tar")}
    for path in paths:
        ending = path.suffix.lower()
        if kind := "photos" if ending in PHOTO_SUFFIXES else ending if ending in files else "":
            files[kind].append(path.relative_to(folder).as_posix())
    kinds = [kind for kind, found in files.items() if found]
    if len(kinds) != 1:
        raise InputError(f"Expected photos, .parquet or .tar files in {source}, and one kind of them, got "
                         f"{' and '.join(kinds) or 'none'}.")  # fmt: skip
    if files["photos"]:
        names = files["photos"]
        return [Photos(folder, tuple(names[i : i + part_size])) for i in range(0, len(names), part_size)]
    if files[".tar"]:
        return [TarShard(folder, name) for name in files[".tar"]]
    return [part for name in files[".parquet"] for part in _row_groups(folder, name, part_size)]


def _row_groups(folder: Path, name: str, part_size: int) -> Iterator[RowGroups]:
    """Neighbouring row groups together until they hold `part_size` images."""
    try:
        with pq.ParquetFile(folder / name) as file:
            schema, metadata = file.schema_arrow, file.metadata
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"Expected a Parquet file in {folder / name}, got none that can be read ({error}).") from error
    images = [field.name for field in schema if _holds_images(field.type)]
    if len(images) != 1:
        raise InputError(f"Expected one column of image bytes (binary, or a struct with `bytes`) in {folder / name}, "
                         f"got {', '.join(images) or 'none'}.")  # fmt: skip
    first, row, rows = 0, 0, 0
    for group in range(metadata.num_row_groups):
        rows += metadata.row_group(group).num_rows
        if rows >= part_size or group == metadata.num_row_groups - 1:
            yield RowGroups(folder, name, first, group + 1, row, images[0], "name" if "name" in schema.names else None)
            first, row, rows = group + 1, row + rows, 0


def _holds_images(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" for field in kind)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
