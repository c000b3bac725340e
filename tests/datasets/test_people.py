"""A folder of one's own photos, one folder a person, as a benchmark."""

import shutil

import numpy as np
import pandas as pd
import pytest

import prefiqs
from prefiqs.datasets.people import build_people, people_in
from prefiqs.datasets.registry import build_benchmark
from prefiqs.errors import InputError


def align(photo):
    return prefiqs.align(photo, all_faces=True)


@pytest.fixture
def folder(assets, tmp_path):
    """Three people with two photos each, one photo a folder deeper; a loose photo, and a broken one."""
    people = tmp_path / "sources" / "staff"
    for person, photo in [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("c/2024", 1), ("c", 2)]:
        (people / person).mkdir(parents=True, exist_ok=True)
        shutil.copy(assets["orl"] / f"s{'abc'.index(person[0]) + 1}" / f"{photo}.pgm", people / person / f"{photo}.pgm")
    shutil.copy(assets["orl"] / "s4/1.pgm", people / "loose.pgm")
    (people / "a" / "broken.jpg").write_bytes(b"no image")
    return people


def test_all_genuine_pairs_and_impostors_of_the_largest_faces(folder):
    built = build_benchmark("staff", folder.parents[1], align)
    assert built.name == "staff"
    assert built.names.tolist() == ["a/1.pgm", "a/2.pgm", "b/1.pgm", "b/2.pgm", "c/2.pgm", "c/2024/1.pgm"]
    assert built.subjects.tolist() == list("aabbcc")
    for name, image in zip(built.names, built.images, strict=True):
        np.testing.assert_array_equal(image, prefiqs.align(folder / name).image)
    assert {tuple(sorted(pair)) for pair in built.pairs[built.genuine].tolist()} == {(0, 1), (2, 3), (4, 5)}
    assert len(built.pairs) == 6 * 5 / 2
    reasons = {name.rsplit("staff/", 1)[1]: reason for name, reason in built.excluded}
    assert reasons["loose.pgm"] == "it is not in a person's folder."
    assert "is not an image" in reasons["a/broken.jpg"]


def test_an_unknown_benchmark_says_where_a_folder_of_people_goes(tmp_path):
    with pytest.raises(InputError, match="put one folder per person into .*sources/staff"):
        build_benchmark("staff", tmp_path, align)


def make(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_people_by_folder(tmp_path):
    make(tmp_path, ["a/1.jpg", "b/x/2.jpg", "3.jpg"])
    people = people_in(tmp_path)
    assert people.person_of == {str(tmp_path / "a/1.jpg"): "a", str(tmp_path / "b/x/2.jpg"): "b"}
    assert people.left_out == {str(tmp_path / "3.jpg"): "it is not in a person's folder."}
    assert people.warning == f"{tmp_path / '3.jpg'} is left out: it is not in a person's folder."
    with pytest.raises(InputError, match="one folder of photos per person; 1 found"):
        people_in(tmp_path / "b")
    assert len(people_in(tmp_path / "b", least=1).person_of) == 1


def test_what_is_no_photo_is_counted(tmp_path):
    make(tmp_path, ["a/1.jpg", "a/2.NEF", "b/1.jpg", "b/2.mov", "b/3.mov"])
    assert people_in(tmp_path).warning == "Skipped: 2 .mov, 1 .nef."
    make(tmp_path, ["loose.jpg"])
    reason = "it is not in a person's folder."
    assert people_in(tmp_path).warning == f"{tmp_path / 'loose.jpg'} is left out: {reason} Skipped: 2 .mov, 1 .nef."


def test_a_copy_of_a_photo_is_left_out_and_one_of_two_people_refused(tmp_path):
    make(tmp_path, ["a/1.jpg", "b/1.jpg"])
    shutil.copy(tmp_path / "a/1.jpg", tmp_path / "a/2.jpg")
    people = people_in(tmp_path)
    assert set(people.person_of) == {str(tmp_path / "a/1.jpg"), str(tmp_path / "b/1.jpg")}
    assert people.left_out == {str(tmp_path / "a/2.jpg"): f"it is a copy of {tmp_path / 'a/1.jpg'}."}
    shutil.copy(tmp_path / "a/1.jpg", tmp_path / "b/2.jpg")
    with pytest.raises(InputError, match="are the same photo, but of b and a"):
        people_in(tmp_path)


def test_people_by_table_whose_paths_start_from_its_folder(tmp_path):
    table = tmp_path / "people.csv"
    make(tmp_path, ["1.jpg", "2.jpg"])
    pd.DataFrame({"name": ["1.jpg", str(tmp_path / "2.jpg")], "subject": ["007", "b"]}).to_csv(table, index=False)
    people = people_in(table)
    assert people.person_of == {str(tmp_path / "1.jpg"): "007", str(tmp_path / "2.jpg"): "b"}
    assert not people.warning
    pd.DataFrame({"name": ["1.jpg", "2.jpg", "1.jpg"], "subject": ["a", "b", "b"]}).to_csv(table, index=False)
    with pytest.raises(InputError, match="are the same photo, but of b and a"):
        people_in(table)
    pd.DataFrame({"name": ["1.jpg", "9.jpg"], "subject": ["a", "b"]}).to_csv(table, index=False)
    with pytest.raises(InputError, match="File not found: .*9.jpg"):
        people_in(table)
    pd.DataFrame({"name": ["1.jpg"]}).to_csv(table, index=False)
    with pytest.raises(InputError, match="has no column subject, only name"):
        people_in(table)


def test_a_table_with_the_paths_of_windows(tmp_path):
    make(tmp_path, ["a/1.jpg", "b/2.jpg"])
    (tmp_path / "t.csv").write_text("path;person\na\\1.jpg;A\nb\\2.jpg;B\n")
    assert people_in(tmp_path / "t.csv").person_of == {str(tmp_path / "a/1.jpg"): "A", str(tmp_path / "b/2.jpg"): "B"}


def test_a_folder_in_which_no_face_is_found(tmp_path):
    make(tmp_path, ["a/1.jpg", "b/1.jpg"])
    with pytest.raises(InputError, match="No face was found in any photo in .*; the first: .* is not an image"):
        build_people(tmp_path)
