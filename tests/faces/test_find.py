"""Which images are found in what is named: files, folders, globs, and sets packed as Parquet or tar files."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import tracemalloc
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from prefiqs.errors import InputError
from prefiqs.faces.find import find_images, in_words


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
    (folder / "empty" / "a.mov").touch()
    with pytest.raises(InputError, match="No photos found in .*empty.* Skipped: 1 .mov.$"):
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
def test_images_that_alone_are_meant(packed, kind):
    for shard in find_images([packed / kind], 1):
        names = shard.names()
        left = replace(shard, only=frozenset(names[3:]))
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


def test_images_have_the_paths_that_hubs_give_them(tmp_path):
    """As Hugging Face's datasets write them; where paths are missing or repeated, the row tells images apart."""
    for file, paths, expected in (
        ("a", ["s1/a b.jpg", "s2/a b.jpg", "ü.png"], ["s1/a b.jpg", "s2/a b.jpg", "ü.png"]),
        ("b", ["x.jpg", None, ""], ["x.jpg", "1", "2"]),
        ("c", ["x.jpg", "y.jpg", "x.jpg"], ["0/x.jpg", "1/y.jpg", "2/x.jpg"]),
    ):
        images = [{"bytes": path.encode() if path else b"", "path": path} for path in paths]
        pd.DataFrame({"image": images, "label": [1, 2, 3]}).to_parquet(tmp_path / f"{file}.parquet", row_group_size=2)
        shards = find_images([tmp_path / f"{file}.parquet"], 1)
        assert [name for shard in shards for name in shard.names()] == [
            f"{tmp_path}/{file}.parquet/{name}" for name in expected
        ]
        read = [(image.name, image.read()) for shard in shards for image in shard.images()]
        assert [data for _, data in read] == [image["bytes"] for image in images]


def test_links_are_followed_and_loops_end(tmp_path):
    """Folder and glob alike; the real path wins, and a folder counts once."""
    for name in ("p/a.jpg", "e/b.jpg", "e/deep/c.jpg", "f/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "p" / "link").symlink_to("../e")
    (tmp_path / "p" / "another").symlink_to(tmp_path / "e")
    (tmp_path / "p" / "itself").symlink_to("itself")
    (tmp_path / "p" / "file.jpg").symlink_to("../f/d.jpg")
    (tmp_path / "e" / "loop").symlink_to("../p")
    (tmp_path / "e" / "up").symlink_to(".")
    (tmp_path / "e" / "deep" / "up").symlink_to("../deep")
    expected = ["a.jpg", "another/b.jpg", "another/deep/c.jpg", "file.jpg"]
    assert names([tmp_path / "p"], tmp_path / "p") == expected
    for pattern in ("p/**/*.jpg", "p/**", "**/p/**/*.jpg", "[p]/**/*.[j]pg"):
        assert sorted(names([tmp_path / pattern], tmp_path / "p")) == expected
    (tmp_path / "p" / "z").mkdir()
    (tmp_path / "p" / "b").symlink_to("z")
    (tmp_path / "p" / "z" / "e.jpg").touch()
    assert names([tmp_path / "p"], tmp_path / "p") == [*expected, "z/e.jpg"]


def test_what_desktops_servers_and_notebooks_leave_is_passed_over_and_counted(tmp_path):
    wanted = ["a.jpg", "b/c.HEIC"]
    left = [".DS_Store", "._a.jpg", ".ipynb_checkpoints/a.jpg", "@eaDir/a.jpg/SYNO.jpg", "b/__MACOSX/a.jpg",
            "Thumbs.db", "lost+found/x.jpg", "b/$RECYCLE.BIN/a.jpg", "v.MOV", "w.mov", "README", "scores.csv",
            "raw.NEF", "out/_run.json", "out/part-00000000.parquet", ".hidden.jpg"]  # fmt: skip
    for name in wanted + left:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    passed_over = Counter()
    (shard,) = find_images([tmp_path], passed_over=passed_over)
    assert [Path(name).relative_to(tmp_path).as_posix() for name in shard.names()] == wanted
    assert passed_over == {"hidden": 4, "@eaDir/": 1, "__MACOSX/": 1, ".db": 1, "lost+found/": 1, "$RECYCLE.BIN/": 1,
                           ".mov": 2, "without ending": 1, ".csv": 1, ".nef": 1, "with results": 1}  # fmt: skip
    for pattern in ("**/*", "**", "*", "**/*.*"):
        assert sorted(names([tmp_path / pattern], tmp_path)) == wanted
    find_images([tmp_path / "*.*"], passed_over=(counted := Counter()))
    assert (counted[".csv"], counted[".db"]) == (1, 1)
    assert names([tmp_path / ".hidden.jpg", tmp_path / "@eaDir"], tmp_path) == [".hidden.jpg", "@eaDir/a.jpg/SYNO.jpg"]


def test_every_missing_file_is_counted(folder):
    with pytest.raises(InputError, match=r"File not found: .*no1.jpg \(3 files that were named are missing\)"):
        find_images([folder / "b.jpg", folder / "no1.jpg", folder / "no2.jpg", folder / "no3"])


def test_a_table_of_scores_beside_photos_is_not_a_set_of_images(folder):
    pd.DataFrame({"path": ["a"], "score": [1.0]}).to_parquet(folder / "scores.parquet")
    assert "scores.parquet" not in names([folder], folder)
    with pytest.raises(InputError, match="scores.parquet has no column of image bytes"):
        find_images([folder / "scores.parquet"])


@pytest.mark.parametrize("name", ["0.tar.gz", "0.TGZ", "0.tar.bz2", "0.tbz2", "0.tar.xz", "0.txz", "0.tar"])
def test_compressed_tar_files(packed, tmp_path, name):
    """Known by their endings, and read whatever their endings are."""
    pack = bz2.compress if "b" in name else lzma.compress if "x" in name else gzip.compress
    (tmp_path / name).write_bytes(pack((packed / "tar" / "0.tar").read_bytes()))
    (images,) = contents(find_images([tmp_path]))
    assert images == dict(list(IMAGES.items())[:4])


def test_members_of_tar_files_that_are_passed_over_or_too_large(tmp_path):
    with tarfile.open(tmp_path / "mac.tgz", "w:gz") as tar:
        for member in ("./a/1.jpg", "./a/._1.jpg", "__MACOSX/a/1.jpg", "a/.hidden/1.jpg", "a/1.json", "a/1.JPE"):
            tar.addfile(tarfile.TarInfo(member))
    assert names([tmp_path], tmp_path / "mac.tgz") == ["a/1.jpg", "a/1.JPE"]
    shards = find_images([tmp_path])
    assert in_words(Counter(), shards) == ""  # nothing was read
    for _ in range(2):  # counted once, however often it is read
        contents(shards)
        assert in_words(Counter(), shards) == "Skipped: 2 hidden, 1 __MACOSX/, 1 .json."
    header = tarfile.TarInfo("bomb.png")
    header.size = 2**31
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(header.tobuf() + bytes(99999)))
    with pytest.raises(InputError, match="bomb.tar.gz/bomb.png has 2,147,483,648 bytes, but a photo may have"):
        find_images([tmp_path / "bomb.tar.gz"])[0].names()


def test_names_in_archives_that_are_not_utf_8(tmp_path):
    """They are text that a table can hold, as the names of files are."""
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo(os.fsdecode(b"caf\xe9.png")))
    assert names([tmp_path], tmp_path / "a.tar") == [r"caf\xe9.png"]


def test_zip_files(packed, tmp_path):
    """Like tar files; those beside photos are skipped, unless they are named."""
    (tmp_path / "z").mkdir()
    with zipfile.ZipFile(tmp_path / "z" / "a.ZIP", "w", zipfile.ZIP_DEFLATED) as file:
        for name in (*IMAGES, "__MACOSX/00.png", "s/._1.png", "s/a.json", "s.png/"):
            file.writestr(name, IMAGES.get(name, b""))
    (shard,) = find_images([tmp_path])
    assert contents([shard]) == [IMAGES]
    assert in_words(Counter({".txt": 2, ".json": 1}), [shard]) == "Skipped: 2 .txt, 2 .json, 1 __MACOSX/, 1 hidden."
    assert shard.names()[0] == f"{tmp_path}/z/a.ZIP/00.png"
    (tmp_path / "b.jpg").touch()
    for given in (tmp_path, tmp_path / "**"):
        passed_over = Counter()
        assert [shard.names() for shard in find_images([given], passed_over=passed_over)] == [[f"{tmp_path}/b.jpg"]]
        assert passed_over == {".zip": 1}
    assert names([tmp_path, tmp_path / "z" / "a.ZIP"], tmp_path) == ["b.jpg", *(f"z/a.ZIP/{name}" for name in IMAGES)]


def test_zip_files_that_cannot_be_read(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("1.png", b"1" * 99)
    whole = path.read_bytes()
    local, central = whole.index(b"PK\3\4"), whole.index(b"PK\1\2")
    locked = bytearray(whole)
    locked[local + 6] |= 1  # of the flags: encrypted
    locked[central + 8] |= 1
    strange = bytearray(whole)
    strange[local + 8], strange[central + 10] = 77, 77  # a method of compression that does not exist
    for content in (whole[:-30], b"", locked, strange, whole.replace(b"1" * 99, b"2" * 99)):
        path.write_bytes(content)
        with pytest.raises(InputError, match="a.zip is not a readable zip file"):
            contents(find_images([path]))
    claims = bytearray(whole)
    struct.pack_into("<I", claims, central + 24, 2**31)  # of bytes
    path.write_bytes(claims)
    with pytest.raises(InputError, match="a.zip/1.png has 2,147,483,648 bytes, but a photo may have"):
        find_images([path])[0].names()


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


@pytest.mark.long
def test_listing_a_huge_folder_reads_no_photo_and_keeps_names_only(tmp_path, monkeypatch):
    """200,000 names; a photo of which even the header were kept would take more."""
    listed = [f"{number:06}.jpg" for number in range(200_000)]
    monkeypatch.setattr("os.walk", lambda top, onerror: [(top, [], listed)])
    monkeypatch.setattr("io.open", lambda *_, **__: pytest.fail("a file is read"))
    tracemalloc.start()
    shards = find_images([tmp_path])
    found = [name for shard in shards for name in shard.names()]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == [str(tmp_path / name) for name in listed]
    assert len(shards) == 196  # of 1,024 photos each
    assert peak / len(listed) < 2_000
