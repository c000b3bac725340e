"""Files: what is written is read back, and a write that fails leaves the old file."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefiqs.errors import InputError
from prefiqs.io import atomic as records

# Paths as people have them: spaces and other alphabets inside, no line breaks.
NAMES = st.text(st.characters(categories=["L", "N", "P"]) | st.just(" "), min_size=1).map(str.strip).filter(bool)


@pytest.fixture(scope="module")
def score_file(tmp_path_factory):
    return tmp_path_factory.mktemp("scores") / "scores.txt"


@given(lines=st.lists(st.tuples(NAMES, st.floats(width=32, allow_nan=False)), max_size=20))
def test_score_files_round_trip(score_file, lines):
    names, scores = [name for name, _ in lines], np.array([score for _, score in lines], np.float32)
    records.write_score_file(names, scores, score_file)
    read_names, read_scores = records.read_score_file(score_file)
    assert read_names == names
    np.testing.assert_array_equal(read_scores.astype(np.float32), scores)
    assert read_scores.dtype == np.float64


def test_score_files_are_the_fields_own(score_file):
    records.write_score_file(["s1/1.pgm", "my photos/a b.jpg"], np.array([0.5, -1e-7]), score_file)
    assert score_file.read_text() == "s1/1.pgm 0.5\nmy photos/a b.jpg -1e-07\n"


def test_score_files_of_other_tools(score_file):
    score_file.write_bytes(b"a.jpg 1\r\nb c.jpg 2.50e0 \n/d.jpg -3")
    names, scores = records.read_score_file(score_file)
    assert (names, scores.tolist()) == (["a.jpg", "b c.jpg", "/d.jpg"], [1, 2.5, -3])


@pytest.mark.parametrize("line", ["b.jpg", "b.jpg good", "0.5", "", "b.jpg,0.5", " 0.5"])
def test_a_line_that_is_no_score(score_file, line):
    score_file.write_text(f"a.jpg 1\n{line}\nc.jpg\n")
    with pytest.raises(InputError, match=f"Expected `PATH SCORE` in line 2 of {score_file}, got {line!r}"):
        records.read_score_file(score_file)


def test_as_many_scores_as_names(score_file):
    with pytest.raises(ValueError, match="zip"):
        records.write_score_file(["a", "b"], np.array([1.0]), score_file)


def test_tables_and_arrays_round_trip(tmp_path):
    table = pd.DataFrame({"name": ["a", "b"], "score": np.array([0.1, 2 / 3])})
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    records.write_table(table, tmp_path / "new" / "t.parquet")
    records.write_table(table, tmp_path / "t.csv")
    records.write_array(array, tmp_path / "a.npy")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "new" / "t.parquet"), table)
    assert (tmp_path / "t.csv").read_bytes() == b"name,score\na,0.1\nb,0.6666666667\n"
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), array)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "new", "t.csv"]


def test_scores_of_several_methods_round_trip(tmp_path):
    scores = {"prefiqs": np.array([0.5, 0.1, 0.9]), "norm": np.float32([3, 1, 2])}
    records.write_scores(np.array(["c.jpg", "a b.jpg", "b.jpg"]), scores, tmp_path / "scores.parquet")
    read = records.read_scores(tmp_path / "scores.parquet")
    assert list(read) == ["prefiqs", "norm"]
    for method, values in scores.items():
        np.testing.assert_array_equal(read[method], values.astype(np.float32))
    table = pd.read_parquet(tmp_path / "scores.parquet")
    assert (list(table), list(table["name"][:3])) == (["name", "method", "score"], ["c.jpg", "a b.jpg", "b.jpg"])


def test_an_array_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=f"Expected an array in {tmp_path / 'a.npy'}, got no such file"):
        records.read_array(tmp_path / "a.npy")


class Interrupted(Exception):
    pass


@pytest.mark.parametrize(
    "array", [np.arange(24, dtype=np.uint8).reshape(4, 2, 3), np.ones((0, 5)), np.ones((3, 0), "f4")]
)
def test_rows_make_the_file_that_the_array_makes(tmp_path, array):
    records.write_rows((row for row in array), array.shape, array.dtype, tmp_path / "rows.npy")
    records.write_array(array, tmp_path / "array.npy")
    assert (tmp_path / "rows.npy").read_bytes() == (tmp_path / "array.npy").read_bytes()


def test_rows_may_be_views_in_any_order_of_memory(tmp_path):
    array = np.arange(60).reshape(3, 4, 5)
    records.write_rows(array.transpose(2, 1, 0)[::-1], (5, 4, 3), array.dtype, tmp_path / "a.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), array.transpose(2, 1, 0)[::-1])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [np.zeros(2, "u1"), np.zeros(3, "u1")],
            r"Expected uint8 of shape \(2,\) in row 1 of .*a\.npy, got uint8 \(3,\)",
        ),
        ([np.zeros(2, "u1"), np.zeros(2)], r"Expected uint8 of shape \(2,\) in row 1 of .*a\.npy, got float64 \(2,\)"),
        ([np.zeros(2, "u1")], r"Expected 2 rows for .*a\.npy, got 1"),
        ([np.zeros(2, "u1")] * 3, r"Expected 2 rows for .*a\.npy, got 3"),
    ],
)
def test_rows_that_do_not_fit_leave_the_old_file(tmp_path, rows, message):
    (tmp_path / "a.npy").write_bytes(b"old")
    with pytest.raises(InputError, match=message):
        records.write_rows(rows, (2, 2), np.uint8, tmp_path / "a.npy")
    assert (tmp_path / "a.npy").read_bytes() == b"old"


def test_rows_that_break_off_leave_the_old_file(tmp_path):
    def rows():
        yield from np.zeros((500, 112, 112), np.uint8)
        assert (tmp_path / "a.npy.partial").stat().st_size > 5_000_000  # more than half is on disk already
        raise Interrupted

    (tmp_path / "a.npy").write_bytes(b"old")
    with pytest.raises(Interrupted):
        records.write_rows(rows(), (900, 112, 112), np.uint8, tmp_path / "a.npy")
    assert (tmp_path / "a.npy").read_bytes() == b"old"


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
        ("a.npy", lambda path: records.write_array(np.ones(3), path), "numpy.save"),
        ("t.csv", lambda path: records.write_table(pd.DataFrame({"a": [1]}), path), "pandas.DataFrame.to_csv"),
        ("t.parquet", lambda path: records.write_table(pd.DataFrame({"a": [1]}), path), "pandas.DataFrame.to_parquet"),
        ("t.txt", lambda path: records.write_text("new", path), "pathlib.Path.write_bytes"),
        ("s.txt", lambda path: records.write_score_file(["a"], np.ones(1), path), "pathlib.Path.write_bytes"),
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
