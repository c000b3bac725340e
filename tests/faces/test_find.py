"""Which images are found in what is named: files, folders, globs, and sets packed as Parquet or tar files."""

import gzip
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from prefiqs.errors import InputError
from prefiqs.faces.find import find_images


@pytest.fixture
def folder(tmp_path):
    for name in ("b.jpg", "a.PNG", "notes.txt", "Großmutter am Meer/ü 1.webp", "x.jpg/inside.gif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    return tmp_path


def names(given, folder):
    """Of the photos that are found, below the folder."""
    found = [name for shard in find_images(given) for name in shard.names()]
    assert found == [image.name for shard in find_images(given) for image in shard.images()]
    return [Path(name).relative_to(folder).as_posix() for name in found]


def test_folders_are_searched_at_any_depth_even_one_named_like_a_photo(folder):
    everything = ["Großmutter am Meer/ü 1.webp", "a.PNG", "b.jpg", "gone.jpg", "x.jpg/inside.gif"]
    assert names([folder], folder) == everything
    assert names([folder / "x.jpg"], folder) == ["x.jpg/inside.gif"]


def test_globs(folder):
    assert names([folder / "*.jpg"], folder) == ["b.jpg", "gone.jpg", "x.jpg/inside.gif"]
    assert names([f"{folder}/**/*.webp"], folder) == ["Großmutter am Meer/ü 1.webp"]
    assert names([folder / "[ab].*"], folder) == ["a.PNG", "b.jpg"]
    with pytest.raises(InputError, match=r"No photos match .*\*.bmp"):
        find_images([folder / "*.bmp"])


def test_a_file_with_the_signs_of_a_glob_in_its_name_is_a_file(folder):
    (folder / "a[1].jpg").touch()
    assert names([folder / "a[1].jpg"], folder) == ["a[1].jpg"]


def test_each_photo_counts_once_and_named_files_count_whatever_they_are(folder):
    found = names([folder / "notes.txt", folder / "b.jpg", folder], folder)
    assert found[:2] == ["notes.txt", "b.jpg"] and found.count("b.jpg") == 1


@pytest.mark.parametrize("name", ["missing", "missing.jpg", "missing.parquet"])
def test_a_named_file_that_is_missing_is_an_error_before_anything_is_scored(folder, name):
    with pytest.raises(InputError, match=f"File not found: .*{name}"):
        find_images([folder, folder / name])


def test_nothing_to_score(folder):
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="No photos found in .*empty"):
        find_images([folder / "empty"])


IMAGES = {f"{i:02}.png": bytes([i]) * (i + 1) for i in range(12)}


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Path:
    """The images as Parquet in row groups of 4, and as three tar files of 4, which hold other members too."""
    folder = tmp_path_factory.mktemp("packed")
    for name in ("parquet", "tar"):
        (folder / name).mkdir()
    table = pd.DataFrame({"name": IMAGES.keys(), "image": IMAGES.values(), "subject": "somebody"})
    table.to_parquet(folder / "parquet" / "a.parquet", row_group_size=4, index=False)
    for i in range(3):
        with tarfile.open(folder / "tar" / f"{i}.tar", "w") as tar:
            for name in list(IMAGES)[4 * i : 4 * i + 4]:
                for member, data in ((name, IMAGES[name]), (name.replace(".png", ".json"), b"{}")):
                    info = tarfile.TarInfo(member)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    return folder


def contents(shards) -> list[dict[str, bytes]]:
    """By shard what its images hold, by name without the file's."""
    for shard in shards:
        assert [image.name for image in shard.images()] == shard.names()
    return [{Path(image.name).name: image.read() for image in shard.images()} for shard in shards]


@pytest.mark.parametrize("kind", ["parquet", "tar"])
def test_packed_images(packed, kind):
    for size, shards in {1: 3, 5: 2 if kind == "parquet" else 3, 100: 1 if kind == "parquet" else 3}.items():
        found = contents(find_images([packed / kind], size))  # row groups and tar files are not split
        assert len(found) == shards
        assert {name: data for shard in found for name, data in shard.items()} == IMAGES
    (first, *_) = find_images([packed / kind])[0].names()
    assert first in (f"{packed}/parquet/a.parquet/00.png", f"{packed}/tar/0.tar/00.png")
    assert find_images([packed / kind]) == find_images([f"{packed}/{kind}/*"]) == find_images([packed / kind])


@pytest.mark.parametrize("kind", ["parquet", "tar"])
def test_images_that_are_skipped(packed, kind):
    for shard in find_images([packed / kind], 1):
        names = shard.names()
        left = replace(shard, skip=frozenset(names[:3]))
        assert [image.name for image in left.images()] == names[3:] and left.names() == names


def test_photos_in_shards(folder):
    assert [len(shard.names()) for shard in find_images([folder], 2)] == [2, 2, 1]
    with pytest.raises(InputError, match="at least one image, not 0"):
        find_images([folder], 0)


def test_images_as_structs_and_without_names(tmp_path):
    images = [{"bytes": data, "path": None} for data in [*IMAGES.values()][:3]]
    pd.DataFrame({"image": [*images, None]}).to_parquet(tmp_path / "x.parquet", row_group_size=2)
    first, second = contents(find_images([tmp_path], 2))
    assert [*first, *second] == ["0", "1", "2", "3"]
    assert [*first.values(), *second.values()] == [*[image["bytes"] for image in images], b""]


def test_a_table_of_scores_beside_photos_is_not_a_set_of_images(folder):
    pd.DataFrame({"path": ["a"], "score": [1.0]}).to_parquet(folder / "scores.parquet")
    assert "scores.parquet" not in names([folder], folder)
    with pytest.raises(InputError, match="scores.parquet has no column of image bytes"):
        find_images([folder / "scores.parquet"])


def test_a_compressed_tar_file_is_not_unpacked(packed, tmp_path):
    """A few kilobytes could become any number of gigabytes."""
    (tmp_path / "0.tar").write_bytes(gzip.compress((packed / "tar" / "0.tar").read_bytes()))
    with pytest.raises(InputError, match="0.tar is not a complete tar file"):
        contents(find_images([tmp_path / "0.tar"]))


def test_sets_that_cannot_be_used(packed, folder):
    (folder / "0.tar").write_bytes((packed / "tar" / "0.tar").read_bytes()[:900])
    with pytest.raises(InputError, match=r"several kinds of images \(.tar, photos\)"):
        find_images([folder])
    with pytest.raises(InputError, match="0.tar is not a complete tar file"):
        contents(find_images([folder / "0.tar"]))
    pd.DataFrame({"a": [b""], "b": [b""]}).to_parquet(folder / "two.parquet")
    with pytest.raises(InputError, match=r"has several columns of image bytes \('a', 'b'\)"):
        find_images([folder / "two.parquet"])
    (folder / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="bad.parquet is not a readable Parquet file"):
        find_images([folder / "bad.parquet"])
