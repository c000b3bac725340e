"""insightface's .bin files in both flavours: pixels, pairs, folds, copies, and what is not of the format."""

import os
import pickle

import numpy as np
import pickles
import pytest
from photo_sets import encoded, picture

from prefiqs.datasets.benchmark import load_benchmark, save_benchmark
from prefiqs.datasets.formats import build_insightface_bin, read_bin
from prefiqs.errors import InputError

# Twelve pairs of these pictures; 0, 1 and 2 occur several times.
SHOWN = [0, 1, 0, 2, 3, 4, 1, 2, 5, 6, 5, 0, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 2, 9]
GENUINE = [True, False, True, True, False, False] * 2
IMAGES = [encoded(picture(i)) for i in SHOWN]


def write(tmp_path, content) -> str:
    path = tmp_path / "agedb_30.bin"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, 4))
    return path


FLAVOURS = {
    "Python 2": pickles.python2(IMAGES, GENUINE),
    "Python 2, arrays": pickles.python2(IMAGES, GENUINE, pickles.array),
    "Python 3": pickle.dumps((IMAGES, GENUINE), 4),
    "Python 3, protocol 2": pickle.dumps((IMAGES, GENUINE), 2),
    "Python 3, arrays": pickle.dumps([[np.frombuffer(i, np.uint8) for i in IMAGES], GENUINE], 5),
    "Python 3, bytearrays": pickle.dumps(([bytearray(i) for i in IMAGES], [np.bool_(g) for g in GENUINE]), 3),
}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_flavour_gives_the_published_pairs(tmp_path, flavour):
    benchmark = build_insightface_bin(write(tmp_path, FLAVOURS[flavour]))
    assert benchmark.name == "agedb_30"
    assert len(benchmark.images) == 17  # each picture once
    for (left, right), genuine, i in zip(benchmark.pairs, benchmark.genuine, range(12), strict=True):
        np.testing.assert_array_equal(benchmark.images[left], picture(SHOWN[2 * i]))
        np.testing.assert_array_equal(benchmark.images[right], picture(SHOWN[2 * i + 1]))
        assert genuine == GENUINE[i]
    assert (benchmark.pairs.dtype, benchmark.genuine.dtype) == (np.int32, bool)


def test_images_are_named_by_their_first_place_in_the_file(tmp_path):
    benchmark = build_insightface_bin(write(tmp_path, FLAVOURS["Python 3"]))
    assert list(benchmark.names[:5]) == ["00000.jpg", "00001.jpg", "00003.jpg", "00004.jpg", "00005.jpg"]
    assert list(benchmark.index["source"][:3]) == ["agedb_30.bin:0", "agedb_30.bin:1", "agedb_30.bin:3"]


def test_people_are_what_genuine_pairs_connect(tmp_path):
    """Genuine pairs: 0-1, 3-4, 1-2, 7-8, 11-12, 13-14."""
    benchmark = build_insightface_bin(write(tmp_path, FLAVOURS["Python 3"]))
    groups: dict[str, set[int]] = {}
    for row, subject in enumerate(benchmark.subjects):
        groups.setdefault(subject, set()).add(row)
    together = {frozenset(g) for g in groups.values() if len(g) > 1}
    assert together == {frozenset(g) for g in ({0, 1, 2}, {3, 4}, {7, 8}, {11, 12}, {13, 14})}
    assert set(benchmark.subjects[:5]) == {"00000.jpg", "00004.jpg"}


@pytest.mark.parametrize(("pairs", "sizes"), [(20, [2] * 10), (12, [2, 2] + [1] * 8), (35, [4] * 5 + [3] * 5)])
def test_folds_are_equal_runs_as_in_unshuffled_k_fold(tmp_path, pairs, sizes):
    path = write(tmp_path, ([IMAGES[0]] * 2 * pairs, [True] * pairs))
    folds = build_insightface_bin(path).folds
    assert folds.dtype == np.int8
    assert folds.tolist() == [fold for fold, size in enumerate(sizes) for _ in range(size)]


def test_what_is_saved_are_the_decoded_faces(tmp_path):
    save_benchmark(build_insightface_bin(write(tmp_path, FLAVOURS["Python 2"])), tmp_path)
    loaded = load_benchmark("agedb_30", tmp_path)
    np.testing.assert_array_equal(loaded.images[2], picture(2))
    assert loaded.index["sha256"].nunique() == 17


def test_jpeg_is_decoded_to_rgb(tmp_path):
    red = np.full((112, 112, 3), (250, 10, 10), np.uint8)
    benchmark = build_insightface_bin(write(tmp_path, ([encoded(red, ".jpg")] * 2, [True])))
    assert np.abs(benchmark.images[0].astype(int) - red).max() <= 3


class Attack:
    def __reduce__(self):
        return os.system, ("touch ran",)


OK = IMAGES[0]
WRONG = {
    "code": ((IMAGES, [Attack()]), "the name posix.system"),
    "one list": ([OK, OK], "a list of images and a list of booleans"),
    "three lists": (([OK, OK], [True], []), "a list of images and a list of booleans"),
    "no list": (True, "a list of images and a list of booleans"),
    "odd": (([OK, OK, OK], [True]), "has 3 images and 1 booleans"),
    "too few booleans": (([OK] * 4, [True]), "has 4 images and 1 booleans"),
    "empty": (([], []), "has 0 images and 0 booleans"),
    "numbers for booleans": (([OK, OK], [1]), "something other than encoded images and booleans"),
    "text for images": ((["a", "b"], [True]), "something other than encoded images and booleans"),
    "lists for images": (([[OK], [OK]], [True]), "something other than encoded images and booleans"),
    "truncated": (FLAVOURS["Python 3"][:-20], "is not a pickle of images and booleans"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_of_the_format(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    content, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        read_bin(write(tmp_path, content))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"no image", "00001.jpg of .*agedb_30.bin is not an image that can be read"),
        (b"", "is not an image"),
        (OK[:40], "is not an image that can be read"),
        (encoded(picture(3, 96)), "00001.jpg of .* has 96×96 pixels, but aligned faces have 112×112"),
    ],
)
def test_an_image_that_is_no_aligned_face(tmp_path, image, message):
    benchmark = build_insightface_bin(write(tmp_path, ([OK, image], [True])))
    with pytest.raises(InputError, match=message):
        save_benchmark(benchmark, tmp_path)
    assert not (tmp_path / "benchmarks" / "agedb_30" / "images.npy").exists()
