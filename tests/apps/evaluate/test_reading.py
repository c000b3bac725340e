"""The same data in every form that users bring; and what is said about files that do not fit."""

import numpy as np
import pandas as pd
import pytest

from prefiqs.apps.evaluate.inputs import read_inputs
from prefiqs.errors import InputError
from prefiqs.io.embeddings import read_embeddings
from prefiqs.io.names import ImageNameIndex
from prefiqs.io.pairs import read_pairs
from prefiqs.io.scores import read_image_scores


def save_folder(brought, path):
    path.mkdir()
    for name, vector in zip(brought.names, brought.vectors, strict=True):
        np.save(path / name.split("/")[-1].removesuffix(".jpg"), vector)


FORMS = {
    "lists.parquet": lambda b, p: pd.DataFrame({"name": b.names, "e": list(b.vectors)}).to_parquet(p),
    "columns.parquet": lambda b, p: pd.DataFrame(b.vectors).add_prefix("v").assign(path=b.names).to_parquet(p),
    "columns.csv": lambda b, p: pd.DataFrame(b.vectors).assign(name=b.names, subject=b.subjects).to_csv(p, index=False),
    "lines.txt": lambda b, p: p.write_text(
        "".join(f"{n} {' '.join(map(str, v.tolist()))}\n" for n, v in zip(b.names, b.vectors, strict=True))
    ),
    "folder": save_folder,
}


@pytest.mark.parametrize("form", FORMS)
def test_embeddings_in_every_form(brought, tmp_path, form):
    FORMS[form](brought, tmp_path / form)
    found = read_embeddings(tmp_path / form)
    rows = found.names.rows(brought.names)
    np.testing.assert_allclose(found.vectors[rows], brought.vectors, rtol=1e-6)
    if form == "columns.csv":
        assert (found.subjects[rows] == brought.subjects).all()


def test_an_array_with_names_with_a_table_and_without_names(brought):
    array = brought.folder / "vectors.npy"
    assert read_embeddings(array, brought.folder / "names.txt").names.all == brought.names
    assert list(read_embeddings(array, brought.folder / "index.csv").subjects) == list(brought.subjects)
    assert read_embeddings(array).names.all[:3] == ["0", "1", "2"]


def test_pairs_in_every_form(brought, tmp_path):
    names = ImageNameIndex(brought.names, "names")
    text = [np.array(brought.names)[brought.pairs[:, i]] for i in (0, 1)]
    table = pd.DataFrame({"left": text[0], "right": text[1], "genuine": brought.genuine})
    table.to_csv(tmp_path / "pairs.csv", index=False)
    table.to_parquet(tmp_path / "names.parquet")
    rows = pd.DataFrame({"left": brought.pairs[:, 0], "right": brought.pairs[:, 1], "genuine": brought.genuine})
    rows.to_parquet(tmp_path / "rows.parquet")
    bare = (f"{a.split('/')[1][:-4]} {b.split('/')[1][:-4]} {'00001' if g else '00000'}\n"
            for a, b, g in table.itertuples(index=False))  # fmt: skip
    (tmp_path / "bare.txt").write_text("".join(bare))  # as CR-FIQA's tools have them
    for file in ("pairs.csv", "names.parquet", "rows.parquet", "bare.txt"):
        pairs, genuine = read_pairs(tmp_path / file, names)
        assert (pairs == brought.pairs).all() and (genuine == brought.genuine).all()


def test_names_in_other_words():
    names = ImageNameIndex(["lfw/images/A_0001.jpg", "B 2", "C.1", "x/1.png", "y/1.png"], "names")
    asked = [
        "data/lfw/images/A_0001.jpg",
        "A_0001",
        "images/A_0001.png",
        "B_2.jpg",
        "x/1.png",
        "y_1",
        "z/1.png",
        "1",
        "C.2",
    ]
    assert names.rows(asked).tolist() == [0, 0, 0, 1, 3, 4, -1, -1, -1]
    assert ImageNameIndex(["a/1.jpg", "a/2.jpg"], "names").rows(["b/1.jpg", "1"]).tolist() == [-1, 0]


def test_images_by_their_paths_in_a_prepared_folder():
    """As in the score files of CR-FIQA's tools; but a prepared folder of one data set is not that of another."""
    asked = ["quality_data/XQLFW/images/A_0001.jpg", "B/A_0001.jpg"]
    assert ImageNameIndex(["A/A_0001.jpg"], "names").rows(asked).tolist() == [0, -1]
    asked = ["quality_data/lfw/images/00001.jpg", "quality_data/calfw/images/00001.jpg"]
    assert ImageNameIndex(["lfw/images/00001.jpg"], "names").rows(asked).tolist() == [0, -1]


def test_scores_in_every_form(brought, tmp_path):
    names = ImageNameIndex(brought.names, "names")
    long = pd.concat(
        [
            pd.DataFrame({"name": brought.names, "method": m, "score": s})
            for m, s in (("a", brought.good), ("b", brought.poor))
        ]
    )
    long.to_parquet(tmp_path / "long.parquet")
    files = (
        (None, tmp_path / "long.parquet"),
        ("mine", brought.folder / "good.txt"),
        (None, brought.folder / "poor.csv"),
    )
    found = read_image_scores(files, names, ["poor"])
    assert list(found) == ["a", "b", "mine", "poor"]
    for method, scores in {"a": brought.good, "b": brought.poor, "mine": brought.good, "poor": brought.poor}.items():
        np.testing.assert_allclose(found[method], scores, rtol=1e-12)


def test_images_without_pairs_need_no_score(brought, tmp_path):
    lines = (brought.folder / "pairs.txt").read_text().splitlines()
    (tmp_path / "few.txt").write_text("\n".join(lines[:400]) + "\n")
    used = sorted({n for line in lines[:400] for n in line.split()[:2]} - {brought.names[0]})
    few = [line for line in lines[:400] if brought.names[0] not in line.split()]
    (tmp_path / "few.txt").write_text("\n".join(few) + "\n")
    scores = dict(zip(brought.names, brought.good, strict=True))
    (tmp_path / "q.txt").write_text("".join(f"{n} {scores[n]:.17g}\n" for n in used))
    inputs = read_inputs([f"{tmp_path}/q.txt"], [f"{brought.folder}/vectors.npy"], tmp_path / "few.txt",
                             brought.folder / "names.txt")  # fmt: skip
    assert sorted(inputs.names) == used and inputs.unused == 80 - len(used)
    by_name = dict(zip(inputs.names, inputs.scores["q"], strict=True))
    assert by_name == {n: pytest.approx(scores[n]) for n in used}
    left, right, kind = few[7].split()
    pair = inputs.pairs[7]
    assert (inputs.names[pair[0]], inputs.names[pair[1]], inputs.genuine[7]) == (left, right, kind == "1")


def lines_of(brought, **changed):
    return "".join(f"{n} {changed.get(n, s)}\n" for n, s in zip(brought.names, brought.good, strict=True))


BROKEN_SCORES = {
    "missing": (
        lambda b: lines_of(b).split("\n", 1)[1],
        "no finite score of 'person0/person0_0000.jpg' for q .1 of 80 images",
    ),
    "nan": (lambda b: lines_of(b, **{b.names[3]: "nan"}), "no finite score of 'person0/person0_0003.jpg'"),
    "infinite": (lambda b: lines_of(b, **{b.names[3]: "inf"}), "no finite score of 'person0/person0_0003.jpg'"),
    "twice": (lambda b: lines_of(b) + f"{b.names[5]} 77\n", "two scores of 'person1/person1_0001.jpg' for q.* and 77"),
    "constant": (lambda b: lines_of(b, **dict.fromkeys(b.names, 0.5)), "the same score of q for every image: 0.5"),
    "no number": (lambda b: lines_of(b, **{b.names[3]: "good"}), "Line 4 of .* is not of the form `PATH SCORE`"),
}


@pytest.mark.parametrize("case", BROKEN_SCORES)
def test_scores_that_do_not_fit(brought, tmp_path, case):
    broken, message = BROKEN_SCORES[case]
    (tmp_path / "q.txt").write_text(broken(brought))
    with pytest.raises(InputError, match=message) as error:
        read_image_scores([(None, tmp_path / "q.txt")], ImageNameIndex(brought.names, "names"))
    assert "q.txt" in str(error.value) and "\n" not in str(error.value)


def test_copies_of_a_score_that_differ_by_rounding_are_one(brought, tmp_path):
    (tmp_path / "q.txt").write_text(lines_of(brought) + f"{brought.names[5]} {brought.good[5] * (1 + 1e-6)}\n")
    found = read_image_scores([(None, tmp_path / "q.txt")], ImageNameIndex(brought.names, "names"))
    np.testing.assert_allclose(found["q"], brought.good)


def test_score_files_and_directions_that_do_not_fit(brought, tmp_path):
    def refused(message, *paths, lower_is_better=()):
        files = [(None, path) for path in paths]
        with pytest.raises(InputError, match=message):
            read_image_scores(files, ImageNameIndex(brought.names, "names"), lower_is_better)

    good = brought.folder / "good.txt"
    refused(r"The method 'good' is also in .*good.txt. Rename that one: NAME=", good, good)
    refused("no scores of PFE, only of good", good, lower_is_better=["PFE"])
    refused("File not found: .*none.txt", tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes("Zoë.jpg 1\n".encode("latin-1"))
    refused(r"latin.txt is not UTF-8 text", tmp_path / "latin.txt")
    (tmp_path / "no.csv").write_text("name,sharpness\na,1\n")
    refused(r"no.csv has no column score, only name, sharpness", tmp_path / "no.csv")
    (tmp_path / "no.parquet").write_bytes(b"PAR1 no table")
    refused(r"no.parquet cannot be read as a table", tmp_path / "no.parquet")


def test_a_path_may_hold_an_equals_sign(brought, tmp_path):
    (tmp_path / "run=3").mkdir()
    path = tmp_path / "run=3" / "m.txt"
    path.write_text(lines_of(brought))
    others = [f"{brought.folder}/vectors.npy"], brought.folder / "pairs.txt", brought.folder / "names.txt"
    for given, method in ((str(path), "m"), (f"mine={path}", "mine"), (f"mine={brought.folder}/good.txt", "mine")):
        assert list(read_inputs([given], *others).scores) == [method]
    with pytest.raises(InputError, match="File not found: .*run=4/m.txt"):
        read_inputs([f"{tmp_path}/run=4/m.txt"], *others)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a b 1\na c 0\nb d 1\n",
            r"image d in line 3 of .*pairs.txt is not one of the 3 known ones \(1 such pairs\)",
        ),
        ("a b 1\na c 2\n", r"label in line 2 of .*pairs.txt is 2, but must be 1 \(genuine\) or 0 \(impostor\)"),
        ("a b 1\na c\n", "Line 2 of .* is not of the form `LEFT RIGHT GENUINE`"),
        ("a b 1\na c 1\n", "2 genuine and 0 impostor pairs; both kinds are needed"),
        ("", "cannot be read as lines of the form `LEFT RIGHT GENUINE`"),
    ],
)
def test_pairs_that_do_not_fit(tmp_path, text, message):
    (tmp_path / "pairs.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_pairs(tmp_path / "pairs.txt", ImageNameIndex(["a", "b", "c"], "names"))


def test_pair_tables_that_do_not_fit(tmp_path):
    names = ImageNameIndex(["a", "b", "c"], "names")
    (tmp_path / "p.csv").write_text("left,right,genuine\na,b,1\na,x,0\n")
    with pytest.raises(InputError, match=r"image x in line 3 of .*p.csv"):
        read_pairs(tmp_path / "p.csv", names)
    (tmp_path / "p.csv").write_text("left,right,kind\na,b,1\n")
    with pytest.raises(
        InputError, match="no column genuine, only left, right, kind; left, right and genuine are needed"
    ):
        read_pairs(tmp_path / "p.csv", names)
    pd.DataFrame({"left": [0, 1], "right": [1, 3], "genuine": [1, 0]}).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(InputError, match="image 3 in row 2 of"):
        read_pairs(tmp_path / "p.parquet", names)


def test_embeddings_that_do_not_fit(tmp_path):
    def refused(message, file, names=None):
        with pytest.raises(InputError, match=message):
            read_embeddings(tmp_path / file, names and tmp_path / names)

    np.save(tmp_path / "e.npy", np.array([[1, 0], [np.nan, 1], [0, 0]]))
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    refused(r"embedding of 'b' in .*e.npy is zero or not finite \(2 such images\)", "e.npy", "names.txt")
    np.save(tmp_path / "e.npy", np.array([[1, 0], [np.nan, np.nan], [0, 1]]))  # a face that could not be embedded
    assert np.isnan(read_embeddings(tmp_path / "e.npy", tmp_path / "names.txt").vectors).sum() == 2
    np.save(tmp_path / "e.npy", np.eye(3))
    (tmp_path / "two.txt").write_text("a\nb\n")
    refused("e.npy has 3 rows, but .*two.txt has 2 names", "e.npy", "two.txt")
    (tmp_path / "latin.txt").write_bytes("Zoë\n".encode("latin-1"))
    refused("latin.txt is not UTF-8 text", "e.npy", "latin.txt")
    (tmp_path / "same.txt").write_text("a\nb\na\n")
    refused("image 'a' occurs twice in .*same.txt", "e.npy", "same.txt")
    np.save(tmp_path / "e.npy", np.ones(3))
    refused(r"e.npy contains float64 of shape \(3,\), not one row of floats", "e.npy")
    np.save(tmp_path / "e.npy", np.array([{}]), allow_pickle=True)
    refused("e.npy is not a .npy array, or is damaged", "e.npy")
    (tmp_path / "e.txt").write_text("a 1 2\nb 1\n")
    refused("Line 2 of .*e.txt is not of the form `NAME V1 V2`", "e.txt")
    (tmp_path / "e.txt").write_text("a 1 2\nb 1 x\n")
    refused("Line 2 of .*e.txt is not of the form `NAME V1 V2`", "e.txt")
    refused("list of names belongs to a .npy file", "e.txt", "names.txt")
    pd.DataFrame({"name": ["a", "b"], "e": [[1.0, 2.0], [1.0]]}).to_parquet(tmp_path / "e.parquet")
    refused("vector in row [12] of .* numbers, others have", "e.parquet")
    pd.DataFrame({"name": ["a", None], "e": [1.0, 2.0]}).to_csv(tmp_path / "e.csv", index=False)
    refused("column name is empty in line 3 of .*e.csv", "e.csv")
    (tmp_path / "folder").mkdir()
    refused("no NAME.npy file in .*folder", "folder")
    np.save(tmp_path / "folder" / "a.npy", np.ones(3))
    np.save(tmp_path / "folder" / "b.npy", np.ones(2))
    refused("b.npy contains 2 numbers, but a.npy has 3", "folder")
    np.save(tmp_path / "folder" / "b.npy", np.ones((3, 1)))
    refused(r"b.npy contains float64 of shape \(3, 1\), not a vector of floats", "folder")
    np.savez(tmp_path / "folder" / "b.npy", np.ones(3))
    (tmp_path / "folder" / "b.npy.npz").replace(tmp_path / "folder" / "b.npy")
    refused("b.npy is not a .npy array, or is damaged", "folder")


def test_people_who_contradict_the_pairs(brought, tmp_path):
    index = pd.DataFrame({"name": brought.names, "subject": np.roll(brought.subjects, 1)})
    index.to_csv(tmp_path / "index.csv", index=False)
    with pytest.raises(InputError, match="pairs.txt has person.* pair, which contradicts the people listed"):
        read_inputs([f"{brought.folder}/good.txt"], [f"{brought.folder}/vectors.npy"], brought.folder / "pairs.txt",
                      tmp_path / "index.csv")  # fmt: skip


def test_several_verifiers_in_any_order_of_images(brought, tmp_path):
    order = np.random.default_rng(1).permutation(80)
    rolled = pd.DataFrame(brought.vectors[:, ::-1] ** 3, brought.names).iloc[order]
    rolled.rename_axis("name").to_csv(tmp_path / "other.csv")
    vectors, files = f"{brought.folder}/vectors.npy", (brought.folder / "pairs.txt", brought.folder / "index.csv")
    scores = [f"{brought.folder}/good.txt"]
    found = read_inputs(scores, [f"a={vectors}", f"{tmp_path}/other.csv"], *files)
    assert list(found.verifiers) == ["a", "other"]
    places = [brought.names.index(name) for name in found.names]
    np.testing.assert_array_equal(found.verifiers["a"], brought.vectors[places])
    np.testing.assert_allclose(found.verifiers["other"], (brought.vectors[:, ::-1] ** 3)[places], rtol=1e-6)
    with pytest.raises(InputError, match="Two verifiers are called 'vectors'. Rename one: --embeddings NAME="):
        read_inputs(scores, [vectors, vectors], *files)
    rolled.iloc[1:].rename_axis("name").to_csv(tmp_path / "less.csv")
    with pytest.raises(InputError, match=rf"less has no embedding of '{rolled.index[0]}' \(1 of 80 images"):
        read_inputs(scores, [vectors, f"{tmp_path}/less.csv"], *files)
