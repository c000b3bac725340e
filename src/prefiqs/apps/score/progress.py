"""The rows of a run that is not finished, in a file beside its table: one photo a line, kept if the run is killed."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from prefiqs.apps.score.rows import Row
from prefiqs.apps.score.tables import read_table_of_rows, write_table_of_rows
from prefiqs.errors import InputError


class ScoreJournal:
    """The rows that a run has so far. A context manager; one run at a time can be inside.

    The file is OUT.progress: a line with the settings, then a line a photo. While a run has it open it is locked, and
    the lock ends with the process, however that ends. `finish` turns it into OUT.

    Args:
        out: the table that the run makes.
        settings: what decides about scores; rows of other settings are not gone on with.
        resume: go on with the rows of a run that was stopped, or of the table that is there already.

    Attributes:
        done: paths (as in the rows) of the photos that have rows, and whether each has a score.

    Raises:
        InputError: another run is at work on `out`; rows of other settings, or rows that are there although `resume` is
            not set.
    """

    def __init__(self, out: Path, settings: str, resume: bool):
        self.out, self.settings, self.resume = out, settings, resume
        self.path = out.with_name(out.name + ".progress")
        self.done: dict[str, bool] = {}

    def __enter__(self) -> ScoreJournal:
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._locked()
        self._worthless = False
        try:
            self._start()
        except BaseException:
            self._close()
            raise
        return self

    def append(self, rows: list[Row]) -> None:
        """Keep the rows of one photo."""
        self._write(rows)
        self._note(rows)

    def finish(self) -> None:
        """Write the table and remove this file."""
        write_table_of_rows((row for rows in self._kept() for row in rows), self.out)
        self.path.unlink()

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._worthless:
            self.path.unlink(missing_ok=True)
        self._file.close()

    def _locked(self) -> BinaryIO:
        while True:
            file = self.path.open("ab")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                raise InputError(f"Expected no other run that writes {self.out}, got one that is at work; wait for it "
                                 "or choose another --out.") from None  # fmt: skip
            # The other run may have finished, and removed the file, between the two calls above.
            if self.path.exists() and os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                return file
            file.close()

    def _start(self) -> None:
        header, end = {}, 0
        for end, line in self._lines():  # noqa: B007
            if isinstance(line, dict):
                header = line
            else:
                self._note(line)
        if self.done and not self.resume:
            raise InputError(f"Expected no results of a run that was stopped, got {len(self.done)} photos in "
                             f"{self.path}; go on with them by --resume, or remove that file.")  # fmt: skip
        if self.done:
            self._check(header.get("settings"), self.path)
            self._file.truncate(end)  # a line that a killed run wrote by half
        else:
            self._worthless = True
            self._file.truncate(0)
            header = {"settings": self.settings, "extends": self.resume and self.out.exists()}
            self._write(header)
        if header["extends"]:
            self._copy_table()

    def _copy_table(self) -> None:
        """Take over the rows of the table that is there already, as far as that has not happened."""
        for path, of_photo in groupby(read_table_of_rows(self.out), key=lambda row: row["path"]):
            if path not in self.done:
                rows = list(of_photo)
                self._check(rows[0]["settings"], self.out)
                self.append(rows)

    def _check(self, settings: str | None, place: Path) -> None:
        if settings != self.settings:
            raise InputError(f"Expected rows of {self.settings!r} in {place} to go on with, got those of {settings!r}; "
                             "use the same options, or choose another --out.")  # fmt: skip

    def _write(self, line: dict | list) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()

    def _note(self, rows: list[Row]) -> None:
        self.done[rows[0]["path"]] = any(row["score"] is not None for row in rows)
        self._worthless = False

    def _kept(self) -> Iterator[list[Row]]:
        return (line for _, line in self._lines() if isinstance(line, list))

    def _lines(self) -> Iterator[tuple[int, dict | list]]:
        """The whole lines, each with the place where it ends."""
        end = 0
        with self.path.open("rb") as file:
            for line in file:
                try:
                    content = json.loads(line) if line.endswith(b"\n") else None
                except ValueError:
                    content = None
                if content is None:
                    return
                end += len(line)
                yield end, content
