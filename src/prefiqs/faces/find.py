"""Which images are meant: photos, folders and globs of them, and image sets packed as Parquet, tar or zip files."""

import glob
import lzma
import os
import re
import tarfile
import zipfile
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import chain, groupby, repeat
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from prefiqs.errors import InputError
from prefiqs.faces.decode import PHOTO_SUFFIXES, read_file

RUN_RECORD = "_run.json"  # marks a folder of results; readers of Parquet folders ignore names that begin like this
_HIDDEN, _RESULTS = "hidden", "with results"
_ROWS_AT_ONCE = 64
_MOST_BYTES = 2**30  # of a photo in an archive, which may be compressed
_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz")
_PACKED = (".parquet", ".zip")
# What a damaged archive raises, and a zip file with a password or a method of compression that is not known.
_DAMAGES = (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, RuntimeError, zlib.error, lzma.LZMAError)
_OF_SYSTEMS = {"@eadir", "__macosx", "lost+found", "#recycle", "$recycle.bin", "system volume information"}


class EncodedImage(NamedTuple):
    """An image that has not been read yet: its path, or FILE/NAME inside a packed set, what reads it, and its file."""

    name: str
    read: Callable[[], bytes]
    file: Path


@dataclass(frozen=True)
class Shard:
    """Some images that are read together, in the same order in every run: photos, or a packed set of them."""

    files: tuple[Path, ...]  # photos; or one Parquet, tar or zip file, whose images are called FILE/NAME
    groups: range = range(0)  # the row groups that are meant of a Parquet file
    only: frozenset[str] | None = None  # names of the images that are meant, if not all
    passed_over: Counter[str] = field(
        default_factory=Counter, compare=False, repr=False
    )  # in an archive, when last read

    def names(self, unlike: Mapping[str, str] | None = None) -> list[str]:
        """The names of all images, also of those that are not in `only`, without reading them.

        unlike: leaves out the names in it, unless the file had another `file_state` (or "": not known).
        """
        return [
            name for name, _, file in self._all(content=False)
            if not (unlike and name in unlike and unlike[name] in ("", file_state(file)))
        ]  # fmt: skip

    def images(self) -> Iterator[EncodedImage]:
        """The images in order; `InputError` for a file that cannot be read to its end."""
        return (image for image in self._all(content=True) if self.only is None or image.name in self.only)

    def _all(self, content: bool) -> Iterator[EncodedImage]:
        file = self.files[0]
        match _kind(file):
            case ".tar" | ".zip":
                self.passed_over.clear()
                packed = archive_members(file, self._is_photo, content)
            case ".parquet":
                packed = _rows(file, self.groups, content)
            case _:
                return (EncodedImage(path_text(path), partial(read_file, path), path) for path in self.files)
        return (EncodedImage(path_text(f"{file}/{name}"), partial(bytes, data), file) for name, data in packed)

    def _is_photo(self, member: str, size: int) -> bool:
        name = PurePosixPath(member)
        system = next(filter(_is_of_system, name.parts), "")
        meant = name.suffix.lower() in PHOTO_SUFFIXES and not system
        if not meant:
            self.passed_over[_left_as(system) if system else _ending(name)] += 1
        elif size > _MOST_BYTES:
            raise InputError(f"{self.files[0]}/{name} has {size:,} bytes, but a photo may have {_MOST_BYTES:,}.")
        return meant


def file_state(path: Path) -> str:
    """Size and time of the last change of a file, which tell whether it is still the same."""
    with suppress(OSError):
        status = path.stat()
        return f"{status.st_size}@{status.st_mtime_ns}"
    return "missing"


def archive_members(
    path: Path, wanted: Callable[[str, int], bool], content: bool = True
) -> Iterator[tuple[str, bytes]]:
    """Name and content of the files in a tar or zip file that are `wanted`, given name and size; `InputError` if it is
    damaged. In a compressed one, a file can be of any size: `wanted` decides which are small enough."""
    try:
        if _kind(path) == ".zip":
            with zipfile.ZipFile(path) as packed:
                for info in packed.infolist():
                    if not info.is_dir() and wanted(info.filename, info.file_size):
                        yield info.filename, packed.read(info) if content else b""
        else:
            with tarfile.open(path) as tar:
                for member in tar:
                    if member.isfile() and wanted(member.name, member.size):
                        file = tar.extractfile(member) if content else None
                        yield member.name, file.read() if file else b""
    except _DAMAGES as error:
        what = "readable zip file" if _kind(path) == ".zip" else "complete tar file"
        raise InputError(f"{path} is not a {what} ({' '.join(str(error).split())}).") from error


def find_images(
    given: Iterable[str | Path], shard_size: int = 1024, passed_over: Counter[str] | None = None
) -> list[Shard]:
    """Find photos in files, folders (searched at any depth) and globs, each once, folders in the order of their paths.

    Parquet files (one column of image bytes, possibly a column `name`), tar and zip files are image sets; a folder may
    hold one kind of such files instead of photos. A file that is named itself counts whatever its ending is. A shard
    has `shard_size` images, but row groups and archives are not split.

    Links to folders are followed, but a folder is searched once, however many links lead to it. `passed_over` counts
    the files that are not meant, by ending: those that are no photos, hidden ones, folders of systems and of results.

    Raises `InputError` for files that do not exist, a glob without a match, no images at all, or a folder with several
    kinds of images; `OSError` for a folder that cannot be read.
    """
    if shard_size < 1:
        raise InputError(f"A shard must have at least one image, not {shard_size}.")
    paths = [Path(path) for path in given]
    missing = [path for path in paths if not (path.exists() or glob.has_magic(str(path)))]
    if missing:
        count = f" ({len(missing)} files that were named are missing)" if len(missing) > 1 else ""
        raise InputError(f"File not found: {missing[0]}{count}.")
    passed_over = Counter() if passed_over is None else passed_over
    left: dict[Path, str] = {}  # what is skipped, and as what it counts
    files = dict.fromkeys(file for path in paths for file in _files(path, left))
    passed_over.update(kind for path, kind in left.items() if path not in files)
    if not files:
        endings = ", ".join(sorted(PHOTO_SUFFIXES))
        what = f"No photos found in {', '.join(map(str, paths))}. Photos end in {endings}. {in_words(passed_over)}"
        raise InputError(what.strip())
    shards: list[Shard] = []
    for kind, alike in groupby(files, _kind):
        if kind in (".tar", ".zip"):
            shards += (Shard((file,)) for file in alike)
        elif kind == ".parquet":
            shards += (Shard((file,), groups) for file in alike for groups in _row_groups(file, shard_size))
        else:
            photos = tuple(alike)
            shards += (Shard(photos[i : i + shard_size]) for i in range(0, len(photos), shard_size))
    return shards


def in_words(passed_over: Counter[str], shards: Iterable[Shard] = ()) -> str:
    """What `find_images` counted and, of `shards` that were read, their archives, in words; or nothing."""
    passed_over = sum((shard.passed_over for shard in shards), passed_over)
    counts = ", ".join(f"{count} {kind}" for kind, count in passed_over.most_common())
    return f"Skipped: {counts}." if counts else ""


def path_text(path: Path | str) -> str:
    """A path as text that every file format can hold; bytes that are not UTF-8 are written as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def path_of(text: Path) -> Path:
    """The path of which `path_text` made a text, with the bytes that are written as \\xNN."""
    return Path(os.fsdecode(re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), bytes(text))))


def _files(path: Path, left: dict[Path, str]) -> list[Path]:
    if path.exists() and not path.is_dir():
        return [path]
    files = []
    for match in [path] if path.is_dir() else _glob(path):
        if match != path and (match / RUN_RECORD).is_file():
            left[match] = _RESULTS
        else:
            files += _below(match, left) if match.is_dir() else _images([match], left)
    if not (files or path.is_dir()):
        raise InputError(f"No photos match {path}.")
    # Zip files beside other images are skipped, because they often contain the same.
    zips = {file for file in files if _kind(file) == ".zip"}
    if len(zips) == len(files):
        return files
    left |= dict.fromkeys(zips, ".zip")
    return [file for file in files if file not in zips]


def _glob(pattern: Path) -> list[Path]:
    """What a glob matches; `**` means the folders that are searched without a glob, so that loops of links end."""
    place = pattern.parts.index("**") if "**" in pattern.parts else len(pattern.parts)
    head, star, tail = pattern.parts[:place], pattern.parts[place:], pattern.parts[place + 1 :]
    tops = sorted(glob.glob(str(Path(*head))))
    matches: Iterable[Path] = map(Path, tops)
    if tail:
        folders = (folder for top in tops if os.path.isdir(top) for folder, _ in _search(top, {}))
        matches = chain.from_iterable(_glob(Path(glob.escape(folder), *tail)) for folder in folders)
    return [match for match in matches if star or not any(map(_is_of_system, set(match.parts) - set(head)))]


def _below(folder: Path, left: dict[Path, str]) -> list[Path]:
    files = _images((Path(place, name) for place, names in _search(str(folder), left) for name in names), left)
    kinds = {_kind(file) or "photos" for file in files}
    if len(kinds - {".zip"}) > 1:
        kind = ", ".join(sorted(kinds))
        raise InputError(f"{folder} contains several kinds of images ({kind}). Name those you mean, such as '*.jpg'.")
    return sorted(files)


def _images(files: Iterable[Path], left: dict[Path, str]) -> list[Path]:
    """Of files that were not named themselves, those that are meant: not, say, a table of scores beside the photos."""
    found = []
    for file in files:
        kind = _kind(file)
        if file.name.startswith("."):
            left[file] = _HIDDEN
        elif bool(_image_columns(file)) if kind == ".parquet" else kind or file.suffix.lower() in PHOTO_SUFFIXES:
            found.append(file)
        else:
            left[file] = _ending(file)
    return found


def _search(top: str, left: dict[Path, str]) -> Iterator[tuple[str, list[str]]]:
    """Folders from `top` downwards and the names of their files; links come last, so that real paths win."""

    def stop(error: OSError) -> None:  # os.walk would ignore a folder that it cannot read
        raise error

    searched, waiting = set(), deque([top])
    while waiting:
        start = waiting.popleft()
        for place, folders, names in os.walk(start, onerror=stop):
            status = os.stat(place)
            identity = (status.st_dev, status.st_ino)
            if place != top and RUN_RECORD in names:
                left[Path(place)] = _RESULTS
                folders.clear()
                continue
            if identity in searched:
                folders.clear()
                continue
            searched.add(identity)
            unwanted = list(filter(_is_of_system, folders))
            left |= {Path(place, name): _left_as(name) for name in unwanted}
            folders[:] = sorted(set(folders) - set(unwanted))
            waiting += (path for name in folders if os.path.islink(path := os.path.join(place, name)))
            yield place, names


def _is_of_system(name: str) -> bool:
    """Whether a name is that of a hidden file or folder, or of a folder that systems add."""
    return name.startswith(".") or name.lower() in _OF_SYSTEMS


def _left_as(name: str) -> str:
    """As what a hidden file or folder counts, or a folder of the system."""
    return _HIDDEN if name[0] == "." else f"{name}/"


def _ending(file: PurePath) -> str:
    return file.suffix.lower() or "without ending"


def _kind(file: Path) -> str:
    name = file.name.lower()
    return ".tar" if name.endswith(_TAR_SUFFIXES) else next((end for end in _PACKED if name.endswith(end)), "")


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
        names = _row_names(path, path.stat().st_mtime_ns)[sum(counts[: groups.start]) : sum(counts)]
        if not content:
            yield from zip(names, repeat(b""))
            return
        batches = file.iter_batches(_ROWS_AT_ONCE, groups, [column])
        cells = chain.from_iterable(batch.column(0).to_pylist() for batch in batches)
        for name, cell in zip(names, cells, strict=True):
            yield name, (cell["bytes"] if isinstance(cell, dict) else cell) or b""


@lru_cache(maxsize=2)  # a file is read once, although it may make many shards
def _row_names(path: Path, _changed: int) -> list[str]:
    """A name for each row: its column `name`; or the `path` of the image, with the row if not distinct; or the row."""
    (column,) = _image_columns(path)
    with _parquet(path) as file:
        rows, fields = range(file.metadata.num_rows), file.schema_arrow
        if "name" in fields.names:
            return list(map(str, file.read(["name"])["name"].to_pylist()))
        kind = fields.field(column).type
        if not (pa.types.is_struct(kind) and kind.get_field_index("path") >= 0):
            return list(map(str, rows))
        paths = [cell and cell["path"] for cell in file.read([f"{column}.path"])[column].to_pylist()]
    names = [text or str(row) for row, text in zip(rows, paths, strict=True)]
    return names if len(set(names)) == len(names) else [f"{row}/{name}" for row, name in enumerate(names)]


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
