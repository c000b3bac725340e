"""Vectors as other tools write them: which columns are the vector, in which form, and what is not part of it."""

import numpy as np
import pandas as pd
import pytest

from prefiqs.errors import InputError
from prefiqs.io.embeddings import read_embeddings

NAMES = ["p/a.jpg", "p/b.jpg", "q/c.jpg"]
VECTORS = np.random.default_rng(3).normal(size=(3, 12))
FAMILY = pd.DataFrame(VECTORS).add_prefix("e")
LISTS = pd.DataFrame({"name": NAMES, "vector": VECTORS.tolist()})


def shard(**columns):
    """As `prefiqs embed-dataset` writes it; the last photo has no face."""
    rows = {"path": [*NAMES, "q/d.jpg"], "face": [1, 1, 1, None], "x": 1.5, "left_eye_x": [3.0, 4, 5, None]}
    rows |= {"embedding": [*VECTORS.astype(np.float32), None], "status": ["ok"] * 3 + ["No face was found."]}
    return pd.DataFrame(rows | {"settings": "embedding sface"} | columns)


def write_shards(folder):
    folder.mkdir()
    rows = pd.concat([shard(), shard(face=2, embedding=[np.ones(12, np.float32)] * 4)])
    for i, part in enumerate((rows[:2], rows[2:])):
        part.to_parquet(folder / f"part-0000000{i}.parquet", index=False)
    (folder / "_run.json").write_text("{}")


def write_folder(folder):
    for name, vector in zip(NAMES, VECTORS, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        np.save((folder / name).with_suffix(".npy"), vector[None])  # 1×d
    (folder / "p" / "._a.npy").write_bytes(b"left by macOS")


def write_text(text):
    return lambda path: path.write_text(text)


def listed(form):
    return "name;features\n" + "".join(f'{n};"{form(v)}"\n' for n, v in zip(NAMES, VECTORS, strict=True))


FORMS = {
    "own.csv": lambda path: pd.concat(
        [LISTS.assign(face=face, status="ok", settings="embedding sface") for face in (2, 1)]
    ).to_csv(path, index=False),
    "index.csv": lambda path: FAMILY.assign(name=NAMES).to_csv(path),
    "label and age.csv": lambda path: FAMILY.assign(name=NAMES, label=[5, 5, 7], age=[30, 31, 60]).to_csv(path),
    "mixed up.csv": lambda path: FAMILY[FAMILY.columns[::-1]].assign(name=NAMES).to_csv(path, index=False),
    "name as index.csv": lambda path: FAMILY.set_axis(NAMES).to_csv(path),
    "columns of numbers.csv": lambda path: pd.DataFrame(VECTORS).assign(image=NAMES).to_csv(path, index=False),
    "from one.csv": lambda path: (
        FAMILY.rename(columns=lambda c: f"feat_{int(c[1:]) + 1}").assign(img=NAMES).to_csv(path)
    ),
    "semicolons.csv": lambda path: FAMILY.assign(Path=NAMES).to_csv(path, sep=";", index=False),
    "without header.csv": lambda path: FAMILY.set_axis(NAMES).to_csv(path, header=False),
    "tabs.tsv": lambda path: FAMILY.set_axis(NAMES).to_csv(path, header=False, sep="\t"),
    "blanks.txt": lambda path: FAMILY.set_axis(NAMES).to_csv(path, header=False, sep=" "),
    "json.csv": write_text(listed(lambda v: v.tolist())),
    "numpy.csv": write_text(listed(lambda v: np.array2string(v, floatmode="unique", max_line_width=40))),
    "tuples.csv": write_text(listed(lambda v: tuple(v.tolist()))),
    "nested.csv": write_text(listed(lambda v: [v.tolist()])),
    "plain.csv": write_text(listed(lambda v: " ".join(map(repr, v.tolist())))),
    "lists.parquet": lambda path: LISTS.to_parquet(path),
    "lists and more.parquet": lambda path: LISTS.assign(age=3, box=[[1, 2, 3, 4]] * 3).to_parquet(path),
    "nested.parquet": lambda path: LISTS.assign(vector=[[v.tolist()] for v in VECTORS]).to_parquet(path),
    "index.parquet": lambda path: FAMILY.set_axis(NAMES).to_parquet(path),
    "array.npz": lambda path: np.savez(path, x=VECTORS, names=np.array(NAMES), labels=np.arange(3)),
    "shards": write_shards,
    "folders": write_folder,
}


@pytest.mark.parametrize("form", FORMS)
def test_the_vector_is_found(tmp_path, form):
    FORMS[form](tmp_path / form)
    found = read_embeddings(tmp_path / form)
    failed = form == "shards"  # the last photo
    assert found.vectors.shape == (len(found.names), 12) == (3 + failed, 12)
    assert not failed or np.isnan(found.vectors[found.names.rows(["d.jpg"])]).all()
    np.testing.assert_allclose(found.vectors[found.names.rows(NAMES)], VECTORS, rtol=1e-6)


@pytest.mark.parametrize("separator", [",", "\t", " "])
@pytest.mark.parametrize("place", [0, 5, 12])
def test_a_label_without_a_header_is_not_part_of_the_vector(tmp_path, separator, place):
    path, labelled = tmp_path / "e.txt", FAMILY.set_axis(NAMES)
    labelled.insert(place, "label", [0, 0, 1])
    labelled.to_csv(path, sep=separator, header=False)
    with pytest.raises(InputError, match=f"^Column {place + 2} of .* has whole numbers only.*Add a header"):
        read_embeddings(path)
    labelled.to_csv(path, sep=separator, index_label="name")
    np.testing.assert_allclose(read_embeddings(path).vectors, VECTORS)


@pytest.mark.parametrize("vectors", [np.rint(VECTORS * 99), VECTORS * (np.arange(12) > 0)])
def test_vectors_of_whole_numbers_and_dead_units(tmp_path, vectors):
    pd.DataFrame(vectors, NAMES).to_csv(tmp_path / "e.csv", header=False)
    np.testing.assert_allclose(read_embeddings(tmp_path / "e.csv").vectors, vectors)


@pytest.mark.parametrize("table", [LISTS, FAMILY.assign(name=NAMES)])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_vector_of_a_failure_does_not_count(tmp_path, table, form):
    path = tmp_path / f"e.{form}"
    getattr(table.assign(Status=["OK", "ok", "no face"]), f"to_{form}")(path, index=False)
    np.testing.assert_allclose(read_embeddings(path).vectors, [*VECTORS[:2], np.full(12, np.nan)])
    getattr(table.assign(status="done"), f"to_{form}")(path, index=False)
    with pytest.raises(InputError, match='has no embedding at all: the status of no image is "ok"'):
        read_embeddings(path)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("index.csv", "The vector in .* is e0 to e11 .12 numbers.; not part of it: Unnamed: 0"),
        ("label and age.csv", "not part of it: Unnamed: 0, label, age"),
        ("lists and more.parquet", "not part of it: age, box"),
        ("shards", ""),
        ("mixed up.csv", ""),
        ("lists.parquet", ""),
    ],
)
def test_what_is_passed_over_is_said(tmp_path, caplog, form, said):
    FORMS[form](tmp_path / form)
    read_embeddings(tmp_path / form)
    assert len(caplog.messages) == bool(said)
    assert pd.Series(caplog.text).str.contains(said)[0]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (FAMILY.assign(name=NAMES, age1=1, age2=2), r"several columns that may be the vector: e…, age…"),
        (FAMILY.assign(name=NAMES, box=["[1, 2, 3]"] * 3), r"several columns that may be the vector: box, e…"),
        (FAMILY.drop(columns="e5").assign(name=NAMES), "There is no column e5, although there is e11"),
        (FAMILY.drop(columns=["e0", "e1"]).assign(name=NAMES), "There is no column e1, although there is e11"),
        (FAMILY.assign(name=NAMES, e05=1), "Two columns have the same number: e5 and e05"),
        (FAMILY.assign(name=NAMES, e3=["1", "2", "x"]), "e3 contains 'x' in line 4 of .*, which is not a number"),
        (FAMILY.assign(name=NAMES, e3="0,5"), "contains '0,5' in line 2 .* Write decimals with a point"),
        (FAMILY.assign(name=NAMES, e3=[1, None, 2]), r"embedding of 'p/b.jpg' in .* is zero or not finite"),
        (
            pd.DataFrame({"name": NAMES, "x": 1.0, "y": 2.0}),
            "no vector of numbers in each row; its other columns are x, y",
        ),
        (
            LISTS.assign(vector=["[1, 2]", "[1, 2, 3]", "[3, 4]"]),
            r"vector in line 3 of .* has 3 numbers, others have 2",
        ),
        (LISTS.assign(vector=["[1, 2]", "[1, ..., 3]", "[3, 4]"]), r"vector in line 3 of .* is not a list of numbers"),
        (LISTS.assign(name="a"), "The image 'a' occurs twice"),
    ],
)
def test_what_may_not_be_the_vector_is_refused_by_name(tmp_path, table, message):
    table.to_csv(tmp_path / "e.csv", index=False)
    with pytest.raises(InputError, match=message):
        read_embeddings(tmp_path / "e.csv")


def test_archives_that_are_ambiguous_or_hold_objects(tmp_path):
    np.savez(tmp_path / "e.npz", a=VECTORS, b=VECTORS)
    with pytest.raises(InputError, match=r"must contain one array of floats.* it has a \(float64 \(3, 12\)\), b"):
        read_embeddings(tmp_path / "e.npz")
    np.savez(tmp_path / "e.npz", a=np.array([None]))
    with pytest.raises(InputError, match="is not a .npz archive, or is damaged"):
        read_embeddings(tmp_path / "e.npz")
    np.savez(tmp_path / "e.npz", a=VECTORS, names=np.array(NAMES[:2]))
    with pytest.raises(InputError, match="has 3 rows, but .*e.npz has 2 names"):
        read_embeddings(tmp_path / "e.npz")


@pytest.mark.parametrize("header", ["", "name\n", "path;subject\n"])
def test_names_of_the_rows_of_an_array(tmp_path, header):
    np.save(tmp_path / "E.NPY", VECTORS)
    (tmp_path / "E.NPY.npy").replace(tmp_path / "E.NPY")
    lines = [f"{name};who" if ";" in header else f" {name} " for name in NAMES]
    (tmp_path / "names.lst").write_bytes(("# rows\r\n" + header + "\r\n".join(lines)).encode("utf-8-sig"))
    found = read_embeddings(tmp_path / "E.NPY", tmp_path / "names.lst")
    assert found.names.all == NAMES and (found.subjects is None or set(found.subjects) == {"who"})
