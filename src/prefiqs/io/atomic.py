"""Files that appear whole or not at all: an interrupted run leaves the old file or the new one."""

from __future__ import annotations

from pathlib import Path

from prefiqs.errors import InputError


def partial_path(path: str | Path) -> Path:
    """Where the content of a file is written before it takes its name; its folder is made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(path.name + ".partial")


def write_text(text: str, path: str | Path) -> None:
    """Write a UTF-8 text file."""
    write_bytes(text.encode(), path)


def write_bytes(content: bytes, path: str | Path) -> None:
    """Write a file of bytes."""
    partial = partial_path(path)
    partial.write_bytes(content)
    partial.replace(path)


def read_text(path: str | Path) -> str:
    """Read a UTF-8 text file; `InputError` for other bytes."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"Expected UTF-8 text in {path}, got other bytes ({error}).") from error


def damaged(what: str, path: str | Path, error: Exception) -> InputError:
    """The error for a file that cannot be read."""
    return InputError(
        f"Expected {what} in {path}, got a file that is none or is damaged ({type(error).__name__}); make it anew."
    )
