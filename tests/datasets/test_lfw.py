"""LFW's view 2 and XQLFW in their published layouts: lists, folders, archives, faces that are not seen."""

import io
import tarfile

import numpy as np
import pytest
from photo_sets import BLANK, align, encoded, picture, top_left

from prefiqs.datasets.benchmark import save_benchmark
from prefiqs.datasets.lfw import build_lfw, build_xqlfw, read_lfw_pairs
from prefiqs.datasets.source import central_face
from prefiqs.errors import InputError
from prefiqs.faces.align import AlignedFace

PAIRS = """2\t2
Ann_A\t1\t3
Bo-B\t1\t2
Ann_A\t1\tBo-B\t2
Cy_de_C\t12\tDee\t1
Dee\t1\t2
Ann_A\t2\t3
Dee\t2\tBo-B\t1
Cy_de_C\t12\tAnn_A\t3
"""
NAMES = [
    "Ann_A/Ann_A_0001.jpg", "Ann_A/Ann_A_0003.jpg", "Bo-B/Bo-B_0001.jpg", "Bo-B/Bo-B_0002.jpg",
    "Cy_de_C/Cy_de_C_0012.jpg", "Dee/Dee_0001.jpg", "Dee/Dee_0002.jpg", "Ann_A/Ann_A_0002.jpg",
]  # fmt: skip
ROWS = [[0, 1], [2, 3], [0, 3], [4, 5], [5, 6], [7, 1], [6, 2], [4, 1]]
PHOTOS = {name: picture(i, 250) for i, name in enumerate(NAMES)} | {"Zoe/Zoe_0001.jpg": picture(99, 250)}


@pytest.fixture
def source(tmp_path):
    (tmp_path / "pairs.txt").write_text(PAIRS)
    return tmp_path


def write_folder(top, photos=PHOTOS):
    for name, photo in photos.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(encoded(photo))


def write_archive(path, mode, top, photos=PHOTOS):
    with tarfile.open(path, mode) as tar:
        for name, photo in photos.items():
            data = encoded(photo)
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def test_the_list_of_pairs(source):
    names, pairs, genuine, folds = read_lfw_pairs(source / "pairs.txt")
    assert names == NAMES
    assert pairs.tolist() == ROWS
    assert genuine.tolist() == [True, True, False, False] * 2
    assert folds.tolist() == [0] * 4 + [1] * 4
    assert (pairs.dtype, genuine.dtype, folds.dtype) == (np.int32, bool, np.int8)


def test_lists_without_folds_and_as_csv(tmp_path):
    """Those of view 1 have one number in their first line; Kaggle's has names of columns, and ten folds."""
    (tmp_path / "pairsDevTest.txt").write_text("2\n" + "".join(PAIRS.splitlines(keepends=True)[1:5]))
    names, pairs, genuine, folds = read_lfw_pairs(tmp_path / "pairsDevTest.txt")
    assert names == NAMES[:6] and pairs.tolist() == ROWS[:4]
    assert genuine.tolist() == [True, True, False, False] and folds is None
    csv = "name,imagenum1,imagenum2,\r\n" + "Ann_A,1,3,\r\nBo-B,1,2,\r\nAnn_A,1,Bo-B,2\r\nCy_de_C,12,Dee,1\r\n" * 10
    (tmp_path / "pairs.csv").write_text(csv, newline="")
    names, pairs, genuine, folds = read_lfw_pairs(tmp_path / "pairs.csv")
    assert names == NAMES[:6] and pairs.tolist() == ROWS[:4] * 10
    assert genuine.tolist() == [True, True, False, False] * 10
    assert folds.tolist() == [fold for fold in range(10) for _ in range(4)]
    (tmp_path / "pairs.csv").write_text(csv.replace("Ann_A,1,3,", "Ann_A,1,Bo-B,1", 1))
    with pytest.raises(InputError, match="Fold 1 of .* has 1 genuine pairs, not 2"):
        read_lfw_pairs(tmp_path / "pairs.csv")


def test_view_1_is_a_benchmark_without_folds(tmp_path):
    (tmp_path / "pairsDevTrain.txt").write_text("2\n" + "".join(PAIRS.splitlines(keepends=True)[1:5]))
    write_folder(tmp_path / "lfw")
    benchmark = build_lfw(tmp_path, align)
    assert len(benchmark.images) == 6 and benchmark.folds is None


FORMS = {
    "deep funneled folder": lambda p: write_folder(p / "lfw-deepfunneled"),
    "folder in a folder": lambda p: write_folder(p / "lfw-deepfunneled" / "lfw-deepfunneled"),
    "funneled folder": lambda p: write_folder(p / "lfw_funneled"),
    "folder": lambda p: write_folder(p / "lfw"),
    "lfw-deepfunneled.tar": lambda p: write_archive(p / "lfw-deepfunneled.tar", "w", "lfw-deepfunneled"),
    "lfw-deepfunneled.tgz": lambda p: write_archive(p / "lfw-deepfunneled.tgz", "w:gz", "lfw-deepfunneled"),
    "lfw-funneled.tgz": lambda p: write_archive(p / "lfw-funneled.tgz", "w:gz", "lfw_funneled"),
    "lfw.tgz": lambda p: write_archive(p / "lfw.tgz", "w:gz", "./lfw"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_benchmark(source, form):
    FORMS[form](source)
    before = sorted(source.rglob("*"))
    benchmark = build_lfw(source, align)
    assert list(benchmark.names) == NAMES
    assert list(benchmark.subjects[3:6]) == ["Bo-B", "Cy_de_C", "Dee"]
    np.testing.assert_array_equal(benchmark.images, [top_left(PHOTOS[name]) for name in NAMES])
    assert benchmark.pairs.tolist() == ROWS
    assert benchmark.folds.tolist() == [0] * 4 + [1] * 4
    assert benchmark.summary() == {"images": 8, "people": 4, "genuine": 4, "impostor": 4}
    assert benchmark.excluded == ()
    assert sorted(source.rglob("*")) == before  # an archive is not unpacked


def test_a_photo_without_a_face_is_named_and_its_pairs_are_left_out(source):
    write_folder(source / "lfw", PHOTOS | {NAMES[1]: BLANK})
    benchmark = build_lfw(source, align)
    assert benchmark.excluded == ((NAMES[1], "Expected at least one face, got none. 3 pairs are left out."),)
    assert list(benchmark.names) == [NAMES[0], *NAMES[2:]]
    left = [benchmark.names[pair].tolist() for pair in benchmark.pairs]
    assert left == [[NAMES[a], NAMES[b]] for a, b in ROWS if 1 not in (a, b)]
    assert benchmark.genuine.tolist() == [True, False, False, True, False]
    assert benchmark.folds.tolist() == [0, 0, 0, 1, 1]


def test_no_face_anywhere(source):
    write_folder(source / "lfw", dict.fromkeys(NAMES, BLANK))
    with pytest.raises(InputError, match="No face was found in any of 8 photos"):
        build_lfw(source, align)


def test_only_photos_named_in_pairs_are_decoded(source):
    write_folder(source / "lfw")
    (source / "lfw" / "Zoe" / "Zoe_0001.jpg").write_bytes(b"broken")
    assert len(build_lfw(source, align).images) == 8


@pytest.mark.parametrize("archive", [True, False])
def test_a_photo_that_is_missing(source, archive):
    photos = {name: photo for name, photo in PHOTOS.items() if name not in NAMES[4:6]}
    if archive:
        write_archive(source / "lfw.tgz", "w:gz", "lfw", photos)
    else:
        write_folder(source / "lfw", photos)
    with pytest.raises(InputError, match=r"Photo not found in .*: Cy_de_C/Cy_de_C_0012.jpg \(2 of 8 are missing\)"):
        build_lfw(source, align)


def test_a_photo_that_is_broken(source):
    write_folder(source / "lfw")
    (source / "lfw" / NAMES[2]).write_bytes(b"broken")
    with pytest.raises(InputError, match=f"{NAMES[2]} is not an image that can be read"):
        build_lfw(source, align)


def test_no_photos_at_all(source):
    with pytest.raises(
        InputError, match="Photos not found: lfw-deepfunneled, lfw_funneled, lfw or an archive of it in"
    ):
        build_lfw(source, align)


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"no archive" * 100])
def test_a_damaged_archive(source, damage):
    write_archive(source / "lfw.tgz", "w:gz", "lfw")
    (source / "lfw.tgz").write_bytes(damage((source / "lfw.tgz").read_bytes()))
    with pytest.raises(InputError, match=r"lfw.tgz is not a complete tar file"):
        build_lfw(source, align)


def test_links_and_strange_names_in_an_archive_are_passed_over(source):
    """A link named like a photo would let the archive choose what is read."""
    secret = source / "secret.png"
    secret.write_bytes(encoded(picture(77, 250)))
    write_archive(source / "lfw.tar", "w", "lfw", {n: p for n, p in PHOTOS.items() if n != NAMES[0]})
    with tarfile.open(source / "lfw.tar", "a") as tar:
        for kind, target in ((tarfile.SYMTYPE, str(secret)), (tarfile.LNKTYPE, f"lfw/{NAMES[1]}")):
            link = tarfile.TarInfo(f"lfw/{NAMES[0]}")
            link.type, link.linkname = kind, target
            tar.addfile(link)
        for name in (f"other/{NAMES[0]}", f"lfw/../lfw/{NAMES[0]}", f"/lfw/{NAMES[0]}"):
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
    with pytest.raises(InputError, match=f"Photo not found in .*: {NAMES[0]}"):
        build_lfw(source, align)


WRONG_LISTS = {
    "no header": (PAIRS[4:], "Line 1 of"),
    "header of people.txt": ("10\n" + PAIRS[4:], "has 8 pairs after line 1, which promises 20"),
    "header of people.csv": ("name,images\n" + PAIRS[4:], "Line 1 of"),
    "two fields": (
        PAIRS.replace("Dee\t1\t2", "Dee\t1"),
        r"Line 6 of .* is not of the form `NAME I J` or `NAME I OTHER J`",
    ),
    "five fields": (PAIRS.replace("Dee\t1\t2", "Dee\t1\t2\t3\t4"), "Line 6 of"),
    "no number": (PAIRS.replace("Dee\t1\t2", "Dee\tone\t2"), "Line 6 of"),
    "a path": (PAIRS.replace("Bo-B\t1\t2", "../x\t1\t2"), "Line 3 of"),
    "a path in the second name": (PAIRS.replace("Dee\t1\n", "a/b\t1\n", 1), "Line 5 of"),
    "parent folder": (PAIRS.replace("Bo-B\t1\t2", "..\t1\t2"), "Line 3 of"),
    "too few pairs": (PAIRS.replace("Dee\t1\t2\n", ""), "has 7 pairs after line 1, which promises 8"),
    "too many pairs": (PAIRS + "Dee\t1\t2\n", "has 9 pairs after line 1, which promises 8"),
    "unbalanced": (
        PAIRS.replace("Dee\t1\t2", "Dee\t1\tAnn_A\t1"),
        "Fold 2 of .* has 1 genuine pairs, not 2",
    ),
}


@pytest.mark.parametrize("case", WRONG_LISTS)
def test_a_list_that_is_not_of_the_format(source, case):
    text, message = WRONG_LISTS[case]
    (source / "pairs.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_lfw_pairs(source / "pairs.txt")


def face(x: float, y: float, size: float) -> AlignedFace:
    return AlignedFace(np.empty(0), np.array([x - size / 2, y - size / 2, size, size]), np.empty(0), 0.9)


def test_the_person_meant_stands_in_the_middle():
    photo = np.empty((200, 300, 3), np.uint8)  # its middle is at x = 150, y = 100
    middle, largest, tiny = face(140, 95, 60), face(60, 60, 100), face(150, 100, 40)
    assert central_face([largest, middle], photo) is middle
    assert central_face([largest, middle, tiny], photo) is middle  # 40² is less than a quarter of 100²
    assert central_face([middle, tiny], photo) is tiny
    assert central_face([largest], photo) is largest


@pytest.fixture
def xqlfw(tmp_path):
    (tmp_path / "xqlfw_pairs.txt").write_text(PAIRS)
    write_folder(tmp_path / "xqlfw_aligned_112", {name: picture(i) for i, name in enumerate(NAMES)})
    return tmp_path


def test_xqlfw(xqlfw):
    benchmark = build_xqlfw(xqlfw)
    assert list(benchmark.names) == NAMES
    assert benchmark.pairs.tolist() == ROWS
    assert benchmark.genuine.tolist() == [True, True, False, False] * 2
    assert benchmark.folds.tolist() == [0] * 4 + [1] * 4
    assert benchmark.summary() == {"images": 8, "people": 4, "genuine": 4, "impostor": 4}
    np.testing.assert_array_equal(list(benchmark.images), [picture(i) for i in range(8)])


def test_xqlfw_with_a_face_missing(xqlfw):
    (xqlfw / "xqlfw_aligned_112" / NAMES[5]).unlink()
    with pytest.raises(InputError, match=rf"File not found: .*{NAMES[5]} \(1 listed files are missing\)"):
        build_xqlfw(xqlfw)


def test_xqlfw_with_a_face_that_is_not_aligned(xqlfw):
    (xqlfw / "xqlfw_aligned_112" / NAMES[5]).write_bytes(encoded(picture(5, 160)))
    with pytest.raises(InputError, match=f"{NAMES[5]} has 160×160 pixels, but aligned faces have 112×112"):
        save_benchmark(build_xqlfw(xqlfw), xqlfw)
