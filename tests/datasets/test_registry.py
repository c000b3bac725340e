"""The table of benchmarks: every one is built from its published layout, and says what is missing."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import test_adience
import test_lfw
from photo_sets import align, encoded, picture, top_left, write_prepared

from prefiqs.datasets.benchmark import load_benchmark, save_benchmark
from prefiqs.datasets.formats import build_insightface_bin
from prefiqs.datasets.registry import BENCHMARKS, build_benchmark, inventory
from prefiqs.errors import InputError

NAMES = {"orl", "lfw", "agedb-30", "cfp-fp", "cfp-ff", "calfw", "cplfw", "adience", "xqlfw", "ijb-c", "synfiqa"}
SOURCES = Path(__file__).parents[2] / "data" / "sources"
BINS = {n: n.replace("-", "_") + ".bin" for n in ("lfw", "agedb-30", "cfp-fp", "cfp-ff", "calfw", "cplfw")}


def write_bin(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(([encoded(picture(i)) for i in range(40)], [True, False] * 10), 4))


def put_lfw(folder):
    folder.mkdir(parents=True)
    (folder / "pairs.txt").write_text(test_lfw.PAIRS)
    test_lfw.write_folder(folder / "lfw_funneled")


def put_xqlfw(folder):
    folder.mkdir(parents=True)
    (folder / "xqlfw_pairs.txt").write_text(test_lfw.PAIRS)
    test_lfw.write_folder(folder / "xqlfw_aligned_112", {n: picture(i) for i, n in enumerate(test_lfw.NAMES)})


def put_adience(folder):
    folder.mkdir(parents=True)
    test_adience.write_lists(folder)
    test_adience.write_crops(folder)


def test_the_table():
    assert set(BENCHMARKS) == NAMES
    for name, card in BENCHMARKS.items():
        assert card.name == name
        assert card.title and card.owner and card.licence and card.formats


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_source_folder_is_in_the_clone_and_explained(name):
    """The folders are dependencies of the pipeline: without a file in them, git would not keep them."""
    text = (SOURCES / name / "README.md").read_text(encoding="utf-8")
    card = BENCHMARKS[name]
    assert text.startswith(f"# {card.title}\n")
    assert "Licence: " in text and "Cite: " in text
    if name != "orl":
        assert re.search(r"https?://", text)
        for alternatives in card.formats[0].files:
            assert f"`{Path(alternatives[0]).name}" in text, alternatives


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_benchmark_that_is_not_there_says_so_in_one_sentence(tmp_path, name):
    card = BENCHMARKS[name]
    first = card.formats[0].files[0][0]
    with pytest.raises(InputError) as caught:
        build_benchmark(name, tmp_path, align)
    message = str(caught.value)
    assert message.startswith(f"Benchmark {name}: {first}")
    assert f"not found in {card.folder(tmp_path)}." in message
    assert card.owner in message
    assert "\n" not in message


def test_the_second_file_is_named_when_the_first_is_there(tmp_path):
    put_lfw(tmp_path / "sources" / "lfw")
    (tmp_path / "sources" / "lfw" / "pairs.txt").unlink()
    with pytest.raises(
        InputError, match=f"Benchmark lfw: pairs.txt or pairs.csv or .* not found in {tmp_path}/sources/lfw"
    ):
        build_benchmark("lfw", tmp_path, align)


def test_every_form_is_named_with_its_owner(tmp_path):
    with pytest.raises(InputError) as caught:
        build_benchmark("cfp-fp", tmp_path, align)
    bin_file, prepared, official = str(caught.value).split("; or ")
    assert bin_file.startswith("Benchmark cfp-fp: cfp_fp.bin from https://github.com/deepinsight/insightface")
    assert prepared == "image_path_list.txt from CR-FIQA's tools"
    assert official.startswith("cfp-dataset or cfp-dataset.tar or ") and " from http://www.cfpw.io not" in official
    for name, card in BENCHMARKS.items():
        with pytest.raises(InputError) as caught:
            build_benchmark(name, tmp_path, align)
        assert all(each.files[0][0] in str(caught.value) for each in card.formats)


def test_an_archive_that_must_be_unpacked(tmp_path):
    folder = tmp_path / "sources" / "cfp-fp"
    folder.mkdir(parents=True)
    (folder / "cfp-dataset.zip").touch()
    with pytest.raises(InputError, match=rf"not found in {folder}\. Unpack cfp-dataset.zip there\.$"):
        build_benchmark("cfp-fp", tmp_path, align)


def test_an_archive_that_is_read_as_it_is_need_not_be_unpacked(tmp_path):
    (folder := tmp_path / "sources" / "lfw").mkdir(parents=True)
    (folder / "lfw.tgz").touch()
    with pytest.raises(InputError, match=r"pairs.txt or .* not found in .*/lfw\. Put it there\.$"):
        build_benchmark("lfw", tmp_path, align)


def test_an_unknown_benchmark(tmp_path):
    with pytest.raises(InputError, match="Unknown benchmark 'lwf'; choose one of orl, lfw"):
        build_benchmark("lwf", tmp_path, align)


@pytest.mark.parametrize("name", BINS)
def test_bin_files(tmp_path, name):
    write_bin(tmp_path / "sources" / name / BINS[name])
    benchmark = build_benchmark(name, tmp_path, align)
    assert benchmark.name == name
    assert benchmark.summary() == {"images": 40, "people": 30, "genuine": 10, "impostor": 10}
    assert np.bincount(benchmark.folds).tolist() == [2] * 10


def test_photos_are_aligned(tmp_path):
    put_lfw(tmp_path / "sources" / "lfw")
    benchmark = build_benchmark("lfw", str(tmp_path), align)
    np.testing.assert_array_equal(benchmark.images[3], top_left(test_lfw.PHOTOS[test_lfw.NAMES[3]]))


def test_official_photos_come_before_other_forms(tmp_path):
    folder = tmp_path / "sources" / "lfw"
    write_bin(folder / "lfw.bin")
    assert len(build_benchmark("lfw", tmp_path, align).images) == 40
    (folder / "pairs.txt").write_text(test_lfw.PAIRS)
    test_lfw.write_folder(folder / "lfw")
    assert len(build_benchmark("lfw", tmp_path, align).images) == 8


def test_xqlfw_and_adience(tmp_path):
    put_xqlfw(tmp_path / "sources" / "xqlfw")
    put_adience(tmp_path / "sources" / "adience")
    assert len(build_benchmark("xqlfw", tmp_path, align).images) == 8
    assert build_benchmark("adience", tmp_path, align).summary()["impostor"] == 21 - 7


@pytest.mark.parametrize(("name", "folded"), [("agedb-30", True), ("xqlfw", True), ("adience", False)])
def test_prepared_folders_will_do(tmp_path, name, folded):
    write_bin(tmp_path / "x.bin")
    write_prepared(build_insightface_bin(tmp_path / "x.bin"), tmp_path / "sources" / name)
    benchmark = build_benchmark(name, tmp_path, align)
    assert (benchmark.name, len(benchmark.images), benchmark.folds is not None) == (name, 40, folded)


def test_orl_lies_among_the_assets(tmp_path):
    for person in range(1, 41):
        folder = tmp_path / "assets" / "orl" / f"s{person}"
        folder.mkdir(parents=True)
        for i in range(1, 11):
            (folder / f"{i}.pgm").write_bytes(encoded(picture(10 * person + i)))
    benchmark = build_benchmark("orl", tmp_path, align)
    assert benchmark.summary() == {"images": 400, "people": 40, "genuine": 1800, "impostor": 78000}
    np.testing.assert_array_equal(benchmark.images, [picture(10 * p + i) for p in range(1, 41) for i in range(1, 11)])


def test_the_inventory(tmp_path, monkeypatch):
    put_lfw(tmp_path / "sources" / "lfw")
    put_xqlfw(tmp_path / "sources" / "xqlfw")
    write_bin(tmp_path / "sources" / "calfw" / "calfw.bin")
    write_bin(tmp_path / "x.bin")
    (tmp_path / "sources" / "cplfw").mkdir()
    save_benchmark(build_benchmark("xqlfw", tmp_path, align), tmp_path)
    save_benchmark(build_benchmark("calfw", tmp_path, align), tmp_path)
    (tmp_path / "x.bin").rename(tmp_path / "calfw-xq.bin")
    save_benchmark(build_insightface_bin(tmp_path / "calfw-xq.bin"), tmp_path)
    write_bin(tmp_path / "cfp-ff.bin")
    broken = save_benchmark(build_insightface_bin(tmp_path / "cfp-ff.bin"), tmp_path)
    (broken / "pairs.parquet").unlink()
    lines = inventory(tmp_path)
    assert list(lines) == [*BENCHMARKS, "calfw-xq"]
    assert lines["lfw"] == "lfw (Labeled Faces in the Wild, view 2): source present, not built"
    assert lines["xqlfw"] == "xqlfw (Cross-Quality LFW): built, 8 images, 4 people, 4 genuine, 4 impostor pairs"
    assert lines["calfw"].endswith("built, 40 images, 30 people at most, 10 genuine, 10 impostor pairs")
    assert lines["cplfw"] == f"cplfw (Cross-Pose LFW): missing cplfw.bin in {tmp_path}/sources/cplfw"
    assert lines["calfw-xq"].startswith("calfw-xq: built, 40 images")
    assert "has no pairs.parquet in" in lines["cfp-ff"]
    assert lines["orl"] == f"orl (AT&T (ORL) faces): missing s1/1.pgm, s40/10.pgm in {tmp_path}/assets/orl"


def test_the_inventory_loads_no_images(tmp_path):
    write_bin(tmp_path / "sources" / "calfw" / "calfw.bin")
    folder = save_benchmark(build_benchmark("calfw", tmp_path, align), tmp_path)
    data = (folder / "images.npy").read_bytes()
    (folder / "images.npy").write_bytes(data[:128])
    with (folder / "images.npy").open("r+b") as file:
        file.truncate(len(data))  # a hole of zeros in place of the pixels
    assert "built, 40 images" in inventory(tmp_path)["calfw"]
    assert not load_benchmark("calfw", tmp_path).images.any()
