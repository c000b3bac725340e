"""A folder of one's own photos, one folder a person, as a benchmark."""

import shutil

import numpy as np
import pandas as pd
import pytest

import prefiqs
from prefiqs.datasets.people import people_in
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
    assert reasons["loose.pgm"] == "It lies in no person's folder."
    assert "is not an image" in reasons["a/broken.jpg"]


def test_an_unknown_benchmark_says_where_a_folder_of_people_goes(tmp_path):
    with pytest.raises(InputError, match="put one folder per person into .*sources/staff"):
        build_benchmark("staff", tmp_path, align)


def test_people_by_folder(tmp_path):
    for name in ("a/1.jpg", "b/x/2.jpg", "3.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    people, loose = people_in(tmp_path)
    assert people == {str(tmp_path / "a/1.jpg"): "a", str(tmp_path / "b/x/2.jpg"): "b"}
    assert loose == [str(tmp_path / "3.jpg")]
    with pytest.raises(InputError, match="one folder of photos per person; 1 found"):
        people_in(tmp_path / "b")


def test_people_by_table_whose_paths_start_from_its_folder(tmp_path):
    table = tmp_path / "people.csv"
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / name).touch()
    pd.DataFrame({"name": ["1.jpg", str(tmp_path / "2.jpg")], "subject": ["007", "b"]}).to_csv(table, index=False)
    assert people_in(table) == ({str(tmp_path / "1.jpg"): "007", str(tmp_path / "2.jpg"): "b"}, [])
    pd.DataFrame({"name": ["1.jpg", "9.jpg"], "subject": ["a", "b"]}).to_csv(table, index=False)
    with pytest.raises(InputError, match="File not found: .*9.jpg"):
        people_in(table)
    pd.DataFrame({"name": ["1.jpg"]}).to_csv(table, index=False)
    with pytest.raises(InputError, match="has no column subject, only name"):
        people_in(table)
