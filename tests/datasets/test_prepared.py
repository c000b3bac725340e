"""CR-FIQA's prepared folders: lists as its scripts write them, colours on disk."""

import cv2
import numpy as np
import pytest

from prefiqs.datasets.benchmark import save_benchmark
from prefiqs.datasets.formats import read_prepared
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
    assert list(benchmark.subjects) == ["00000.jpg", "00000.jpg", "00002.jpg", "00003.jpg"]
    assert all(map(near, benchmark.images, FACES))


def test_the_folder_of_xqlfw(tmp_path):
    """Its path list repeats images and its pair list keeps the endings."""
    a, b, c = "Ann_0001.jpg", "Ann_0002.jpg", "Bo_0001.jpg"
    folder = crfiqa(tmp_path / "XQLFW", [a, b, b, c], f"{a} {b} 1\n{b} {c} 0\n")
    benchmark = read_prepared(folder, folds=None)
    assert (benchmark.name, list(benchmark.names), benchmark.pairs.tolist()) == ("XQLFW", [a, b, c], [[0, 1], [1, 2]])
    assert benchmark.folds is None
    save_benchmark(benchmark, tmp_path)
    assert near(np.load(tmp_path / "benchmarks" / "XQLFW" / "images.npy")[0], FACES[0])


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ("00000 00001 1\n00000 00009 1\n", "image 00009 in line 2 of .*pair_list.txt is not one of the 2 known ones"),
        ("00000 00001\n", "Line 1 of .*pair_list.txt is not of the form `LEFT RIGHT GENUINE`"),
        ("00000 00001 2\n", "label in line 1 of .*pair_list.txt is 2"),
        ("00000 00001 1\n\n00000 00001 0 1\n", "Line 3 of .*pair_list.txt is not of the form `LEFT RIGHT GENUINE`"),
        ("00000, 00002, 1\n", "image 00002 in line 1 of .*pair_list.txt is not one of the 2 known ones"),
    ],
)
def test_a_pair_list_that_is_not_of_the_format(tmp_path, pairs, message):
    folder = crfiqa(tmp_path / "lfw", ["00000.jpg", "00001.jpg"], pairs)
    with pytest.raises(InputError, match=message):
        read_prepared(folder)


def test_files_that_are_missing(tmp_path):
    folder = crfiqa(tmp_path / "lfw", ["a.jpg", "b.jpg"], "")
    (folder / "images" / "b.jpg").unlink()
    with pytest.raises(InputError, match=r"File not found: .*images/b.jpg \(1 listed files are missing\)"):
        read_prepared(folder)
    (folder / "image_path_list.txt").unlink()
    with pytest.raises(InputError, match=r"File not found: .*image_path_list.txt"):
        read_prepared(folder)
