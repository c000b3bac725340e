"""What a user brings is brought into one order: templates, failures, LFW's own list, people that do not fit."""

import weakref

import numpy as np
import pandas as pd
import pytest

from prefiqs.apps.evaluate import inputs
from prefiqs.apps.evaluate.inputs import read_inputs
from prefiqs.errors import InputError
from prefiqs.io.embeddings import read_embeddings


def read(brought, scores, embeddings="vectors.npy", pairs="pairs.txt", names="index.csv", **more):
    def path(name):
        return brought.folder / name if (brought.folder / name).exists() else name

    return read_inputs([str(path(scores))], [str(path(embeddings))], path(pairs), names and path(names), **more)


def test_photos_that_a_method_could_not_score(brought, tmp_path):
    status = ["No face was found." if i in (3, 8) else "ok" for i in range(80)]
    scores = np.where(np.array(status) == "ok", brought.good, np.nan)
    table = pd.DataFrame({"path": [f"/somewhere/{n}" for n in brought.names], "score": scores, "status": status})
    table.to_csv(tmp_path / "own.csv", index=False, na_rep="NA")
    found = read(brought, tmp_path / "own.csv")
    assert np.isnan(found.scores["own"]).sum() == 2
    by_name = pd.Series(found.scores["own"], found.names)[brought.names]
    np.testing.assert_allclose(by_name, scores, rtol=1e-12)
    assert not np.isnan(read(brought, "good.txt").scores["good"]).any()


@pytest.fixture
def of_templates(brought, tmp_path):
    """Two templates a person, of one or three images, two of which are of one medium; numbers as IJB-C has them."""
    members = {}  # template: rows
    for person in range(20):
        rows = np.flatnonzero(brought.subjects == f"person{person}")
        members |= {1000 + 7 * person: rows[:1], 1003 + 7 * person: rows[1:]}
    lines = [(brought.names[row], t, 5 if i < 2 else 6) for t, rows in members.items() for i, row in enumerate(rows)]
    order = np.random.default_rng(2).permutation(len(lines))
    lines = [lines[i] for i in order]
    (tmp_path / "face_tid_mid.txt").write_text("".join(f"{n} {t} {m}\n" for n, t, m in lines))
    ids = sorted(members)
    pairs = [(a, b, int((a - 1000) // 7 == (b - 1000) // 7)) for i, a in enumerate(ids) for b in ids[i + 1 :]]
    (tmp_path / "pairs.txt").write_text("".join(f"{a} {b} {g}\n" for a, b, g in pairs))
    np.save(tmp_path / "feats.npy", brought.vectors[[brought.names.index(n) for n, _, _ in lines]])
    return tmp_path, members, pairs


def test_templates_are_pooled_and_as_good_as_their_worst_image(run, brought, of_templates):
    folder, members, pairs = of_templates
    given = ["--embeddings", folder / "feats.npy", "--pairs", folder / "pairs.txt"]
    templates = ["--templates", folder / "face_tid_mid.txt", "--fmr", 0.01]
    code, out, err = run("evaluate", brought.folder / "good.txt", *given, *templates, "--out", folder / "r")
    assert code == 0 and f"80 images, {len(pairs)} pairs" in err, err
    pooled, quality = {}, {}
    for template, rows in members.items():
        of_medium = [rows[:2], rows[2:]] if len(rows) > 2 else [rows]
        total = sum(np.mean([brought.vectors[row].astype(float) for row in part], axis=0) for part in of_medium)
        pooled[template], quality[template] = total / np.linalg.norm(total), brought.good[rows].min()
    similarity = np.array([pooled[a] @ pooled[b] for a, b, _ in pairs])
    genuine = np.array([g for _, _, g in pairs], bool)
    worse = np.array([min(quality[a], quality[b]) for a, b, _ in pairs])
    points = pd.read_csv(folder / "r" / "curves.csv")
    for _, point in points.iterrows():
        turn = np.argsort(np.random.default_rng(0).permutation(len(pairs)))  # of pairs of equal quality
        left = np.lexsort([turn, worse])[int(point["discard"] * len(pairs) + 1e-9) :]
        impostors = np.sort(similarity[left][~genuine[left]])[::-1]
        cutoff = impostors[round(0.01 * len(impostors))]
        assert point["fnmr"] == pytest.approx(np.mean(similarity[left][genuine[left]] <= cutoff), abs=1e-9)
    assert points["fnmr"].iloc[0] > points["fnmr"].iloc[-5]


def test_people_of_templates(brought, of_templates):
    folder, members, pairs = of_templates
    more = dict(embeddings=folder / "feats.npy", pairs=folder / "pairs.txt", templates=folder / "face_tid_mid.txt")
    found = read(brought, "good.txt", names=None, **more)
    assert not found.named_people and len(set(found.subjects)) == 20 and len(found.subjects) == len(members) == 40
    assert found.pairs.tolist() == [[sorted(members).index(a), sorted(members).index(b)] for a, b, _ in pairs]
    listed = read(brought, "good.txt", **(more | {"embeddings": "vectors.npy"}))  # in another order, with people
    assert listed.named_people and set(listed.subjects) == set(brought.subjects)
    np.testing.assert_array_equal(listed.verifiers["vectors"], found.verifiers["feats"])
    np.testing.assert_array_equal(listed.scores["good"], found.scores["good"])


def test_embeddings_of_one_verifier_at_a_time(brought, of_templates, monkeypatch):
    """Those of IJB-C take a gigabyte each."""
    folder, alive = of_templates[0], []

    def read_one(*given):
        assert not any(reference() is not None for reference in alive)
        table = read_embeddings(*given)
        alive.append(weakref.ref(table.vectors))
        return table

    monkeypatch.setattr(inputs, "read_embeddings", read_one)
    several = [f"{name}={folder / 'feats.npy'}" for name in ("first", "second", "third")]
    more = folder / "pairs.txt", None, (), folder / "face_tid_mid.txt"
    assert [*read_inputs([str(brought.folder / "good.txt")], several, *more).verifiers] == ["first", "second", "third"]
    assert len(alive) == 3


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("pairs.txt", "1000 1003 1\n1000 9 0\n", r"1000 and 9 in line 2 of .* are not two templates that have images"),
        (
            "pairs.txt",
            "1000 1003 1\n1000 1000 0\n",
            r"pair 1000 and 1000 in line 2 of .* compares one thing with itself",
        ),
        ("face_tid_mid.txt", "x.jpg 1000 1\n", r"feats.npy has 80 rows, but .*feats.npy has 1 names"),
        ("face_tid_mid.txt", "name,tid\nx.jpg,1000\n", "face_tid_mid.txt has no column media, only name, tid"),
        ("face_tid_mid.txt", "name,tid,mid\nx.jpg,1.5,2\n", "column tid of .* contains values that are not whole"),
    ],
)
def test_templates_that_do_not_fit(brought, of_templates, file, text, message):
    folder, _, _ = of_templates
    (folder / file).write_text(text)
    with pytest.raises(InputError, match=message):
        read(
            brought, "good.txt", folder / "feats.npy", folder / "pairs.txt", None, templates=folder / "face_tid_mid.txt"
        )


def test_a_template_of_several_people(brought, of_templates):
    folder, _, _ = of_templates
    lines = (folder / "face_tid_mid.txt").read_text().replace(f"{brought.names[1]} 1003", f"{brought.names[1]} 1010")
    (folder / "face_tid_mid.txt").write_text(lines)
    with pytest.raises(InputError, match="Template 1010 has images of several people: 'person"):
        read(brought, "good.txt", pairs=folder / "pairs.txt", templates=folder / "face_tid_mid.txt")


LFW_LISTS = {
    "folds": "1\t2\nperson3\t1\t4\nperson5\t2\t3\nperson3\t4\tperson7\t1\nperson1\t1\tperson2\t3\n",
    "view 1": "2\r\nperson3\t1\t4\r\nperson5\t2\t3\r\nperson3\t4\tperson7\t1\r\nperson1\t1\tperson2\t3\r\n",
}


@pytest.mark.parametrize("form", LFW_LISTS)
def test_the_list_of_lfw(brought, tmp_path, form):
    (tmp_path / "p.txt").write_bytes(LFW_LISTS[form].encode())
    renamed = [f"{n[:-5]}{int(n[-5]) + 1}.jpg" for n in brought.names]  # LFW counts from 1
    (tmp_path / "names.txt").write_text("\n".join(renamed))
    (tmp_path / "q.txt").write_text("".join(f"{n} {s}\n" for n, s in zip(renamed, brought.good, strict=True)))
    found = read(brought, tmp_path / "q.txt", pairs=tmp_path / "p.txt", names=tmp_path / "names.txt")
    pairs = [tuple(found.names[i].split("/")[1] for i in pair) for pair in found.pairs]
    assert pairs == [
        ("person3_0001.jpg", "person3_0004.jpg"),
        ("person5_0002.jpg", "person5_0003.jpg"),
        ("person3_0004.jpg", "person7_0001.jpg"),
        ("person1_0001.jpg", "person2_0003.jpg"),
    ]
    assert found.genuine.tolist() == [True, True, False, False]
    (tmp_path / "p.txt").write_bytes(LFW_LISTS[form].replace("person7\t1", "person7\t9").encode())
    with pytest.raises(InputError, match="The image person7/person7_0009.jpg of .* is not one of the 80 known ones"):
        read(brought, tmp_path / "q.txt", pairs=tmp_path / "p.txt", names=tmp_path / "names.txt")


def test_impostors_whom_genuine_pairs_connect_are_said(brought, tmp_path, caplog):
    a, b, c, d = brought.names[:4]
    (tmp_path / "p.txt").write_text(f"{a} {b} 1\n{b} {c} 1\n{a} {c} 0\n{a} {d} 0\n")
    found = read(brought, "good.txt", pairs=tmp_path / "p.txt", names="names.txt")
    assert found.genuine.tolist() == [True, True, False, False]
    assert "as an impostor pair, although other genuine pairs connect them (1 such pairs)" in caplog.text


def test_scores_that_name_no_image_of_the_set(brought, tmp_path):
    (tmp_path / "q.txt").write_text("agedb/0.jpg 0.5\nagedb/1.jpg 0.7\n")
    with pytest.raises(InputError, match=r"80 of 80 images lack one\). It names 'agedb/0.jpg', which is not one of"):
        read(brought, tmp_path / "q.txt")


def test_an_index_in_front_changes_no_number(run, brought, tmp_path):
    """A table with pandas' index and other numbers beside the vector: once they were taken as part of it."""
    table = pd.DataFrame(brought.vectors).add_prefix("e").assign(name=brought.names, age=40 * np.arange(80))
    table.to_csv(tmp_path / "e.csv")
    results = []
    for embeddings in ([tmp_path / "e.csv"], [brought.folder / "vectors.npy", "--names", brought.folder / "names.txt"]):
        given = ["--pairs", brought.folder / "pairs.txt", "--embeddings", *embeddings, "--fmr", 0.01]
        code, _, err = run("evaluate", brought.folder / "good.txt", *given, "--out", tmp_path / "r")
        assert code == 0, err
        results.append(pd.read_csv(tmp_path / "r" / "curves.csv").drop(columns="verifier"))
    pd.testing.assert_frame_equal(*results)
