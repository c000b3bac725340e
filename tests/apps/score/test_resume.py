"""Runs that are killed, repeated, extended or doubled: the same file in the end, and no row lost."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from small_networks import TinyNet

from prefiqs.apps.score.progress import ScoreJournal
from prefiqs.apps.score.run import write_scores
from prefiqs.apps.score.scorer import FaceScorer, PhotoScorer
from prefiqs.errors import InputError


class Counting(PhotoScorer):
    """Counts the photos that it is asked for, and stops in front of one."""

    def __init__(self, faces, stop_before=None, **options):
        super().__init__(faces, **options)
        self.seen, self.stop_before = [], stop_before

    def __call__(self, paths):
        for path in paths:
            if path == self.stop_before:
                raise KeyboardInterrupt
            self.seen.append(path)
            yield from super().__call__([path])


@pytest.fixture
def out(tmp_path):
    return tmp_path / "scores.csv"


@pytest.fixture
def whole(face_scorer, photos, tmp_path):
    """What an undisturbed run writes."""
    write_scores(PhotoScorer(face_scorer), photos, tmp_path / "whole.csv")
    return (tmp_path / "whole.csv").read_bytes()


def stopped(face_scorer, photos, out, after):
    with pytest.raises(KeyboardInterrupt):
        write_scores(Counting(face_scorer, photos[after]), photos, out)
    return out.with_name("scores.csv.progress")


def test_a_run_killed_while_it_works_goes_on(face_scorer, photos, out, whole):
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
    scorer = Counting(face_scorer)
    assert write_scores(scorer, photos, out, resume=True) == 2
    assert scorer.seen == photos[len(lines) - 1 :]
    assert 0 < len(scorer.seen) < len(photos)
    assert out.read_bytes() == whole
    assert not progress.exists()


def test_results_of_a_stopped_run_are_not_overwritten(face_scorer, photos, out):
    progress = stopped(face_scorer, photos, out, 3)
    before = progress.read_bytes()
    with pytest.raises(InputError, match="got 3 photos in .*scores.csv.progress; go on with them by --resume"):
        write_scores(PhotoScorer(face_scorer), photos, out)
    assert progress.read_bytes() == before


def test_a_run_without_any_result_leaves_nothing(face_scorer, photos, out, whole):
    progress = stopped(face_scorer, photos, out, 0)
    assert not progress.exists()
    progress.write_bytes(b'{"settings": "pre')  # killed in its first line
    write_scores(PhotoScorer(face_scorer), photos, out)
    assert out.read_bytes() == whole


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
def test_a_finished_table_is_extended_by_new_photos(face_scorer, photos, tmp_path, name):
    out, whole = tmp_path / name, tmp_path / f"whole-{name}"
    write_scores(PhotoScorer(face_scorer), photos[:4], out)
    scorer = Counting(face_scorer, photos[5])
    with pytest.raises(KeyboardInterrupt):
        write_scores(scorer, photos, out, resume=True)
    assert scorer.seen == [photos[4]]
    scorer = Counting(face_scorer)
    assert write_scores(scorer, photos, out, resume=True) == 2
    assert scorer.seen == photos[5:]
    write_scores(PhotoScorer(face_scorer), photos, whole)
    assert out.read_bytes() == whole.read_bytes()


def test_rows_of_other_photos_are_kept(face_scorer, photos, out):
    write_scores(PhotoScorer(face_scorer), photos[:2], out)
    assert write_scores(PhotoScorer(face_scorer), photos[4:5], out, resume=True) == 0
    assert pd.read_csv(out)["path"].to_list() == [str(path) for path in (*photos[:2], photos[4])]


def test_an_earlier_table_does_not_join_a_run_that_did_not_want_it(face_scorer, photos, out, whole):
    out.write_text("another table\n")
    stopped(face_scorer, photos, out, 3)
    assert out.read_text() == "another table\n"
    write_scores(PhotoScorer(face_scorer), photos, out, resume=True)
    assert out.read_bytes() == whole


def test_other_settings_are_refused(face_scorer, photos, out):
    write_scores(PhotoScorer(face_scorer), photos[:2], out)
    before = out.read_bytes()
    others = [
        PhotoScorer(FaceScorer("prefiqs", TinyNet(), device="cpu", ratio=0.5)),
        PhotoScorer(FaceScorer("norm", TinyNet(), device="cpu")),
        PhotoScorer(face_scorer, all_faces=True),
    ]
    for other in others:
        with pytest.raises(InputError, match="Expected rows of .* got those of 'prefiqs tiny-0 ratio=0.4"):
            write_scores(other, photos, out, resume=True)
    assert out.read_bytes() == before
    progress = stopped(face_scorer, photos, out, 3)
    for other in others:
        with pytest.raises(InputError, match="scores.csv.progress to go on with, got those of"):
            write_scores(other, photos, out, resume=True)
    assert progress.read_bytes().count(b"\n") == 4


@pytest.mark.parametrize("content", ["", "path,score\na.jpg,0.5\n", "no table", "\x00"])
def test_a_table_of_something_else_is_refused(face_scorer, photos, tmp_path, content):
    for name in ("scores.csv", "scores.parquet"):
        (tmp_path / name).write_text(content)
        with pytest.raises(InputError, match="Expected a table of `prefiqs score` in "):
            write_scores(PhotoScorer(face_scorer), photos, tmp_path / name, resume=True)
        assert (tmp_path / name).read_text() == content
        assert not list(tmp_path.glob("*.progress"))


def test_a_finished_text_file_cannot_be_gone_on_with(face_scorer, photos, tmp_path):
    write_scores(PhotoScorer(face_scorer), photos[:1], tmp_path / "scores.txt")
    with pytest.raises(InputError, match="does not say how its scores were made"):
        write_scores(PhotoScorer(face_scorer), photos, tmp_path / "scores.txt", resume=True)


def test_two_runs_at_once(face_scorer, photos, out, whole):
    with ScoreJournal(out, "first", resume=False) as first:
        first.append([{"path": "a", "score": 1.0}])
        for resume in (False, True):
            with pytest.raises(InputError, match="got one that is at work"):
                write_scores(PhotoScorer(face_scorer), photos, out, resume)
    assert [json.loads(line) for line in first.path.read_bytes().splitlines()][1] == [{"path": "a", "score": 1.0}]
    first.path.unlink()
    write_scores(PhotoScorer(face_scorer), photos, out)
    assert out.read_bytes() == whole
