"""Score files: written and read back, found by name, in the order of the images, direction, duplicates."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefiqs.errors import InputError
from prefiqs.io.names import ImageNameIndex
from prefiqs.io.scores import (
    find_score_files,
    read_image_scores,
    read_published_scores,
    write_score_file,
)
from prefiqs.io.user_tables import names_of, number_column, read_user_table

# Paths as people have them: spaces and other alphabets inside, no line breaks. A line that begins with # is a comment.
LETTERS = st.characters(categories=["L", "N", "P"]) | st.just(" ")
TEXT_NAMES = st.text(LETTERS, min_size=1).map(str.strip).filter(lambda name: name and name[0] != "#")


def read_score_file(path):
    table = read_user_table(path, {"path": "str", "score": "float64"})
    return names_of(table, path).tolist(), number_column(table, "score", path)


@pytest.fixture(scope="module")
def score_file(tmp_path_factory):
    return tmp_path_factory.mktemp("scores") / "scores.txt"


@given(lines=st.lists(st.tuples(TEXT_NAMES, st.floats(width=32, allow_nan=False)), min_size=1, max_size=20))
def test_score_files_round_trip(score_file, lines):
    names, scores = [name for name, _ in lines], np.array([score for _, score in lines], np.float32)
    write_score_file(names, scores, score_file)
    read_names, values = read_score_file(score_file)
    assert read_names == names
    np.testing.assert_array_equal(values.astype(np.float32), scores)
    assert values.dtype == np.float64


def test_score_files_are_the_fields_own(score_file):
    write_score_file(["s1/1.pgm", "my photos/a b.jpg"], np.array([0.5, -1e-7]), score_file)
    assert score_file.read_text() == "s1/1.pgm 0.5\nmy photos/a b.jpg -1e-07\n"


@pytest.mark.parametrize("name", ["a\nb.jpg", "a\rb.jpg", " a.jpg", "a.jpg ", "# a.jpg"])
def test_a_name_that_no_line_could_give_back_is_refused(tmp_path, name):
    with pytest.raises(
        InputError, match=f"^The name {re.escape(repr(name))} does not fit into a line of .*s.txt. Choose"
    ):
        write_score_file(["b.jpg", name], [1, 2], tmp_path / "s.txt")
    assert not (tmp_path / "s.txt").exists()


def test_score_files_of_other_tools(score_file):
    score_file.write_bytes(b"a.jpg 1\r\nb c.jpg 2.50e0 \n/d.jpg -3")
    names, scores = read_score_file(score_file)
    assert (names, scores.tolist()) == (["a.jpg", "b c.jpg", "/d.jpg"], [1, 2.5, -3])


@pytest.mark.parametrize("line", ["b.jpg", "b.jpg good", "0.5", "b.jpg,0.5", " 0.5", "b.jpg 1_0"])
def test_a_line_that_is_no_score(score_file, line):
    score_file.write_text(f"a.jpg 1\n{line}\nc.jpg\n")
    with pytest.raises(
        InputError, match=re.escape(f"Line 2 of {score_file} is not of the form `PATH SCORE`: {line!r}")
    ):
        read_score_file(score_file)


def test_as_many_scores_as_names(score_file):
    with pytest.raises(ValueError, match="zip"):
        write_score_file(["a", "b"], np.array([1.0]), score_file)


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


def scores_of(path, names, lower_is_better=False):
    return read_image_scores([("m", path)], ImageNameIndex(names, "names"), ["m"] * lower_is_better)["m"]


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


@pytest.mark.parametrize("others", [["xqlfw"], ["xq-lfw", "lfw", "LFW", "calfw"]])
def test_a_file_belongs_to_one_data_set(tmp_path, others):
    """That with the longest name, also where the shorter one is asked for."""
    for name in ("SER-FIQ_xq_lfw.txt", "PFE_lfw.txt"):
        write(tmp_path / name)
    assert set(find_score_files(tmp_path, "lfw", others)) == {"PFE"}
    assert set(find_score_files(tmp_path, "xqlfw", ["lfw", *others])) == {"SER-FIQ"}


def test_two_files_of_one_method(tmp_path):
    write(tmp_path / "PFE_XQLFW.txt")
    write(tmp_path / "PFE_xqlfw.txt")
    with pytest.raises(InputError, match=r"PFE_XQLFW.txt and .*PFE_xqlfw.txt both contain scores of PFE on xqlfw"):
        find_score_files(tmp_path, "xqlfw")


def test_scores_come_in_the_order_of_the_benchmark(tmp_path):
    path = write(tmp_path / "CRFIQAL_XQLFW.txt", *PUBLISHED, "quality_data/XQLFW/images/Zoe_0001.jpg 9")
    assert scores_of(path, NAMES).tolist() == [2.0250001, -0.5, 0.75]
    assert scores_of(path, NAMES[::-1]).tolist() == [0.75, -0.5, 2.0250001]
    assert scores_of(path, NAMES, lower_is_better=True).tolist() == [-2.0250001, 0.5, -0.75]


def test_a_benchmarks_own_names_will_do(tmp_path):
    path = write(tmp_path / "norm_orl-xq.txt", "s1/1.pgm#0 1", "s2/1.pgm#0 2")
    assert scores_of(path, ["s2/1.pgm#0", "s1/1.pgm#0"]).tolist() == [2, 1]


def test_a_repeated_image_has_one_score(tmp_path):
    """The path lists of XQLFW repeat images, and with them its score files."""
    again = PUBLISHED[0], "quality_data/XQLFW/images/Bo_0002.jpg -0.50000001"
    path = write(tmp_path / "CRFIQAL_XQLFW.txt", *PUBLISHED, *again)
    assert scores_of(path, NAMES)[1] == -0.5
    assert read_published_scores(tmp_path, "xqlfw", NAMES, ())["CRFIQAL"][1] == -0.5


@pytest.mark.parametrize(
    ("lines", "worst"), [(("a 1.00000", "a 1.00005", "b 1.00003"), "a"), (("a 1.00005", "b 1.00003", "a 1.0"), "b")]
)
def test_the_pipeline_and_the_command_line_rank_repeated_images_alike(tmp_path, lines, worst):
    """Once, the last of two nearly equal scores counted here and the first one there."""
    path = write(tmp_path / "m_set.txt", *lines)
    pipeline, command = read_published_scores(tmp_path, "set", ["a", "b"], ())["m"], scores_of(path, ["a", "b"])
    np.testing.assert_array_equal(pipeline, command)
    assert ["a", "b"][np.argmin(pipeline)] == worst


def test_scores_that_contradict_are_refused_by_both(tmp_path):
    path = write(tmp_path / "CRFIQAL_XQLFW.txt", *PUBLISHED, "quality_data/XQLFW/images/Bo_0002.jpg 0.5")
    for read in (lambda: scores_of(path, NAMES), lambda: read_published_scores(tmp_path, "xqlfw", NAMES, ())):
        with pytest.raises(InputError, match=r"CRFIQAL_XQLFW.txt has two scores of 'Bo/Bo_0002.jpg' .*: -0.5 and 0.5"):
            read()


@pytest.mark.parametrize(
    "last", ["", "quality_data/XQLFW/images/Bo_0002.jpg nan", "quality_data/XQLFW/images/Bo_0002.jpg inf"]
)
def test_an_image_without_a_score(tmp_path, last):
    path = write(tmp_path / "CRFIQAL_XQLFW.txt", *PUBLISHED[:2], *filter(None, [last]))
    with pytest.raises(InputError, match=r"no finite score of 'Bo/Bo_0002.jpg' for m \(1 of 3 images lack one"):
        scores_of(path, NAMES)


def test_all_methods_higher_is_better(tmp_path):
    write(tmp_path / "CRFIQAL_XQLFW.txt", *PUBLISHED)
    write(tmp_path / "PFE_XQLFW.txt", *PUBLISHED)
    scores = read_published_scores(tmp_path, "xqlfw", NAMES, lower_is_better=["PFE"])
    assert set(scores) == {"CRFIQAL", "PFE"}
    assert scores["CRFIQAL"].tolist() == [2.0250001, -0.5, 0.75]
    assert scores["PFE"].tolist() == [-2.0250001, 0.5, -0.75]  # uncertainty: lower is better
    assert read_published_scores(tmp_path, "xqlfw", NAMES, lower_is_better=["CRFIQAL"])["PFE"][1] == -0.5
