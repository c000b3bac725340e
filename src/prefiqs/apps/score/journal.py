"""The rows of an unfinished run, in a file beside its table: one photo a line, kept if the run is killed."""

import json
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, groupby
from pathlib import Path
from typing import NamedTuple, Self

from filelock import FileLock, Timeout

from prefiqs.apps.score.rows import AND, ROWS_AT_ONCE, Row, read_scores, write_rows
from prefiqs.errors import InputError


class Kept(NamedTuple):
    """What a journal has of a photo: whether it has a score, the state of its file, and where its line ends."""

    scored: bool
    state: str
    end: int


class ScoreJournal:
    """The rows that a run has written so far. A context manager that only one run can enter at a time.

    The file is OUT.progress: one line with the settings, then one line per photo. OUT.lock stays locked meanwhile, at
    most until the process ends. `finish` turns the journal into OUT.

    settings: everything that affects scores. resume: continue a run that was stopped, or extend the table that exists.
    force: replace what exists. photos: the names that the table will have; a table of the same photos and settings may
    be replaced without `force`. `done`: the photos that have rows, by name. If a photo is scored again because its file
    has changed, the later rows count.

    Raises `InputError` if another run is writing OUT, or rows exist that have other settings or are not to be resumed.
    """

    def __init__(self, out: Path, settings: str, resume: bool, force: bool = False, photos: Iterable[str] = ()):
        self.out, self.settings, self.resume, self.force, self.photos = out, settings, resume, force, photos
        self.path = out.with_name(out.name + ".progress")
        self.done: dict[str, Kept] = {}
        self._finished = False

    def __enter__(self) -> Self:
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.out.with_name(self.out.name + ".lock"), timeout=0)
        try:
            with warnings.catch_warnings(action="ignore"):  # without flock, filelock has a fallback
                self._lock.acquire()
        except Timeout:
            raise InputError(
                f"Another run is writing {self.out}. Wait for it to finish or choose another --out."
            ) from None
        self._file = self.path.open("ab")
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def append(self, rows: list[Row]) -> None:
        """Keep the rows of one photo."""
        self._write(rows)
        self._note(rows, self._file.tell())

    def finish(self) -> None:
        """Write the table; the journal goes when the context ends."""
        lines = ((end, line) for end, line in self._lines() if isinstance(line, list))
        write_rows((row for end, rows in lines if end == self.done[rows[0]["path"]].end for row in rows), self.out)
        self._finished = True

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._finished or not self.done:
            self.path.unlink(missing_ok=True)
        with suppress(OSError):  # not on Windows, where releasing a lock removes its file
            Path(self._lock.lock_file).unlink()
        self._lock.release()

    def _start(self) -> None:
        header, end = {}, 0
        for end, line in self._lines():  # noqa: B007
            if isinstance(line, dict):
                header = line
            else:
                self._note(line, end)
        if self.force:
            self.done.clear()
        if self.done and not self.resume:
            raise InputError(f"{self.path} has the results of an interrupted run ({len(self.done)} photos). Continue "
                             "it with --resume, or start again with --force.")  # fmt: skip
        if not (self.resume or self.force) and self.out.exists() and (others := self._others()):
            raise InputError(f"{self.out} has {others}. Replace it with --force, keep its rows with --resume, or "
                             "choose another --out.")  # fmt: skip
        if self.done:
            self._check(header.get("settings"), self.path)
        else:
            header, end = {"settings": self.settings, "extends": self.resume and self.out.exists()}, 0
        self._file.truncate(end)  # a line that a killed run wrote by half
        if not end:
            self._write(header)
        if header["extends"]:  # take over the rows of the finished table, as far as that has not happened
            batches = read_scores(self.out).to_batches(ROWS_AT_ONCE)
            existing = chain.from_iterable(batch.to_pylist() for batch in batches)
            for name, of_photo in groupby(existing, key=lambda row: row["path"]):
                if name not in self.done:
                    rows = list(of_photo)
                    self._check(AND.join(dict.fromkeys(row["settings"] for row in rows)), self.out)
                    self.append(rows)

    def _others(self) -> str:
        """What is in the table but not of this run; nothing if only that would be written anew."""
        try:
            table = read_scores(self.out)
        except InputError:
            return "contents that are not a table of `prefiqs score`"
        if set(table["path"].unique().to_pylist()) != set(self.photos):
            return "scores of other photos"
        return "" if AND.join(table["settings"].unique().to_pylist()) == self.settings else "scores of other settings"

    def _check(self, settings: str | None, path: Path) -> None:
        if settings != self.settings:
            raise InputError(f"{path} has scores made with other options ({settings}), not {self.settings}. Use the "
                             "same options and version, or choose another --out.")  # fmt: skip

    def _write(self, line: dict | list) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()

    def _note(self, rows: list[Row], end: int) -> None:
        scored = any(row["score"] is not None for row in rows)
        self.done[rows[0]["path"]] = Kept(scored, rows[0].get("file_state", ""), end)

    def _lines(self) -> Iterator[tuple[int, dict | list]]:
        """The complete lines, each with the offset of its end."""
        with self.path.open("rb") as file, suppress(ValueError):
            for line in file:
                if not line.endswith(b"\n"):
                    return
                yield file.tell(), json.loads(line)
