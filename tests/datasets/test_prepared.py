"""CR-FIQA's prepared folders: lists as its scripts write them, colours on disk, round trip."""

import cv2
import numpy as np
import pytest
from photo_sets import encoded, picture

from prefiqs.datasets.benchmark import Benchmark, Templates, save_benchmark
from prefiqs.datasets.pairs import consecutive_folds
from prefiqs.datasets.photos import face_index
from prefiqs.datasets.prepared import prepared_names, read_prepared, write_prepared
from prefiqs.errors import InputError

FACES = [
    np.full((112, 112, 3), colour, np.uint8) for colour in [(250, 10, 10), (10, 240, 10), (20, 10, 250), (90, 60, 30)]
]


def crfiqa(folder, paths, pairs):
    """What its scripts do: RGB arrays are handed to OpenCV as if they were BGR."""
    (folder / "images").mkdir(parents=True)
    (folder / "image_path_list.txt").write_text("".join(f"quality_data/{folder.name}/images/{p}\n" for p in paths))
    (folder / "pair_list.txt").write_text(pairs)
    for path, face in zip(dict.fromkeys(paths), FACES, strict=False):
        cv2.imwrite(str(folder / "images" / path), face)
    return folder


def near(image, face):
    return np.abs(np.asarray(image).astype(int) - face).max() <= 4


def test_the_folder_of_a_bin_file(tmp_path):
    """NumPy wrote its pair list: the label has five digits like the names."""
    folder = crfiqa(tmp_path / "lfw", [f"{i:05d}.jpg" for i in range(4)], "00000 00001 00001\n00002 00003 00000\n")
    benchmark = read_prepared(folder, folds=2)
    assert benchmark.name == "lfw"
    assert list(benchmark.names) == ["00000.jpg", "00001.jpg", "00002.jpg", "00003.jpg"]
    assert benchmark.pairs.tolist() == [[0, 1], [2, 3]]
    assert benchmark.genuine.tolist() == [True, False]
    assert benchmark.folds.tolist() == [0, 1]
    assert list(benchmark.subjects) == ["?00000.jpg", "?00000.jpg", "?00002.jpg", "?00003.jpg"]
    assert all(map(near, benchmark.images, FACES))


def test_the_folder_of_xqlfw(tmp_path):
    """Its path list repeats images and its pair list keeps the endings."""
    a, b, c = "Ann_0001.jpg", "Ann_0002.jpg", "Bo_0001.jpg"
    folder = crfiqa(tmp_path / "XQLFW", [a, b, b, c], f"{a} {b} 1\n{b} {c} 0\n")
    benchmark = read_prepared(folder, "xqlfw", folds=None)
    assert (benchmark.name, list(benchmark.names), benchmark.pairs.tolist()) == ("xqlfw", [a, b, c], [[0, 1], [1, 2]])
    assert benchmark.folds is None
    save_benchmark(benchmark, tmp_path)
    assert near(np.load(tmp_path / "benchmarks" / "xqlfw" / "images.npy")[0], FACES[0])


def test_ordinary_files_are_read_as_they_are_shown(tmp_path):
    folder = crfiqa(tmp_path / "lfw", ["a.png"], "")
    (folder / "images" / "a.png").write_bytes(encoded(FACES[0]))
    np.testing.assert_array_equal(read_prepared(folder, stored="plain").images[0], FACES[0])
    np.testing.assert_array_equal(read_prepared(folder).images[0], FACES[0][..., ::-1])


def benchmark_of(names, folds=None, **more) -> Benchmark:
    images = np.stack([picture(i) for i in range(len(names))])
    pairs = np.array([[0, 1], [2, 0], [1, 3]], np.int32)
    index = face_index(names, ["x"] * len(names))
    return Benchmark("small", images, index, pairs, np.array([True, False, True]), folds, **more)


@pytest.mark.parametrize("stored", ["swapped", "plain"])
def test_what_is_written_is_read(tmp_path, stored):
    names = ["00000.jpg", "00001.jpg", "00003.jpg", "00007.jpg"]
    benchmark = benchmark_of(names, consecutive_folds(3, 3))
    folder = tmp_path / "quality_data" / "agedb_30"
    write_prepared(benchmark, folder, stored)
    back = read_prepared(folder, "small", stored, folds=3)
    assert list(back.names) == names
    for field in ("pairs", "genuine", "folds"):
        np.testing.assert_array_equal(getattr(back, field), getattr(benchmark, field))
        assert getattr(back, field).dtype == getattr(benchmark, field).dtype
    assert all(map(near, back.images, benchmark.images))
    # Read with the other convention, the colours would be wrong: the comparison above can fail.
    other = read_prepared(folder, "small", "plain" if stored == "swapped" else "swapped")
    assert not near(other.images[0], benchmark.images[0])


def test_the_files_are_those_that_its_tools_want(tmp_path):
    folder = tmp_path / "quality_data" / "orl"
    write_prepared(benchmark_of(["s1/1.pgm", "s1/2.pgm", "s2/1.pgm", "s2/1.pgm#3"]), folder)
    names = ["s1_1", "s1_2", "s2_1", "s2_1_pgm#3"]
    assert sorted(path.name for path in (folder / "images").iterdir()) == [f"{name}.jpg" for name in names]
    paths = (folder / "image_path_list.txt").read_text().splitlines()
    assert paths == [f"quality_data/orl/images/{name}.jpg" for name in names]
    assert (folder / "pair_list.txt").read_text().splitlines() == ["s1_1 s1_2 1", "s2_1 s1_1 0", "s1_2 s2_1_pgm#3 1"]
    for i, path in enumerate(paths):  # OpenCV without conversion gives RGB
        assert near(cv2.imread(str(tmp_path / path)), picture(i))


@pytest.mark.parametrize(
    ("names", "prepared"),
    [
        (["Ann/Ann_0001.jpg", "Bo/Bo_0001.jpg"], ["Ann_0001", "Bo_0001"]),
        (["a/1.jpg", "b/1.jpg"], ["a_1", "b_1"]),
        (["u@N03/face.12.345_o.jpg"], ["face_12_345_o"]),
        (["with blank.PNG"], ["with_blank"]),
        (["00000.jpg"], ["00000"]),
    ],
)
def test_names_survive_tools_that_split_at_dots_and_blanks(names, prepared):
    assert prepared_names(names) == prepared


def test_names_that_cannot_be_told_apart():
    with pytest.raises(InputError, match="Expected distinct names of images, got several that become 'a_b'"):
        prepared_names(["a.b", "a b"])


def test_templates_have_no_place_in_these_files(tmp_path):
    templates = Templates.of(np.array([1, 1, 2, 3]), np.zeros(4))
    with pytest.raises(InputError, match="got small, which compares templates"):
        write_prepared(benchmark_of(list("abcd"), templates=templates), tmp_path / "x")


def test_an_unknown_convention(tmp_path):
    for call in (
        lambda: write_prepared(benchmark_of(list("abcd")), tmp_path, "bgr"),
        lambda: read_prepared(tmp_path, "x", "bgr"),
    ):
        with pytest.raises(InputError, match="Expected stored to be one of swapped, plain, got 'bgr'"):
            call()


@pytest.mark.parametrize(
    ("pairs", "line"),
    [
        ("00000 00001 1\n00000 00009 1\n", 2),
        ("00000 00001\n", 1),
        ("00000 00001 2\n", 1),
        ("00000 00001 1\n\n", 2),
        ("00000, 00001, 1\n", 1),
    ],
)
def test_a_pair_list_that_is_not_of_the_format(tmp_path, pairs, line):
    folder = crfiqa(tmp_path / "lfw", ["00000.jpg", "00001.jpg"], pairs)
    with pytest.raises(
        InputError, match=f"Expected `NAME NAME 1|0` with listed names in line {line} of .*pair_list.txt"
    ):
        read_prepared(folder)


def test_files_that_are_missing(tmp_path):
    folder = crfiqa(tmp_path / "lfw", ["a.jpg", "b.jpg"], "")
    (folder / "images" / "b.jpg").unlink()
    with pytest.raises(InputError, match=r"Expected .*images/b.jpg, got no such file \(1 missing\)"):
        read_prepared(folder)
    (folder / "image_path_list.txt").unlink()
    with pytest.raises(InputError, match=r"Expected a prepared folder with .*image_path_list.txt, got no such file"):
        read_prepared(folder)
