"""Tables and lists of other people: every way to write the same records is read alike, or refused by name."""

import numpy as np
import pandas as pd
import pytest

from prefiqs.errors import InputError
from prefiqs.io.names import ImageNameIndex
from prefiqs.io.pairs import read_pairs
from prefiqs.io.scores import read_image_scores
from prefiqs.io.user_tables import names_of, number_column, read_user_table

SCORES = {"path": "str", "score": "float64"}
RECORDS = [("a/1.jpg", 0.5), ("Zoë/b.jpg", -1.25), ("c.jpg", 1e-3)]


def as_text(separator, header="", before=""):
    return before + header + "".join(f"{name}{separator}{score}\n" for name, score in RECORDS)


TEXTS = {
    "blanks": as_text(" "),
    "several blanks": as_text("   "),
    "tabs": as_text("\t"),
    "commas": as_text(","),
    "commas and blanks": as_text(", "),
    "semicolons": as_text(";"),
    "semicolons and blanks": as_text(" ; "),
    "header, commas": as_text(",", "Filename,Quality\n"),
    "header, semicolons": as_text(";", "IMAGE PATH;score\n"),
    "header, tabs": as_text("\t", "img\tscore\n"),
    "header, blanks": as_text(" ", "image_path score\n"),
    "comment": as_text(" ", before="# name score\n#\n\n"),
    "blank lines": "\n \n" + as_text(" ").replace("\n", "\n\n") + "\t\n",
    "Excel": "sep=;\n" + as_text(";", "Name;Score\n"),
    "quoted": "path,score\n" + "".join(f'"{name}", "{score}"\n' for name, score in RECORDS),
    "index without name": "".join([",path,score\n", *(f"{i},{n},{s}\n" for i, (n, s) in enumerate(RECORDS))]),
    "names as index": as_text(",", ",score\n"),
    "no last end of line": as_text(" ").rstrip("\n"),
}


def read(path):
    table = read_user_table(path, SCORES)
    column = "score" if "score" in table else table.columns[-1]
    return list(zip(names_of(table, path), number_column(table, column, path).tolist(), strict=True))


@pytest.mark.parametrize(
    ("case", "ending"),
    [
        (case, end)
        for case in TEXTS
        for end in (".txt", ".csv", ".CSV", "")
        if "csv" in end.lower() or "index" not in case
    ],
)  # only tables may begin with a column without a name
def test_every_way_to_separate(tmp_path, case, ending):
    path = tmp_path / f"s{ending}"
    path.write_text(TEXTS[case], encoding="utf-8")
    assert read(path) == RECORDS


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("case", ["blanks", "header, semicolons", "comment", "blank lines"])
def test_every_end_of_line_and_mark_of_encoding(tmp_path, case, encoding, newline):
    path = tmp_path / "s.csv"
    path.write_bytes(TEXTS[case].replace("\n", newline).encode(encoding))
    assert read(path) == RECORDS


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le", "utf-16-be"])
def test_encodings_that_cannot_be_told_apart_are_refused(tmp_path, encoding):
    (tmp_path / "s.csv").write_bytes(TEXTS["commas"].encode(encoding))
    with pytest.raises(InputError, match=r"s\.csv is not (UTF-8 )?text.* [Ss]ave it as .*UTF-8"):
        read(tmp_path / "s.csv")


@pytest.mark.parametrize(
    "text",
    ["a.jpg 0,5\n", "a.jpg;0,5\n", "a.jpg\t0,5\n", "path;score\na.jpg;1.5\nb.jpg;0,5\n", "a.jpg 1\nb.jpg 1.234,5\n"],
)
def test_decimal_commas_are_refused_by_name(tmp_path, text):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(InputError, match="Write decimals with a point, not a comma"):
        read(tmp_path / "s.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,score,score\na,1,2\n", "The column score occurs twice in"),
        ("path,score\na,1\n\n# no\nb,2,3\n", r"Line 5 of .* has 3 fields, not 2 as its header: 'b,2,3'"),
        ("path,score\na,0,5\nb,0,6\n", r"Line 2 of .* has 3 fields, not 2"),
        ("path,score\na,1\n\nb,good\n", r"The column score contains 'good' in line 4 of .*, which is not a number"),
        ("path,score\na,1\n,2\n", r"The column path is empty in line 3"),
        ("foo,bar\na,1\n", r"no column name, path, image or file, only foo, bar"),
        ("a.jpg,0,5\n", r"Line 1 of .* is not of the form `PATH SCORE`: 'a.jpg,0,5'"),
    ],
)
def test_what_does_not_fit_is_named_with_its_line(tmp_path, text, message):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "s.csv")


def test_parquet_with_its_index_and_in_parts(tmp_path):
    table = pd.DataFrame(RECORDS, columns=["Path", "score"])
    table.set_index("Path").to_parquet(tmp_path / "index.PQ")
    table[::-1].to_parquet(tmp_path / "turned.parquet")
    (tmp_path / "parts").mkdir()
    for i, part in enumerate((table[:1], table[1:])):
        part.to_parquet(tmp_path / "parts" / f"part-0000000{i}.parquet", index=False)
    (tmp_path / "parts" / "_run.json").write_text("{}")
    (tmp_path / "parts" / ".x.parquet").write_text("half written")
    assert read(tmp_path / "index.PQ") == read(tmp_path / "parts") == RECORDS
    assert sorted(read(tmp_path / "turned.parquet")) == sorted(RECORDS)


def test_names_may_hold_what_separates_elsewhere(tmp_path):
    (tmp_path / "s.txt").write_text("Doe, John/my photo;1.jpg 0.5\n# 7.jpg 2\nx 1\n")
    assert read(tmp_path / "s.txt") == [("Doe, John/my photo;1.jpg", 0.5), ("# 7.jpg", 2), ("x", 1)]


NAMES = ["n1/0001_01.jpg", "n1/0002_01.jpg", "n9/0001_01.jpg", "n9/Zoë 1.JPG"]


@pytest.mark.parametrize(
    "style", ["{}", "./{}", "/data/vgg/train/{}", "C:\\data\\{}", "file:///data/{}", "../{}", "train/{}", "suffix"]
)
def test_the_longest_common_end_of_paths_decides(style):
    asked = [style.format(name) for name in NAMES]
    if "\\" in style:
        asked = [name.replace("/", "\\") for name in asked]
    if "file:" in style:
        asked = [name.replace(" ", "%20").replace("ë", "%C3%AB") for name in asked]
    if style == "suffix":
        asked = [f"{name[:-4]}.HEIC" for name in NAMES]
    assert ImageNameIndex(NAMES, "names").rows(asked).tolist() == [0, 1, 2, 3]
    assert ImageNameIndex(asked, "names").rows(NAMES).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("asked", "row"),
    [
        ("0001_01.jpg", -1),  # n1 or n9
        ("x/0001_01.jpg", -1),
        ("0002_01.PNG", 1),
        ("n9/0002_01.jpg", -1),
        ("deep/er/n9/0001_01", 2),
        ("n9/Zoe\u0308 1.jpeg", 3),  # as macOS spells it
        ("n9/Zoë_1", 3),  # as CR-FIQA's tools do
        ("n9_0001_01", 2),
    ],
)
def test_an_image_is_found_only_where_the_name_fits_one(asked, row):
    assert ImageNameIndex(NAMES, "names").rows([asked]).tolist() == [row]


def test_why_a_name_is_unknown():
    index = ImageNameIndex(NAMES, "names")
    assert index.why_unknown("0001_01.jpg") == (
        "could be any of several images, such as n1/0001_01.jpg and n9/0001_01.jpg"
    )
    assert index.why_unknown("n9/0002_01.jpg") == (
        "is not one of the 4 known ones; n1/0002_01.jpg is in another folder"
    )


def test_two_roots_are_one_data_set_only_if_all_images_lie_below(caplog):
    own = [f"/home/a/lfw/{name}" for name in NAMES]
    assert ImageNameIndex(own, "e").rows([f"/mnt/b/lfw2/{name}" for name in NAMES]).tolist() == [0, 1, 2, 3]
    assert "'/mnt/b/lfw2/n1/0001_01.jpg' is taken for '/home/a/lfw/n1/0001_01.jpg'" in caplog.text
    assert "One is in 'mnt/b/lfw2', the other in 'home/a/lfw'" in caplog.text
    sessions = ImageNameIndex(["s1/cam/1.jpg", "s1/cam/2.jpg"], "e")
    assert sessions.rows(["s1/cam/1.jpg", "s2/cam/2.jpg"]).tolist() == [0, -1]


@pytest.mark.parametrize(
    ("names", "source", "folder", "warned"),
    [
        (["00000", "00001"], "lfw_ArcFaceModel", "quality_data/agedb_30/images", True),
        (["00000", "00001"], "agedb_30_ArcFaceModel", "quality_data/agedb_30/images", False),
        (["00000", "00001"], "data/xqlfw/", "quality_data/lfw/images", True),
        (["00000", "00001"], "data/AgeDB-30/e.npy", "agedb30", False),
        (["00000", "00001"], "lfw", "", False),
        (["lfw/00000.png", "lfw/00001.png"], "e.npy", "quality_data/agedb_30/images", True),
        (["lfw/00000.png", "lfw/00001.png"], "e.npy", "quality_data/LFW/images", False),
        (["Ann_0000", "Ann_0001"], "lfw_ArcFaceModel", "quality_data/agedb_30/images", False),
    ],
)
def test_images_called_by_numbers_may_be_of_another_set(caplog, names, source, folder, warned):
    asked = [f"{folder}/{name.split('/')[-1].split('.')[0]}.jpg".lstrip("/") for name in names]
    assert ImageNameIndex(names, source).rows(asked).tolist() == [0, 1]
    assert ("are they of one data set?" in caplog.text and repr(folder) in caplog.text) == warned


OFIQ = (
    "Filename{0}UnifiedQualityScore{0}Sharpness{0}UnifiedQualityScore.scalar{0}Sharpness.scalar{0}assessment_time_in_ms\n"
    "C:\\faces\\a.jpg{0}22.5{0}0.3{0}40{0}10{0}312\n"
    "C:\\faces\\b.jpg{0}0{0}-1{0}-1{0}20{0}55\n"
    "C:\\faces\\c.jpg{0}27.5{0}0.9{0}80{0}-1{0}55\n"
)


@pytest.mark.parametrize("separator", [";", ","])
@pytest.mark.parametrize(
    ("given", "method", "scores"),
    [
        ("ofiq.csv", "ofiq", [22.5, None, 27.5]),  # −1 of the scalar is a failure, whatever the native score is
        ("ofiq.csv:UnifiedQualityScore.scalar", "UnifiedQualityScore.scalar", [40, None, 80]),
        ("ofiq.csv:Sharpness", "Sharpness", [0.3, -1, None]),
        ("ofiq.csv:Sharpness.scalar", "Sharpness.scalar", [10, 20, None]),
    ],
)
def test_ofiq(tmp_path, separator, given, method, scores):
    (tmp_path / "ofiq.csv").write_text(OFIQ.format(separator))
    found = read_image_scores([(None, tmp_path / given)], ImageNameIndex(["a.jpg", "b.jpg", "c.jpg"], "e"))
    np.testing.assert_array_equal(found[method], np.array(scores, float))


def test_ofiq_of_one_column_and_an_unknown_column(tmp_path):
    (tmp_path / "o.csv").write_text("Filename;UnifiedQualityScore\na;50\nb;-1\nc;70\n")
    images = ImageNameIndex(["a", "b", "c"], "e")
    np.testing.assert_array_equal(read_image_scores([(None, tmp_path / "o.csv")], images)["o"], [50, np.nan, 70])
    with pytest.raises(InputError, match="has no column Pose, only Filename, UnifiedQualityScore"):
        read_image_scores([(None, tmp_path / "o.csv:Pose")], images)


def own_table(**columns):
    base = {"path": ["p/a.jpg", "p/b.jpg", "p/c.jpg"], "face": [1, 1, None], "score": [0.5, 0.7, None]}
    return pd.DataFrame(base | {"status": ["ok", "ok", "No face was found."], "settings": "prefiqs sface"} | columns)


def test_a_photo_without_a_score_by_its_status_is_a_failure(tmp_path):
    images = ImageNameIndex(["a.jpg", "b.jpg", "c.jpg"], "e")
    own_table().to_csv(tmp_path / "s.csv", index=False, na_rep="NA")
    np.testing.assert_array_equal(read_image_scores([(None, tmp_path / "s.csv")], images)["s"], [0.5, 0.7, np.nan])
    own_table(status="ok").to_csv(tmp_path / "s.csv", index=False, na_rep="NA")
    with pytest.raises(InputError, match=r"no finite score of 'c.jpg' for s \(1 of 3 images lack one\)"):
        read_image_scores([(None, tmp_path / "s.csv")], images)


@pytest.mark.parametrize("column", ["status", "Status"])
@pytest.mark.parametrize("score", [-1.0, 0.0, 0.9])
def test_the_score_of_a_failure_does_not_count(tmp_path, column, score):
    """Other tools write a number for a photo without a face, which once counted as its quality."""
    table = pd.DataFrame({"path": list("abc"), "score": [0.5, 0.7, score], column: ["ok", "OK", "no face"]})
    table.to_csv(tmp_path / "s.csv", index=False)
    found = read_image_scores([(None, tmp_path / "s.csv")], ImageNameIndex(list("abc"), "e"))
    np.testing.assert_array_equal(found["s"], [0.5, 0.7, np.nan])


def test_the_largest_face_of_a_photo_counts(tmp_path):
    table = pd.concat([own_table(), own_table(face=[2, 2, None], score=[9, 9, None])])
    table.to_parquet(tmp_path / "s.parquet")
    found = read_image_scores([(None, tmp_path / "s.parquet")], ImageNameIndex(["a.jpg", "b.jpg", "c.jpg"], "e"))
    np.testing.assert_array_equal(found["s"], [0.5, 0.7, np.nan])


@pytest.mark.parametrize(
    ("first", "second", "label", "methods"),
    [
        ({"method": "prefiqs"}, {"method": "norm"}, None, ["prefiqs", "norm"]),
        ({"method": "prefiqs"}, {"method": "norm"}, "r50", ["r50 prefiqs", "r50 norm"]),
        ({"method": "p", "settings": "p k=1"}, {"method": "p", "settings": "p k=2"}, None, ["p k=1", "p k=2"]),
        ({"method": "p", "settings": "p k=1"}, {"method": "n", "settings": "n"}, None, ["p", "n"]),
        ({"settings": "prefiqs"}, {"settings": "norm"}, None, ["prefiqs", "norm"]),
    ],
)
def test_a_long_table_holds_several_methods(tmp_path, first, second, label, methods):
    scores = [0.1, 0.2, None]
    table = pd.concat([own_table(**first), own_table(score=scores, **second)])
    table.to_csv(tmp_path / "long.csv", index=False, na_rep="NA")
    images = ImageNameIndex(["a.jpg", "b.jpg", "c.jpg"], "e")
    found = read_image_scores([(label, tmp_path / "long.csv")], images)
    assert list(found) == methods
    np.testing.assert_array_equal(found[methods[0]], [0.5, 0.7, np.nan])
    np.testing.assert_array_equal(found[methods[1]], [0.1, 0.2, np.nan])


def test_one_method_in_a_table_is_called_by_its_name(tmp_path):
    own_table(method="norm").to_csv(tmp_path / "s.csv", index=False, na_rep="NA")
    images = ImageNameIndex(["a.jpg", "b.jpg", "c.jpg"], "e")
    for label, method in ((None, "norm"), ("mine", "mine")):
        assert list(read_image_scores([(label, tmp_path / "s.csv")], images)) == [method]


@pytest.mark.parametrize(
    ("genuine", "impostor"),
    [
        ("1", "0"), ("1", "-1"), ("1.0", "0.0"), ("True", "False"), ("TRUE", "FALSE"), ("genuine", "impostor"),
        ("same", "different"), ("mated", "non-mated"), ("00001", "00000"), ("yes", "no"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["{} {} {}\n", "{}\t{}\t{}\n", "{},{},{}\n", "{}; {}; {}\n", "{}, {}, {}\n"])
def test_labels_in_every_word(tmp_path, genuine, impostor, form):
    for header in ("", form.format("Image1", "Image2", "Label")):
        text = header + "# pairs\n" + form.format("a", "b", genuine) + "\n" + form.format("a", "c", impostor)
        (tmp_path / "p.txt").write_text(text)
        pairs, labels = read_pairs(tmp_path / "p.txt", ImageNameIndex(["a", "b", "c"], "names"))
        assert (pairs.tolist(), labels.tolist()) == ([[0, 1], [0, 2]], [True, False])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("a b 1", "a a 1", "a c 0"), r"pair a and a in line 2 of .* compares one thing with itself.* \(1 such"),
        (
            ("a b 1", "a c 0", "", "b a 0"),
            r"pair a and b in line 1 of .* is listed as genuine and as impostor \(2 such",
        ),
        (("a b 1", "a c 0", "b c -1"), "The labels in .* are 1, 0 and −1. Which pairs are impostors, 0 or −1"),
        (("a b 1", "a c maybe"), "The label in line 2 of .* is maybe, but must be 1"),
        (("a b 1", "a c 0.5"), "The label in line 2 of .* is 0.5, but must be 1"),
        (("a b 1", "a c 0 0"), "Line 2 of .* is not of the form `LEFT RIGHT GENUINE`: 'a c 0 0'"),
    ],
)
def test_pairs_that_say_nothing_or_contradict(tmp_path, lines, message):
    (tmp_path / "p.txt").write_text("\n".join(lines))
    with pytest.raises(InputError, match=message):
        read_pairs(tmp_path / "p.txt", ImageNameIndex(["a", "b", "c"], "names"))


def test_pairs_listed_twice_count_twice_and_are_counted(tmp_path, caplog):
    (tmp_path / "p.txt").write_text("a b 1\na c 0\nb a 1\na c 0\nb c 0\n")
    pairs, genuine = read_pairs(tmp_path / "p.txt", ImageNameIndex(["a", "b", "c"], "names"))
    assert pairs.tolist() == [[0, 1], [0, 2], [1, 0], [0, 2], [1, 2]] and genuine.tolist() == [1, 0, 1, 0, 0]
    assert "lists 2 pairs again" in caplog.text
