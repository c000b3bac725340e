"""Files that appear whole or not at all: an interrupted run leaves the old file or the new one, and so does a crash."""

import codecs
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from prefiqs.errors import InputError


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; the file takes its place when the context ends without an error.

    Several processes and threads may write the same file; the last one to end wins. The folder is made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{uuid4().hex}.partial")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())  # or a crash of the machine could leave the new name without the content
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Where to write a folder that takes the place of `path`, as a whole, when the context ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as work:
        new, old = Path(work) / "new", Path(work) / "old"
        new.mkdir()
        yield new
        if path.exists():
            path.rename(old)
        try:
            new.rename(path)
        except BaseException:
            if old.exists():
                old.rename(path)
            raise


def write_text(text: str, path: str | Path) -> None:
    """Write a UTF-8 text file."""
    write_bytes(text.encode(), path)


def write_bytes(content: bytes, path: str | Path) -> None:
    """Write a file of bytes."""
    with whole_file(path) as partial:
        partial.write_bytes(content)


def read_text(path: str | Path) -> str:
    """Read a text file as `decode_text` does; any ends of lines become `\\n`. `InputError` if there is none."""
    require_file(path)
    text = decode_text(Path(path).read_bytes(), path)
    if "\0" in text:
        raise InputError(f"{path} is not text: it contains NUL characters. If it is UTF-16, save it as UTF-8.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def decode_text(content: bytes, source: str | Path, errors: str = "strict") -> str:
    """Text in UTF-8, or UTF-16 with its mark; `InputError` for other bytes: older encodings cannot be told apart.

    errors: what to do with bytes that are not UTF-8, as for `bytes.decode`.
    """
    if content.startswith((b"PK\3\4", b"\xd0\xcf\x11\xe0")):  # .xlsx, .ods …; .xls …
        raise InputError(f"{source} is a spreadsheet or another document, not text. Save it as CSV or text.")
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return content.decode("utf-16")
        return content.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        raise InputError(f"{source} is not UTF-8 text ({error}). Save it as text or CSV in UTF-8.") from error


def require_file(path: str | Path) -> None:
    """Raise `InputError` unless there is such a file."""
    if not Path(path).is_file():
        raise InputError(f"File not found: {path}.")


def damaged(what: str, path: str | Path, error: Exception) -> InputError:
    """The error for a file that cannot be read; `what` it should be, with its article."""
    return InputError(f"{path} is not {what}, or is damaged ({type(error).__name__}). Delete it and create it again.")
