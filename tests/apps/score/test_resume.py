"""Runs that are killed, repeated, extended or doubled: the same file in the end, and no row lost."""

import errno
import json
import os
import shutil
import subprocess
import sys
import tarfile
import textwrap
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from small_networks import TinyNet

from prefiqs.apps.score import scorer as scoring
from prefiqs.apps.score.journal import ScoreJournal
from prefiqs.apps.score.run import write_scores
from prefiqs.apps.score.scorer import PhotoScorer, describe
from prefiqs.embedding.flops import flops
from prefiqs.errors import InputError
from prefiqs.faces import reader
from prefiqs.faces.align import AlignedFace
from prefiqs.faces.find import EncodedImage, Shard, find_images
from prefiqs.faces.reader import Photo
from prefiqs.faces.template import ARCFACE_TEMPLATE


class Counting:
    """Counts the photos that a scorer is asked for, and stops in front of one."""

    def __init__(self, scorer, stop_before=None):
        self.scorer, self.settings, self.seen, self.stop_before = scorer, scorer.settings, [], stop_before

    def __call__(self, shards):
        for path in (Path(image.name) for shard in shards for image in shard.images()):
            if path == self.stop_before:
                raise KeyboardInterrupt
            self.seen.append(path)
            yield from self.scorer([Shard((path,))])


def write(scorer, photos, out, resume=False, force=False):
    """How many photos have no score."""
    return write_scores(scorer, find_images(photos), out, resume, force)[1]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "scores.csv"


@pytest.fixture
def whole(scorer, photos, tmp_path):
    """What an undisturbed run writes."""
    write(scorer, photos, tmp_path / "whole.csv")
    return (tmp_path / "whole.csv").read_bytes()


def stopped(scorer, photos, out, after, force=False):
    with pytest.raises(KeyboardInterrupt):
        write(Counting(scorer, photos[after]), photos, out, force=force)
    return out.with_name("scores.csv.progress")


def test_a_run_killed_while_it_works_goes_on(scorer, photos, out, whole):
    progress = out.with_name("scores.csv.progress")
    script = Path(__file__).with_name("killed_run.py")
    process = subprocess.Popen([sys.executable, script, out, *photos])
    while process.poll() is None and not (progress.exists() and progress.read_bytes().count(b"\n") >= 3):
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -9, "it was at work when it was killed"
    assert not out.exists()
    lines = progress.read_bytes().splitlines(keepends=True)
    progress.write_bytes(b"".join(lines) + lines[1][:50])  # and killed once more, in the middle of a line
    counting = Counting(scorer)
    assert write(counting, photos, out, resume=True) == 2
    assert counting.seen == photos[len(lines) - 1 :]
    assert 0 < len(counting.seen) < len(photos)
    assert out.read_bytes() == whole
    assert not progress.exists()


def test_results_of_a_stopped_run_are_not_overwritten(scorer, photos, out):
    progress = stopped(scorer, photos, out, 3)
    before = progress.read_bytes()
    with pytest.raises(
        InputError,
        match="scores.csv.progress has the results of an interrupted run .3 photos.. Continue it with --resume",
    ):
        write(scorer, photos, out)
    assert progress.read_bytes() == before


def test_a_run_without_any_result_leaves_nothing(scorer, photos, out, whole):
    progress = stopped(scorer, photos, out, 0)
    assert not progress.exists()
    progress.write_bytes(b'{"settings": "pre')  # killed in its first line
    write(scorer, photos, out)
    assert out.read_bytes() == whole


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
def test_a_finished_table_is_extended_by_new_photos(scorer, photos, tmp_path, name):
    out, whole = tmp_path / name, tmp_path / f"whole-{name}"
    write(scorer, photos[:4], out)
    counting = Counting(scorer, photos[5])
    with pytest.raises(KeyboardInterrupt):
        write(counting, photos, out, resume=True)
    assert counting.seen == [photos[4]]
    counting = Counting(scorer)
    assert write(counting, photos, out, resume=True) == 2
    assert counting.seen == photos[5:]
    write(scorer, photos, whole)
    assert out.read_bytes() == whole.read_bytes()


def test_rows_of_other_photos_are_kept(scorer, photos, out):
    write(scorer, photos[:2], out)
    assert write(scorer, photos[4:5], out, resume=True) == 0
    assert pd.read_csv(out)["path"].to_list() == [str(path) for path in (*photos[:2], photos[4])]


def test_an_earlier_table_does_not_join_a_run_that_did_not_want_it(scorer, photos, out, whole):
    out.write_text("another table\n")
    stopped(scorer, photos, out, 3, force=True)
    assert out.read_text() == "another table\n"
    write(scorer, photos, out, resume=True)
    assert out.read_bytes() == whole


def test_other_settings_are_refused(scorer, photos, out):
    write(scorer, photos[:2], out)
    before = out.read_bytes()
    others = [
        PhotoScorer("prefiqs", TinyNet(), device="cpu", ratio=0.5),
        PhotoScorer("norm", TinyNet(), device="cpu"),
        PhotoScorer("prefiqs", TinyNet(), device="cpu", all_faces=True),
    ]
    for other in others:
        with pytest.raises(InputError, match="scores.csv has scores made with other options .prefiqs tiny-0 ratio=0.4"):
            write(other, photos, out, resume=True)
    assert out.read_bytes() == before
    progress = stopped(scorer, photos, out, 3, force=True)
    for other in others:
        with pytest.raises(InputError, match="scores.csv.progress has scores made with other options"):
            write(other, photos, out, resume=True)
    assert progress.read_bytes().count(b"\n") == 4


def test_scores_of_another_alignment_are_not_extended(scorer, photos, out, monkeypatch):
    """Unless the photos were aligned before."""
    write(scorer, photos[:2], out)
    before = {aligned: describe("norm", "sface", {}, aligned, False) for aligned in (False, True)}
    monkeypatch.setattr(scoring, "VERSION", scoring.VERSION + 1)
    assert describe("norm", "sface", {}, False, False) != before[False]
    assert describe("norm", "sface", {}, True, False) == before[True]
    later = PhotoScorer("prefiqs", TinyNet(), device="cpu")
    with pytest.raises(InputError, match="made with other options .*alignment=3.*, not .*alignment=4"):
        write(later, photos, out, resume=True)


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet", "scores.txt"])
def test_scores_of_other_photos_or_settings_are_replaced_only_by_force(scorer, photos, tmp_path, name):
    out, other = tmp_path / name, PhotoScorer("norm", TinyNet(), device="cpu")
    write(scorer, photos[:4], out)
    before = out.read_bytes()
    for given, which, found in (
        (scorer, photos[:3], "scores of other photos"),
        (scorer, photos[:5], "scores of other photos"),
        (other, photos[:4], "scores of other settings"),
    ):
        found = "contents that are not a table of `prefiqs score`" if name == "scores.txt" else found
        with pytest.raises(InputError, match=f"{name} has {found}. Replace it with --force, keep its rows with --res"):
            write(given, which, out)
    assert out.read_bytes() == before
    if name != "scores.txt":
        write(scorer, photos[:4], out)  # the same photos and settings: nothing is lost
        assert out.read_bytes() == before
    write(other, photos, out, force=True)
    write(other, photos, tmp_path / f"whole-{name}")
    assert out.read_bytes() == (tmp_path / f"whole-{name}").read_bytes()


def test_a_stopped_run_can_start_anew(scorer, photos, out, whole):
    stopped(scorer, photos[::-1], out, 3)
    counting = Counting(scorer)
    write(counting, photos, out, force=True)
    assert counting.seen == photos and out.read_bytes() == whole
    assert [path.name for path in out.parent.glob("scores.csv*")] == ["scores.csv"]


@pytest.mark.parametrize("content", ["", "path,score\na.jpg,0.5\n", "no table", "\x00"])
def test_a_table_of_something_else_is_refused(scorer, photos, tmp_path, content):
    for name in ("scores.csv", "scores.parquet"):
        (tmp_path / name).write_text(content)
        with pytest.raises(InputError, match="is not a table of `prefiqs score`"):
            write(scorer, photos, tmp_path / name, resume=True)
        assert (tmp_path / name).read_text() == content
        assert not list(tmp_path.glob("*.progress"))


def test_a_finished_text_file_cannot_be_extended(scorer, photos, tmp_path):
    write(scorer, photos[:1], tmp_path / "scores.txt")
    with pytest.raises(InputError, match="does not say how its scores were made"):
        write(scorer, photos, tmp_path / "scores.txt", resume=True)


def test_two_runs_at_once(scorer, photos, out, whole):
    with ScoreJournal(out, "first", resume=False) as first:
        first.append([{"path": "a", "score": 1.0}])
        for resume in (False, True):
            with pytest.raises(
                InputError, match="Another run is writing .*scores.csv. Wait for it to finish or choose another --out"
            ):
                write(scorer, photos, out, resume)
    assert [json.loads(line) for line in first.path.read_bytes().splitlines()][1] == [{"path": "a", "score": 1.0}]
    first.path.unlink()
    write(scorer, photos, out)
    assert out.read_bytes() == whole


def test_a_lock_without_flock(scorer, photos, out, monkeypatch):
    """As on some network file systems: an existing file is the lock, and that of a dead process is not in the way."""
    fcntl = pytest.importorskip("fcntl", reason="Windows locks in another way")

    def missing(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", missing)
    with (
        ScoreJournal(out, "first", resume=False),
        pytest.raises(InputError, match="Another run is writing"),
        ScoreJournal(out, "second", resume=False),
    ):
        pass
    write(scorer, photos, out)
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_nothing_needs_fcntl(tmp_path):
    """Which Windows lacks."""
    code = """
        import sys
        sys.modules["fcntl"] = None
        import prefiqs.cli, prefiqs.apps.score.journal, prefiqs.apps.score.ray, prefiqs.apps.ray.variants
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


def test_photos_with_one_name(scorer, photos, out):
    with pytest.raises(InputError, match="1.pgm occurs more than once"):
        write_scores(scorer, [Shard((photos[0],)), Shard((photos[0],))], out)


class WatchedPhotos(Shard):
    """Calls `reading` with the number of each photo before it is read."""

    reading: ClassVar[Callable[[int], object]]

    def _all(self, content):
        def watched(number, read):
            WatchedPhotos.reading(number)
            return read()

        for number, (name, read, file) in enumerate(super()._all(content)):
            yield EncodedImage(name, partial(watched, number, read), file)


def test_a_photo_does_not_wait_for_one_that_takes_long(photos, scorer):
    """However long: the last photo is read only when all others have their rows."""
    written, in_time = Event(), []
    WatchedPhotos.reading = lambda number: number < len(photos) - 1 or in_time.append(written.wait(60))
    rows = scorer([WatchedPhotos(tuple(photos))])
    for path in photos[:-1]:
        assert next(rows)[0]["path"] == str(path)
    written.set()
    assert len(list(rows)) == 1 and in_time == [True]


class Clock:
    """Time that passes only where a test lets it."""

    def __init__(self):
        self.now, self.lock = 0.0, Lock()

    def monotonic(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        with self.lock:
            self.now += seconds


class SlowReader:
    """Takes so many seconds for each photo, which has a face."""

    given = None

    def __init__(self, clock, seconds, begun):
        self.clock, self.seconds, self.begun = clock, seconds, begun

    def __call__(self, image):
        self.begun.append(image.name)
        self.clock.advance(self.seconds)
        return Photo(image.name, [AlignedFace(np.zeros((112, 112, 3), np.uint8), np.zeros(4), ARCFACE_TEMPLATE, 1.0)])


@pytest.mark.parametrize("scoring_takes", [0.05, 0.5, 1.2])
@pytest.mark.parametrize("reading_takes", [0.001, 0.05, 0.2])
def test_a_killed_run_loses_two_seconds_of_work(monkeypatch, reading_takes, scoring_takes):
    """At any time, of the photos without a row: the time that their reading took, and that of their scoring."""
    clock, begun, lost = Clock(), [], []
    monkeypatch.setattr(scoring, "time", clock)
    monkeypatch.setattr(reader, "time", clock)
    scorer = PhotoScorer("norm", TinyNet(), device="cpu", threads=1)
    scorer.reader = SlowReader(clock, reading_takes, begun)
    ((about, measure),) = scorer._measures
    scorer._measures = [(about, lambda faces: clock.advance(scoring_takes) or measure(faces))]
    for written, _ in enumerate(scorer([Shard(tuple(Path(f"{number}.jpg") for number in range(100)))])):
        lost.append((len(begun) - written) * reading_takes + scoring_takes)
    assert len(lost) == len(begun) == 100
    assert max(lost) <= 2 + 2 * reading_takes  # a photo that has been begun is read to its end


@pytest.mark.parametrize(("method", "faces_at_once"), [("prefiqs", 4), ("prefiqs,norm", 2), ("ser-fiq", 8)])
def test_slow_networks_get_few_faces_at_once(photos, monkeypatch, method, faces_at_once):
    """So many, a power of two, as their methods can measure in the time that is allowed; scores stay the same."""
    methods, shards = method.split(","), find_images(photos)
    usual = PhotoScorer(methods, TinyNet(), device="cpu")
    assert usual._chunk == (32 if method == "ser-fiq" else 16)
    monkeypatch.setitem(scoring._WORK, "cpu", 11 * flops(TinyNet()))  # prefiqs takes two forward passes, norm one
    slow = PhotoScorer(methods, TinyNet(), device="cpu")
    assert slow._chunk == faces_at_once
    assert PhotoScorer(methods, TinyNet(), device="cpu", batch_size=16)._chunk == 16  # as the user wishes
    scores = [[row["score"] for rows in scorer(shards) for row in rows] for scorer in (slow, usual)]
    np.testing.assert_allclose(*np.array(scores, float), atol=1e-6)


def changed(photo: Path, content: bytes) -> None:
    """Other content, later than any clock's resolution."""
    later = photo.stat().st_mtime + 10
    photo.write_bytes(content)
    os.utime(photo, (later, later))


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
@pytest.mark.parametrize("finished", [True, False])
def test_a_changed_photo_is_scored_anew(scorer, photos, tmp_path, name, finished):
    """Whether the run came to its end or not; a photo that was only missing before is one that has changed."""
    own = [Path(shutil.copy(photo, tmp_path)) for photo in photos[:5]]
    out, gone = tmp_path / name, own[3].read_bytes()
    own[3].unlink()
    shards = find_images(own[:3]) + [Shard((own[3],))]
    if finished:
        write_scores(scorer, shards, out)
    else:
        with pytest.raises(KeyboardInterrupt):
            write_scores(Counting(scorer, own[4]), [*shards, Shard((own[4],))], out)
    changed(own[0], photos[4].read_bytes())
    own[3].write_bytes(gone)
    counting = Counting(scorer)
    write(counting, own, out, resume=True)
    assert counting.seen == [own[0], own[3], own[4]]
    write(scorer, own, tmp_path / f"whole-{name}")
    read = pd.read_csv if name == "scores.csv" else pd.read_parquet
    table, whole = (read(path).sort_values("path", ignore_index=True) for path in (out, tmp_path / f"whole-{name}"))
    pd.testing.assert_frame_equal(table, whole)
    counting = Counting(scorer)
    write(counting, own, out, resume=True)
    assert not counting.seen


def test_images_of_a_changed_archive_are_scored_anew(scorer, photos, out, tmp_path):
    """All of them, as the archive is one file."""
    for some in (photos[:2], photos[3:0:-1]):  # the same name stands for another image
        with tarfile.open(tmp_path / "set.tar", "w") as tar:
            for place, photo in enumerate(some):
                tar.add(photo, f"{place}.png")
        write(scorer, [tmp_path / "set.tar"], out, resume=True)
    write(scorer, [tmp_path / "set.tar"], tmp_path / "whole.csv")
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
def test_a_table_of_an_earlier_version_is_extended(scorer, photos, tmp_path, name):
    """Which has no state of the files: its photos count as unchanged."""
    out = tmp_path / name
    write(scorer, photos[:3], out)
    if name == "scores.csv":
        table = pd.read_csv(out, keep_default_na=False).drop(columns="file_state")
        table.to_csv(out, index=False, lineterminator="\n")
    else:
        pd.read_parquet(out).drop(columns="file_state").to_parquet(out)
    counting = Counting(scorer)
    write(counting, photos[:4], out, resume=True)
    assert counting.seen == photos[3:4]
    states = (pd.read_csv if name == "scores.csv" else pd.read_parquet)(out)["file_state"].fillna("")
    assert (states == "").to_list() == [True] * 3 + [False]
    counting = Counting(scorer)
    write(counting, photos[:4], out, resume=True)
    assert not counting.seen


@pytest.mark.long
def test_rows_do_not_depend_on_when_a_run_was_killed(scorer, photos, tmp_path):
    """Killed again and again at any time, and resumed: the same file, and each time a little more of it is kept."""
    many = []
    for i in range(12):
        many += [tmp_path / f"{i}-{path.name}" for path in photos]
        for path in photos:
            (tmp_path / f"{i}-{path.name}").write_bytes(path.read_bytes())
    write(scorer, many, tmp_path / "whole.csv")
    out, script, progress = tmp_path / "scores.csv", Path(__file__).with_name("killed_run.py"), []
    for _ in range(4):
        process = subprocess.Popen([sys.executable, script, out, *many])
        lines = journal_lines(out)
        while process.poll() is None and journal_lines(out) <= max(lines, 1):  # the first line is no photo's
            time.sleep(0.01)
        process.kill()
        process.wait()
        progress.append(journal_lines(out) if not out.exists() else 99)
    assert progress == sorted(set(progress)) or progress[-1] == 99
    write(scorer, many, out, resume=True)
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def journal_lines(out):
    progress = out.with_name(out.name + ".progress")
    return progress.read_bytes().count(b"\n") if progress.exists() else 0
