"""The best photos of each person."""

import shutil

import pandas as pd
import pytest
from typer.testing import CliRunner

from prefiqs.apps.ray.cluster import shard_path
from prefiqs.apps.score.best import best_photos, copy_photos, photos_by_folder
from prefiqs.apps.score.rows import COLUMNS, PERCENTILE, write_rows
from prefiqs.cli import app
from prefiqs.errors import InputError
from prefiqs.faces.find import RUN_RECORD

TABLE = pd.DataFrame({
    "path": ["a/1", "a/2", "a/2", "a/3", "b/1", "b/2", "c/1"],
    "person": list("aaaabbc"),
    "face": [1, 1, 2, 1, 1, None, None],
    "score": [0.5, 0.9, 0.95, 0.7, 0.1, None, None],
    "percentile": [None] * 7,
    "hints": ["", "dark", "", "", "blurred", "", ""],
    "status": ["ok"] * 5 + ["No face."] * 2,
})  # fmt: skip


def test_the_best_by_the_largest_face_and_why_a_person_has_none():
    best = best_photos(TABLE, 2)
    assert best[["person", "rank", "of", "path"]].dropna().to_numpy().tolist() == [
        ["a", 1, 3, "a/2"], ["a", 2, 3, "a/3"], ["b", 1, 1, "b/1"],
    ]  # fmt: skip
    assert best["hints"].tolist() == ["dark", "", "blurred", "No photo has a score. No face."]
    assert best["of"].tolist() == [3, 3, 1, 0]


def test_copies_lie_in_a_folder_per_person_and_replace_nothing(tmp_path):
    for name in ("a/2", "a/3", "b/1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    best = best_photos(TABLE, 2)
    assert copy_photos(best, tmp_path, tmp_path / "out") == 3
    assert (tmp_path / "out/a/2").read_text() == "a/2"
    with pytest.raises(InputError, match="exists"):
        copy_photos(best, tmp_path, tmp_path / "out")
    (tmp_path / "b/1").unlink()
    with pytest.raises(InputError, match="File not found"):
        copy_photos(best, tmp_path, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("people", "made"),
    [
        (["../people/a", "../people/b"], ["a", "b"]),
        (["{}/people/a", "{}/people/b"], ["a", "b"]),
        (["../people/a"], ["a"]),
        (["../../x/a", "../people/b"], ["x/a", "{}/people/b"]),
        (["a", "a/2024"], ["a", "a/2024"]),
        (["."], ["photos"]),
    ],
)
def test_copies_stay_in_their_folder_wherever_the_photos_lie(tmp_path, people, made):
    photos = tmp_path / "root" / "photos"
    photos.mkdir(parents=True)
    people = [person.format(tmp_path / "root") for person in people]
    for person in people:
        (photos / person).mkdir(parents=True, exist_ok=True)
        (photos / person / "1.pgm").write_text(person)
    best = pd.DataFrame({"person": people, "path": [f"{person}/1.pgm" for person in people]})
    before = set(tmp_path.rglob("*"))
    assert copy_photos(best, photos, tmp_path / "out" / "chosen") == len(people)
    new = set(tmp_path.rglob("*.pgm")) - before
    places = [name.format("root") for name in made]
    assert new == {tmp_path / "out/chosen" / name / "1.pgm" for name in places}
    for name, person in zip(places, people, strict=True):
        assert (tmp_path / "out/chosen" / name / "1.pgm").read_text() == person


def test_a_table_without_rows(tmp_path):
    write_rows([], tmp_path / "s.csv")
    with pytest.raises(InputError, match="has no rows"):
        photos_by_folder(tmp_path / "s.csv", "prefiqs")


def test_a_method_that_a_table_does_not_have(tmp_path):
    """Also if it has only one: its scores are not those of the method that was named."""
    row = {"path": "a/1.pgm", "method": "prefiqs", "score": 0.9, "status": "ok", "face": 1}
    write_rows([row], tmp_path / "s.csv")
    assert len(photos_by_folder(tmp_path / "s.csv", None)) == len(photos_by_folder(tmp_path / "s.csv", "prefiqs")) == 1
    with pytest.raises(InputError, match="has no scores of norm, only of prefiqs"):
        photos_by_folder(tmp_path / "s.csv", "norm")
    write_rows([row, row | {"method": "norm"}], tmp_path / "s.csv")
    with pytest.raises(InputError, match="has scores of prefiqs, norm. Choose one with --method"):
        photos_by_folder(tmp_path / "s.csv", None)


def test_a_folder_of_one_person_with_a_name_that_is_no_text(photos, tmp_path):
    (tmp_path / "people" / "anna").mkdir(parents=True)
    for photo, name in ((photos[0], "anna/1.pgm"), (photos[4], "anna/f\udce9te.pgm"), (photos[5], "loose.pgm")):
        shutil.copy(photo, tmp_path / "people" / name)
    result = CliRunner().invoke(app, ["best", str(tmp_path / "people"), "--method", "norm"])
    assert result.exit_code == 0, result.output
    assert [line.split(",")[:3] for line in result.stdout.splitlines()[1:]] == [["anna", "1", "1"]]
    assert "2 photos are left out" in result.stderr


@pytest.mark.parametrize(
    ("name", "reason"),
    [("no.csv", "File not found"), ("", "is not a folder of scores"), ("x.txt", "cannot be read as a table")],
)
def test_what_is_no_table_to_show(tmp_path, name, reason):
    (tmp_path / "x.txt").write_text("a.jpg 0.5\n")
    result = CliRunner().invoke(app, ["show", str(tmp_path / name)])
    assert reason in str(result.exception) and "--out" not in str(result.exception)


def test_a_page_does_not_replace_its_table(photos, tmp_path):
    table = tmp_path / "s.csv"
    table.write_text("scores")
    for command in (["show", str(table)], ["score", str(photos[0]), "--method", "norm"]):
        result = CliRunner().invoke(app, [*command, "--html", str(table)])
        assert "--html must be a file that ends in .html" in str(result.exception)
    assert table.read_text() == "scores"


@pytest.mark.long
def test_the_command_takes_a_folder_of_people_or_a_table(photos, tmp_path):
    people = tmp_path / "people"
    for person, some in {"anna": photos[:2], "ben": photos[4:6]}.items():
        (people / person).mkdir(parents=True)
        for photo in some:
            shutil.copy(photo, people / person)
    scored = CliRunner().invoke(app, ["score", str(people), "--out", str(tmp_path / "s.csv")])
    assert scored.exit_code == 0, scored.output
    table = pd.read_csv(tmp_path / "s.csv")
    expected = table.loc[table.groupby(table["path"].str.split("/").str[-2])["score"].idxmax(), "path"].tolist()
    by_folder = CliRunner().invoke(app, ["best", str(people), "--copy-to", str(tmp_path / "chosen")])
    assert by_folder.exit_code == 0, by_folder.output
    by_table = CliRunner().invoke(app, ["best", str(tmp_path / "s.csv")])
    for result, names in ((by_folder, ["anna", "ben"]), (by_table, [str(people / p) for p in ("anna", "ben")])):
        lines = [line.split(",") for line in result.stdout.splitlines()]
        assert lines[0][:4] == ["person", "rank", "of", "path"]
        assert [line[0] for line in lines[1:]] == names
        assert [line[3] for line in lines[1:]] == expected
    assert len(list((tmp_path / "chosen").rglob("*.*"))) == 2


def test_a_method_that_the_table_lacks_is_named(tmp_path):
    rows = [{"path": "a/1", "method": method, "score": 1.0, "status": "ok"} for method in ("norm", "ser-fiq")]
    write_rows([dict.fromkeys(COLUMNS) | row for row in rows], tmp_path / "s.csv")
    result = CliRunner().invoke(app, ["best", str(tmp_path / "s.csv")])
    assert "has scores of norm, ser-fiq. Choose one with --method." in str(result.exception)


def test_a_folder_of_shards_is_read_as_one_table(tmp_path, caplog):
    rows = [dict.fromkeys(COLUMNS) | {"path": f"{person}/{photo}.jpg", "face": 1, "method": "norm", "score": score,
                                      "hints": "", "status": "ok", "settings": "norm"}
            for person, photo, score in [("a", 1, 0.1), ("a", 2, 0.3), ("b", 1, 0.2), ("b", 2, 0.4)]]  # fmt: skip
    write_rows(rows, tmp_path / "s.parquet")
    shards = tmp_path / "shards"
    for number, some in enumerate((rows[:1], rows[1:])):
        write_rows(some, shard_path(shards, number))
    (shards / RUN_RECORD).write_text('{"shards": 2}')
    for command in ("show", "best"):
        of_table, of_shards = (CliRunner().invoke(app, [command, str(tmp_path / n)]) for n in ("s.parquet", "shards"))
        assert of_shards.exit_code == 0, of_shards.output
        assert of_shards.stdout == of_table.stdout and "b/2.jpg" in of_table.stdout
    assert not caplog.text
    (shards / RUN_RECORD).write_text('{"shards": 3}')
    CliRunner().invoke(app, ["show", str(shards)])
    assert "shards has only 2 of 3 shards" in caplog.text


def test_show_prints_the_lowest_with_their_reasons(photos, tmp_path):
    CliRunner().invoke(app, ["score", str(photos[0].parent), "--method", "norm", "--out", str(tmp_path / "s.csv")])
    table = pd.read_csv(tmp_path / "s.csv").dropna(subset="score").sort_values("score")
    arguments = ["show", str(tmp_path / "s.csv"), "--worst", "2", "--html", str(tmp_path / "p.html")]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    rows = [line for line in shown.stdout.splitlines() if str(photos[0].parent) in line]
    assert [row.split("|")[1].strip() for row in rows] == table["path"].head(2).tolist()
    assert f"\npercentile: {PERCENTILE}\n" in shown.stdout
    assert (tmp_path / "p.html").is_file()
