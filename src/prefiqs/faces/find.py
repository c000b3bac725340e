"""Which images are meant: photos, folders and globs of them, and image sets packed as Parquet or tar files."""

import glob
import lzma
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby, repeat
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from prefiqs.errors import InputError
from prefiqs.faces.decode import PHOTO_SUFFIXES, read_file

_ROWS_AT_ONCE = 64


class EncodedImage(NamedTuple):
    """An image file that has not been read yet: its path, or FILE/NAME inside a packed set, and what reads it."""

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Shard:
    """Some images that are read together, in the same order in every run: photos, or a packed set of them."""

    files: tuple[Path, ...]  # photos; or one tar or Parquet file, whose images are called FILE/NAME
    groups: range = range(0)  # the row groups that are meant of a Parquet file
    skip: frozenset[str] = frozenset()  # names of images that are left out

    def names(self) -> list[str]:
        """The names of all images, also of those in `skip`, without reading them."""
        return [image.name for image in self._all(content=False)]

    def images(self) -> Iterator[EncodedImage]:
        """The images in order; `InputError` for a file that cannot be read to its end."""
        return (image for image in self._all(content=True) if image.name not in self.skip)

    def _all(self, content: bool) -> Iterator[EncodedImage]:
        file = self.files[0]
        match _kind(file):
            case ".tar":
                packed = tar_members(file, lambda member: _is_photo(Path(member.name)), content)
            case ".parquet":
                packed = _rows(file, self.groups, content)
            case _:
                return (EncodedImage(path_text(path), partial(read_file, path)) for path in self.files)
        return (EncodedImage(f"{path_text(file)}/{name}", partial(bytes, data)) for name, data in packed)


def tar_members(
    path: Path, wanted: Callable[[tarfile.TarInfo], bool], content: bool = True, compressed: bool = False
) -> Iterator[tuple[str, bytes]]:
    """Name and content of the wanted files in a tar file; `InputError` if it is damaged.

    In one that may be `compressed`, files can be of any size: `wanted` decides which are small enough.
    """
    try:
        with tarfile.open(path, "r:*" if compressed else "r:") as tar:
            for member in tar:
                if member.isfile() and wanted(member):
                    file = tar.extractfile(member) if content else None
                    yield member.name, file.read() if file else b""
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{path} is not a complete tar file ({' '.join(str(error).split())}).") from error


def find_images(given: Iterable[str | Path], shard_size: int = 1024) -> list[Shard]:
    """Find photos in files, folders (searched at any depth) and globs, each once, folders in the order of their paths.

    Parquet files (one column of image bytes, possibly a column `name`) and tar files are image sets; a folder may hold
    such files instead of photos. A file that is named itself counts whatever its ending is. A shard has `shard_size`
    images, but row groups and tar files are not split.

    Raises `InputError` for a file that does not exist, a glob without a match, no images at all, or a folder with
    several kinds of images; `OSError` for a folder that cannot be read.
    """
    if shard_size < 1:
        raise InputError(f"A shard must have at least one image, not {shard_size}.")
    paths = [Path(path) for path in given]
    files = dict.fromkeys(file for path in paths for file in _files(path))
    if not files:
        endings = ", ".join(sorted(PHOTO_SUFFIXES))
        raise InputError(f"No photos found in {', '.join(map(str, paths))}. Photos end in {endings}.")
    shards: list[Shard] = []
    for kind, alike in groupby(files, _kind):
        if kind == ".tar":
            shards += (Shard((file,)) for file in alike)
        elif kind == ".parquet":
            shards += (Shard((file,), groups) for file in alike for groups in _row_groups(file, shard_size))
        else:
            photos = tuple(alike)
            shards += (Shard(photos[i : i + shard_size]) for i in range(0, len(photos), shard_size))
    return shards


def path_text(path: Path) -> str:
    """A path as text that every file format can hold; bytes that are not UTF-8 are written as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return _below(path)
    if path.exists():
        return [path]
    if not glob.has_magic(str(path)):
        raise InputError(f"File not found: {path}.")
    matches = map(Path, sorted(glob.glob(str(path), recursive=True)))
    files = [file for match in matches for file in (_below(match) if match.is_dir() else [match]) if _is_image(file)]
    if not files:
        raise InputError(f"No photos match {path}.")
    return files


def _below(folder: Path) -> list[Path]:
    def stop(error: OSError) -> None:  # os.walk would ignore a folder that it cannot read
        raise error

    found = sorted(Path(place, name) for place, _, names in os.walk(folder, onerror=stop) for name in names)
    files = [file for file in found if _is_image(file)]
    if len(kinds := {_kind(file) or "photos" for file in files}) > 1:
        kind = ", ".join(sorted(kinds))
        raise InputError(f"{folder} holds several kinds of images ({kind}). Name the files you mean, such as '*.jpg'.")
    return files


def _is_image(file: Path) -> bool:
    """Whether a file that was not named itself is meant: not, say, a table of scores beside the photos."""
    kind = _kind(file)
    return bool(_image_columns(file)) if kind == ".parquet" else kind == ".tar" or _is_photo(file)


def _is_photo(file: Path) -> bool:
    return file.suffix.lower() in PHOTO_SUFFIXES


def _kind(file: Path) -> str:
    return ending if (ending := file.suffix.lower()) in (".parquet", ".tar") else ""


def _row_groups(path: Path, shard_size: int) -> Iterator[range]:
    """Neighbouring row groups together until they hold `shard_size` images."""
    columns = _image_columns(path)
    if len(columns) != 1:
        found = "several columns" if columns else "no column"
        raise InputError(f"{path} has {found} of image bytes {tuple(columns) or ''}. It must have one.")
    first = rows = 0
    with _parquet(path) as file:
        for group in range(file.num_row_groups):
            rows += file.metadata.row_group(group).num_rows
            if rows >= shard_size or group == file.num_row_groups - 1:
                yield range(first, group + 1)
                first, rows = group + 1, 0


def _rows(path: Path, groups: range, content: bool) -> Iterator[tuple[str, bytes]]:
    (column,) = _image_columns(path)
    with _parquet(path) as file:
        counts = [file.metadata.row_group(group).num_rows for group in range(groups.stop)]
        names = [str(row) for row in range(sum(counts[: groups.start]), sum(counts))]  # unless there is such a column
        if "name" in file.schema_arrow.names:
            names = file.read_row_groups(groups, ["name"])["name"].to_pylist()
        if not content:
            yield from zip(names, repeat(b""))
            return
        batches = file.iter_batches(_ROWS_AT_ONCE, groups, [column])
        cells = chain.from_iterable(batch.column(0).to_pylist() for batch in batches)
        for name, cell in zip(names, cells, strict=True):
            yield name, (cell["bytes"] if isinstance(cell, dict) else cell) or b""


def _image_columns(path: Path) -> list[str]:
    """Columns of bytes, or of structs with `bytes` as Hugging Face's datasets write them."""
    with _parquet(path) as file:
        kinds = {field.name: field.type for field in file.schema_arrow}
    for name, kind in kinds.items():
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            kinds[name] = kind.field("bytes").type
    return [name for name, kind in kinds.items() if pa.types.is_binary(kind) or pa.types.is_large_binary(kind)]


@contextmanager
def _parquet(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is not a readable Parquet file ({error}).") from error
