"""Score files of other tools: which file is whose, scores in the order of the benchmark, direction."""

import numpy as np
import pytest

from prefiqs.datasets.score_files import (
    find_score_files,
    read_method_scores,
    read_published_scores,
    write_method_scores,
)
from prefiqs.errors import InputError

NAMES = ["Ann/Ann_0001.jpg", "Bo/Bo_0002.jpg", "Ann/Ann_0003.jpg"]


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


PUBLISHED = (
    "quality_data/XQLFW/images/Ann_0003.jpg 0.75",
    "quality_data/XQLFW/images/Ann_0001.jpg 2.0250001",
    "quality_data/XQLFW/images/Bo_0002.jpg -0.5",
)


def test_files_are_found_by_method_and_data_set(tmp_path):
    for name in (
        "CRFIQAL_agedb_30.txt", "rank_IQ_agedb_30.txt", "PFE_lfw.txt", "PFE_XQLFW.txt", "CRFIQAS_IJBC.txt",
        "pair_list.txt", "image_path_list.txt", "CR-FIQA(L)_ijb-c.txt", "lfw.txt", "x_calfw.txt",
    ):  # fmt: skip
        write(tmp_path / name)
    found = {
        name: {m: p.name for m, p in find_score_files(tmp_path, name).items()} for name in ("agedb-30", "lfw", "xqlfw")
    }
    assert found == {
        "agedb-30": {"CRFIQAL": "CRFIQAL_agedb_30.txt", "rank_IQ": "rank_IQ_agedb_30.txt"},
        "lfw": {"PFE": "PFE_lfw.txt"},
        "xqlfw": {"PFE": "PFE_XQLFW.txt"},
    }
    assert set(find_score_files(tmp_path, "ijb-c")) == {"CRFIQAS", "CR-FIQA(L)"}
    assert find_score_files(tmp_path, "cplfw") == {}
    assert find_score_files(tmp_path / "nowhere", "lfw") == {}


def test_two_files_of_one_method(tmp_path):
    write(tmp_path / "PFE_XQLFW.txt")
    write(tmp_path / "PFE_xqlfw.txt")
    with pytest.raises(
        InputError, match=r"Expected one file of PFE for xqlfw, got .*PFE_XQLFW.txt and .*PFE_xqlfw.txt"
    ):
        find_score_files(tmp_path, "xqlfw")


def test_scores_come_in_the_order_of_the_benchmark(tmp_path):
    path = write(tmp_path / "CRFIQAL_XQLFW.txt", *PUBLISHED, "quality_data/XQLFW/images/Zoe_0001.jpg 9")
    assert read_method_scores(path, NAMES).tolist() == [2.0250001, -0.5, 0.75]
    assert read_method_scores(path, NAMES[::-1]).tolist() == [0.75, -0.5, 2.0250001]
    assert read_method_scores(path, NAMES, lower_is_better=True).tolist() == [-2.0250001, 0.5, -0.75]


def test_a_benchmarks_own_names_will_do(tmp_path):
    path = write(tmp_path / "norm_orl-xq.txt", "s1/1.pgm#0 1", "s2/1.pgm#0 2")
    assert read_method_scores(path, ["s2/1.pgm#0", "s1/1.pgm#0"]).tolist() == [2, 1]


def test_a_repeated_image_has_one_score(tmp_path):
    """The path lists of XQLFW repeat images, and with them its score files."""
    path = write(
        tmp_path / "CRFIQAL_XQLFW.txt", *PUBLISHED, PUBLISHED[0], "quality_data/XQLFW/images/Bo_0002.jpg -0.50000001"
    )
    assert read_method_scores(path, NAMES)[1] == pytest.approx(-0.5)
    path = write(path, *PUBLISHED, "quality_data/XQLFW/images/Bo_0002.jpg 0.5")
    with pytest.raises(
        InputError, match=r"Expected one score of .*Bo_0002.jpg in .*CRFIQAL_XQLFW.txt, got -0.5 and 0.5"
    ):
        read_method_scores(path, NAMES)


@pytest.mark.parametrize(
    "last", ["", "quality_data/XQLFW/images/Bo_0002.jpg nan", "quality_data/XQLFW/images/Bo_0002.jpg inf"]
)
def test_an_image_without_a_score(tmp_path, last):
    path = write(tmp_path / "CRFIQAL_XQLFW.txt", *PUBLISHED[:2], *filter(None, [last]))
    with pytest.raises(
        InputError, match=r"Expected a finite score of each of 3 images in .*, got none of Bo/Bo_0002.jpg \(1"
    ):
        read_method_scores(path, NAMES)


def test_all_methods_higher_is_better(tmp_path):
    write(tmp_path / "CRFIQAL_XQLFW.txt", *PUBLISHED)
    write(tmp_path / "PFE_XQLFW.txt", *PUBLISHED)
    scores = read_published_scores(tmp_path, "xqlfw", NAMES)
    assert set(scores) == {"CRFIQAL", "PFE"}
    assert scores["CRFIQAL"].tolist() == [2.0250001, -0.5, 0.75]
    assert scores["PFE"].tolist() == [-2.0250001, 0.5, -0.75]  # uncertainty: lower is better
    assert read_published_scores(tmp_path, "xqlfw", NAMES, lower_is_better=["CRFIQAL"])["PFE"][1] == -0.5


def test_what_is_written_is_read(tmp_path):
    scores = np.array([0.125, 3e-9, -7.5], np.float32)
    path = write_method_scores(tmp_path / "quality_data" / "XQLFW", "PreFIQs", NAMES, scores)
    assert path.name == "PreFIQs_XQLFW.txt"
    assert path.read_text().splitlines()[0] == "quality_data/XQLFW/images/Ann_0001.jpg 0.125"
    np.testing.assert_array_equal(read_method_scores(path, NAMES).astype(np.float32), scores)
