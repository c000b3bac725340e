"""The same rows in every format, and the formats as others read them."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from prefiqs.apps.score.rows import COLUMNS
from prefiqs.apps.score.run import check_out, print_scores, write_scores
from prefiqs.errors import InputError
from prefiqs.faces.find import find_images
from prefiqs.io.user_tables import read_user_table


def write(scorer, photos, out, resume=False):
    """How many photos have no score."""
    return write_scores(scorer, find_images(photos), out, resume)[1]


@pytest.fixture
def expected(scorer, photos):
    rows = [row for rows in scorer(find_images(photos)) for row in rows]
    return pd.DataFrame(rows).astype({"percentile": float})  # which no row has here


def read_csv(path):
    """NA is a missing number; no hint is an empty text."""
    return pd.read_csv(path, na_values=["NA"], keep_default_na=False)


def test_csv_and_parquet_hold_the_rows(scorer, photos, expected, tmp_path):
    for name, read in (("a.csv", read_csv), ("deeper/b.parquet", pd.read_parquet)):
        assert write(scorer, photos, tmp_path / name) == 2
        table = read(tmp_path / name)
        assert tuple(table.columns) == COLUMNS
        pd.testing.assert_frame_equal(table, expected, check_dtype=False, rtol=0, atol=0)
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["a.csv", "b.parquet"]
    with (tmp_path / "a.csv").open(newline="") as file:
        blank = list(csv.DictReader(file))[2]
    assert blank["path"].endswith("2b.png") and blank["score"] == blank["face"] == "NA"


def test_text_has_the_scored_photos_alone(scorer, photos, expected, tmp_path):
    assert write(scorer, photos, tmp_path / "c.txt") == 2
    table = read_user_table(tmp_path / "c.txt", {"path": "str", "score": "float64"})
    scored = expected.dropna(subset="score")
    assert table.to_numpy().tolist() == scored[["path", "score"]].to_numpy().tolist()


def test_text_that_cannot_have_a_name_is_refused_before_anything_is_scored(photos, tmp_path):
    """Which, after hours of scoring, would leave the rows where no other format finds them."""
    (tmp_path / "a\nb.pgm").write_bytes(photos[0].read_bytes())
    with pytest.raises(InputError, match="does not fit into a line of .*c.txt. Choose a .csv or .parquet file"):
        write(None, [*photos, tmp_path / "a\nb.pgm"], tmp_path / "c.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["a\nb.pgm"]


def test_stdout(scorer, photos, expected, capsys, tmp_path):
    assert print_scores(scorer, find_images(photos)) == (7, 2)
    (tmp_path / "out.csv").write_text(capsys.readouterr().out)
    pd.testing.assert_frame_equal(read_csv(tmp_path / "out.csv"), expected, check_dtype=False, rtol=0, atol=0)
    assert print_scores(scorer, find_images(photos), as_json=True) == (7, 2)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows == [row for rows in scorer(find_images(photos)) for row in rows]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x.xls", False, False, False), "--out must be a file that ends in .csv, .parquet, .txt, not x.xls"),
        (("x.csv", False, True, False), "Choose either --json or --out"),
        (("x.txt", False, False, True), "With --all-faces or several methods, choose a .csv"),
        ((None, True, False, False), "--resume needs --out"),
        ((None, False, False, False, False, True), "--force needs --out"),
        (("x.csv", True, False, False, False, True), "Choose one"),
        (("x", False, False, False, True, True), "--force replaces a file. Delete the folder x"),
        (("x.csv", False, False, False, False, False, Path("x.csv")), "--html must be a file that ends in .html"),
        (("x.csv", False, False, False, False, False, Path("photo.jpg")), "--html must be a file that ends in .html"),
        (("x.txt", False, False, False, False, False, Path("x.html")), "--html shows a table: choose a .csv or"),
        (("x", False, False, False, True, False, Path("x.HTM")), "--html shows a table: choose a .csv or"),
        (("x.csv", False, True, False, False, False, Path("x.html")), "Choose either --json or --html"),
    ],
)
def test_impossible_outputs(arguments, message, tmp_path):
    out, *others = arguments
    with pytest.raises(InputError, match=message):
        check_out(out and tmp_path.relative_to(tmp_path) / out, *others)


def test_a_folder_is_no_file_to_write(tmp_path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(InputError, match="--out must be a file"):
        check_out(tmp_path / "x.csv", False, False, False)


def test_names_that_are_no_text(scorer, photos, tmp_path):
    """A name in another encoding, with a line break and the separator: each format holds it, and resumes with it."""
    odd = tmp_path / "f\udce9te, 1\n.pgm"
    odd.write_bytes(photos[0].read_bytes())
    for name, read in (("a.csv", pd.read_csv), ("b.parquet", pd.read_parquet)):
        for resume in (False, True):
            assert write(scorer, [odd], tmp_path / name, resume) == 0
            assert read(tmp_path / name)["path"].to_list() == [f"{tmp_path}/f\\xe9te, 1\n.pgm"]
