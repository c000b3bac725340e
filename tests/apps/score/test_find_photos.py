"""Which photos are found in what is named."""

import pytest

from prefiqs.errors import InputError
from prefiqs.faces.find import find_photos


@pytest.fixture
def folder(tmp_path):
    for name in ("b.jpg", "a.PNG", "notes.txt", "Großmutter am Meer/ü 1.webp", "x.jpg/inside.gif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    return tmp_path


def names(found, folder):
    return [path.relative_to(folder).as_posix() for path in found]


def test_folders_are_searched_at_any_depth_even_one_named_like_a_photo(folder):
    everything = ["Großmutter am Meer/ü 1.webp", "a.PNG", "b.jpg", "gone.jpg", "x.jpg/inside.gif"]
    assert names(find_photos([folder]), folder) == everything
    assert names(find_photos([folder / "x.jpg"]), folder) == ["x.jpg/inside.gif"]


def test_globs(folder):
    assert names(find_photos([folder / "*.jpg"]), folder) == ["b.jpg", "gone.jpg", "x.jpg/inside.gif"]
    assert names(find_photos([f"{folder}/**/*.webp"]), folder) == ["Großmutter am Meer/ü 1.webp"]
    assert names(find_photos([folder / "[ab].*"]), folder) == ["a.PNG", "b.jpg"]
    with pytest.raises(InputError, match=r"Expected photos that fit .*\*.bmp, got none"):
        find_photos([folder / "*.bmp"])


def test_a_file_with_the_signs_of_a_glob_in_its_name_is_a_file(folder):
    (folder / "a[1].jpg").touch()
    assert names(find_photos([folder / "a[1].jpg"]), folder) == ["a[1].jpg"]


def test_each_photo_counts_once_and_named_files_count_whatever_they_are(folder):
    given = [folder / "notes.txt", folder / "b.jpg", folder, folder / "missing.jpg"]
    found = names(find_photos(given), folder)
    assert found[:2] == ["notes.txt", "b.jpg"] and found.count("b.jpg") == 1 and found[-1] == "missing.jpg"


def test_nothing_to_score(folder):
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="Expected photos in .*empty, got none"):
        find_photos([folder / "empty"])
    with pytest.raises(InputError, match="Expected a photo or a folder of photos, got .*missing, which does not exist"):
        find_photos([folder, folder / "missing"])
