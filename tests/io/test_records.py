"""Files: what is written is read back, and a write that fails leaves the old file."""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prefiqs.errors import InputError
from prefiqs.io.arrays import read_array, row_writer, write_array
from prefiqs.io.atomic import write_text
from prefiqs.io.scores import write_score_file
from prefiqs.io.tables import write_table


def test_tables_and_arrays_round_trip(tmp_path):
    table = pd.DataFrame({"name": ["a", "b"], "score": np.array([0.1, 2 / 3])})
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    write_table(table, tmp_path / "new" / "t.parquet")
    write_table(table, tmp_path / "t.csv")
    write_array(array, tmp_path / "a.npy")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "new" / "t.parquet"), table)
    assert (tmp_path / "t.csv").read_bytes() == b"name,score\na,0.1\nb,0.6666666667\n"
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), array)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "new", "t.csv"]


def test_an_array_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=f"File not found: {tmp_path / 'a.npy'}"):
        read_array(tmp_path / "a.npy")


def write_rows(rows, shape, dtype, path):
    with row_writer(path, shape, dtype) as append:
        for row in rows:
            append(row[None])


class Interrupted(Exception):
    pass


@pytest.mark.parametrize(
    "array", [np.arange(24, dtype=np.uint8).reshape(4, 2, 3), np.ones((0, 5)), np.ones((3, 0), "f4")]
)
def test_rows_make_the_file_that_the_array_makes(tmp_path, array):
    write_rows((row for row in array), array.shape, array.dtype, tmp_path / "rows.npy")
    write_array(array, tmp_path / "array.npy")
    assert (tmp_path / "rows.npy").read_bytes() == (tmp_path / "array.npy").read_bytes()


def test_rows_may_be_views_in_any_order_of_memory(tmp_path):
    array = np.arange(60).reshape(3, 4, 5)
    write_rows(array.transpose(2, 1, 0)[::-1], (5, 4, 3), array.dtype, tmp_path / "a.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), array.transpose(2, 1, 0)[::-1])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [np.zeros(2, "u1"), np.zeros(3, "u1")],
            r"Row 1 of .*a\.npy must be uint8 of shape \(2,\), not uint8 \(3,\)",
        ),
        ([np.zeros(2, "u1"), np.zeros(2)], r"Row 1 of .*a\.npy must be uint8 of shape \(2,\), not float64 \(2,\)"),
        ([np.zeros(2, "u1")], r"a\.npy should have 2 rows, but 1 were written"),
        ([np.zeros(2, "u1")] * 3, r"a\.npy should have 2 rows, but 3 were written"),
    ],
)
def test_rows_that_do_not_fit_leave_the_old_file(tmp_path, rows, message):
    (tmp_path / "a.npy").write_bytes(b"old")
    with pytest.raises(InputError, match=message):
        write_rows(rows, (2, 2), np.uint8, tmp_path / "a.npy")
    assert (tmp_path / "a.npy").read_bytes() == b"old"


def test_rows_that_break_off_leave_the_old_file(tmp_path):
    def rows():
        yield from np.zeros((500, 112, 112), np.uint8)
        (partial,) = tmp_path.glob(".*.partial")
        assert partial.stat().st_size > 5_000_000  # more than half is on disk already
        raise Interrupted

    (tmp_path / "a.npy").write_bytes(b"old")
    with pytest.raises(Interrupted):
        write_rows(rows(), (900, 112, 112), np.uint8, tmp_path / "a.npy")
    assert (tmp_path / "a.npy").read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.npy"]


def test_writers_of_one_file_do_not_meet(tmp_path):
    """While one is at work another writes the whole file: each leaves its own, and the last one to end wins."""
    path = tmp_path / "new" / "a.npy"
    with row_writer(path, (2,), np.uint8) as append:
        append(np.array([1], np.uint8))
        write_array(np.array([7]), path)
        assert np.load(path).tolist() == [7]
        append(np.array([2], np.uint8))
    assert np.load(path).tolist() == [1, 2]
    assert [file.name for file in path.parent.iterdir()] == ["a.npy"]


def test_many_threads_that_write_one_file_leave_a_whole_one(tmp_path):
    path = tmp_path / "t.txt"
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda i: write_text(f"{i}" * 100_000, path), range(40)))
    text = path.read_text()
    assert len(set(re.findall(r".{2}", text))) == 1 and list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_disk_before_the_name(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr("os.fsync", lambda number: done.append(("fsync", os.fstat(number).st_size)))
    original = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, to: done.append(("replace", to.name)) or original(self, to))
    write_text("four", tmp_path / "a.txt")
    assert done == [("fsync", 4), ("replace", "a.txt")]


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such permissions")
def test_a_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_text("")
    write_text("", tmp_path / "whole")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def break_after_some_bytes(monkeypatch, target: str) -> None:
    """Let a writer of another library write a little into the file it was given, then fail."""

    def write(*arguments, **_):
        for argument in arguments:
            if hasattr(argument, "write"):
                argument.write(b"half")
            elif isinstance(argument, Path):
                with argument.open("wb") as file:
                    file.write(b"half")
        raise Interrupted

    monkeypatch.setattr(target, write)


@pytest.mark.parametrize(
    ("name", "write", "breaks"),
    [
        ("a.npy", lambda path: write_array(np.ones(3), path), "numpy.save"),
        ("t.csv", lambda path: write_table(pd.DataFrame({"a": [1]}), path), "pandas.DataFrame.to_csv"),
        ("t.parquet", lambda path: write_table(pd.DataFrame({"a": [1]}), path), "pandas.DataFrame.to_parquet"),
        ("t.txt", lambda path: write_text("new", path), "pathlib.Path.write_bytes"),
        ("s.txt", lambda path: write_score_file(["a"], np.ones(1), path), "pathlib.Path.write_bytes"),
    ],
)
def test_a_write_that_fails_keeps_the_old_file(tmp_path, monkeypatch, name, write, breaks):
    path = tmp_path / name
    path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        break_after_some_bytes(patch, breaks)
        with pytest.raises(Interrupted):
            write(path)
    assert path.read_bytes() == b"old"
    write(path)
    assert path.read_bytes() != b"old"
    assert [file.name for file in tmp_path.iterdir()] == [name]  # what was half written is gone
