"""CFP in its official layout: folds, lists, and faces that the detector does not find."""

import io
import tarfile

import numpy as np
import pytest
from photo_sets import BLANK, align, encoded, picture

from prefiqs.datasets.cfp import build_cfp, five_points
from prefiqs.errors import InputError

PEOPLE = ("001", "002")


def points():
    """30 fiducials of half a face that looks to the right of the image: the visible eye is the left one."""
    found = np.zeros((30, 2))
    found[12:18] = (40, 50)
    found[18], found[21], found[28] = (60, 48), (62, 70), (60, 100)
    found[25], found[27] = (45, 92), (60, 90)
    return found


def files(blank=()):
    content, number = {}, 0
    for person in PEOPLE:
        for kind in ("frontal", "profile"):
            name = f"{person}/{kind}/01"
            number += 1
            photo = BLANK if name in blank else picture(number, 250)
            content[f"Data/Images/{name}.jpg"] = encoded(photo)
            lines = "\n".join(f"{x},{y}" for x, y in points())
            content[f"Data/Fiducials/{name}.txt"] = lines.encode()
    for letter, kind in (("F", "frontal"), ("P", "profile")):
        lines = [f"{i} ../Data/Images/{person}/{kind}/01.jpg" for i, person in enumerate(PEOPLE, 1)]
        content[f"Protocol/Pair_list_{letter}.txt"] = "\n".join(lines).encode()
    for fold in range(1, 11):
        content[f"Protocol/Split/FP/{fold:02d}/same.txt"] = b"1,1\n2,2"
        content[f"Protocol/Split/FP/{fold:02d}/diff.txt"] = b"1,2\n2,1"
    return content


def write_folder(folder, content):
    for name, data in content.items():
        path = folder / "cfp-dataset" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def test_folds_and_pairs(tmp_path):
    benchmark = build_cfp("FP", write_folder(tmp_path, files()), align)
    assert benchmark.names.tolist() == [f"{p}/{kind}/01.jpg" for p in PEOPLE for kind in ("frontal", "profile")]
    assert benchmark.pairs[:4].tolist() == [[0, 1], [2, 3], [0, 3], [2, 1]]
    assert benchmark.genuine.tolist() == [True, True, False, False] * 10
    assert benchmark.folds.tolist() == [fold for fold in range(10) for _ in range(4)]
    assert set(benchmark.index["landmarks"]) == {"detector"} and benchmark.name == "cfp-fp"


def test_a_face_that_is_not_found_is_aligned_by_its_fiducials(tmp_path):
    benchmark = build_cfp("FP", write_folder(tmp_path, files(blank=["002/profile/01"])), align)
    assert benchmark.index["landmarks"].tolist() == ["detector"] * 3 + ["fiducials"]
    assert len(benchmark.images) == 4 and benchmark.images[3].shape == (112, 112, 3)


def test_an_archive_is_read_as_the_folder(tmp_path):
    content = files()
    with tarfile.open(tmp_path / "cfp-dataset.tar", "w") as tar:
        for name, data in content.items():
            member = tarfile.TarInfo(f"cfp-dataset/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    (tmp_path / "unpacked").mkdir()
    folder = build_cfp("FP", write_folder(tmp_path / "unpacked", content), align)
    archive = build_cfp("FP", tmp_path, align)
    assert all(np.array_equal(a, b) for a, b in zip(folder.images, archive.images, strict=True))


def test_five_points_of_half_a_face():
    profile = five_points(points(), profile=True)
    assert profile.tolist() == [[40, 50], [60, 48], [62, 70], [45, 92], [60, 90]]
    frontal = five_points(points(), profile=False)  # mirrored at the vertical line x = 60
    assert frontal.tolist() == [[40, 50], [80, 50], [62, 70], [45, 92], [75, 92]]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("Protocol/Split/FP/03/same.txt", b"1,7", "'1,7' in Protocol/Split/FP/03/same.txt"),
        ("Protocol/Pair_list_P.txt", b"nothing", "Pair_list_P.txt does not list photos"),
        ("Protocol/Split/FP/03/diff.txt", None, "File not found: cfp-dataset/Protocol/Split/FP/03/diff.txt"),
        ("Data/Images/001/frontal/01.jpg", None, "Photo not found"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, data, message):
    content = files()
    if data is None:
        del content[name]
    else:
        content[name] = data
    with pytest.raises(InputError, match=message):
        build_cfp("FP", write_folder(tmp_path, content), align)
