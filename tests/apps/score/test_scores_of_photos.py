"""Rows of scores: equal to the API on the same faces, whatever the chunks, one a face."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import onnx
import pytest
from small_networks import TinyNet, embedded_by_hand, synthetic_faces

import prefiqs
from prefiqs.apps.score import rows as tables
from prefiqs.apps.score import scorer as scoring
from prefiqs.apps.score.rows import COLUMNS
from prefiqs.apps.score.scorer import PhotoScorer, describe
from prefiqs.errors import InputError
from prefiqs.faces import align
from prefiqs.faces.find import Shard, find_images
from prefiqs.faces.hints import explain, observe
from prefiqs.faces.reader import FaceReader
from prefiqs.methods._scorer import Scored
from prefiqs.methods.froq import calibrate
from prefiqs.methods.registry import PreparedScorer


def rows_of(scorer, paths):
    return [row for rows in scorer(find_images(paths)) for row in rows]


def test_scores_and_drift_are_those_of_the_api(photos, scorer):
    rows = rows_of(scorer, photos)
    assert [row["path"] for row in rows] == [str(path) for path in photos]
    assert all(tuple(row) == COLUMNS for row in rows)
    ok = [row for row in rows if row["status"] == "ok"]
    faces = [prefiqs.align(row["path"]) for row in ok]
    images = np.stack([face.image for face in faces])
    assert len(ok) == 5
    np.testing.assert_allclose([r["score"] for r in ok], prefiqs.score(images, "prefiqs", TinyNet()), atol=1e-6)
    pruned = prefiqs.prune(TinyNet(), 0.4)
    moved = embedded_by_hand(TinyNet(), images) - embedded_by_hand(pruned, images)
    np.testing.assert_allclose([r["drift"] for r in ok], np.linalg.norm(moved, axis=1), atol=1e-6)
    for row, face in zip(ok, faces, strict=True):
        places = [row[name] for name in COLUMNS[6:20]]
        np.testing.assert_allclose(places, [*face.box, *face.landmarks.ravel()], atol=0.0051)
        assert COLUMNS[6:12] == ("x", "y", "width", "height", "left_eye_x", "left_eye_y")
        assert row["confidence"] == pytest.approx(face.confidence, abs=1e-4)
        assert (row["face"], row["faces"]) == (1, 1)
        seen = observe(face)
        assert {name: row[name] for name in seen} == seen
        assert row["hints"] == explain(seen, face.confidence, 1)


@pytest.mark.parametrize("size", [None, (112, 112)])
def test_an_assumed_range_is_a_hint(photos, tmp_path, size):
    """Found in the photo or aligned already, in a table or by one call."""
    pixels = cv2.imread(str(photos[0]))
    dark = cv2.resize(pixels, size) if size else pixels
    cv2.imwrite(str(tmp_path / "dark.png"), dark.astype(np.uint16) * 16 + 1)
    (row,) = rows_of(PhotoScorer("norm", TinyNet(), aligned=bool(size), device="cpu"), [tmp_path / "dark.png"])
    assert row["status"] == "ok" and row["hints"].endswith("range of 12 bits assumed")
    if not size:
        assert prefiqs.photo_scorer("norm", TinyNet(), device="cpu")(tmp_path / "dark.png") == [row]


def test_bad_photos_have_a_reason_and_no_numbers(photos, scorer):
    lost = [row for row in rows_of(scorer, photos) if row["status"] != "ok"]
    assert lost[0]["status"] == "No face was found in this photo of 200×200 pixels."
    assert "4b.jpg is not an image that can be read." in lost[1]["status"]
    numbers = set(COLUMNS) - {"path", "hints", "method", "status", "settings", "file_state"}
    assert {row["hints"] for row in lost} == {""}
    assert {row[name] for row in lost for name in numbers} == {None}


def test_all_faces_or_the_largest(two_faces, scorer):
    faces = prefiqs.align(two_faces, all_faces=True)
    expected = prefiqs.score(np.stack([face.image for face in faces]), "prefiqs", TinyNet())
    rows = rows_of(PhotoScorer("prefiqs", TinyNet(), device="cpu", all_faces=True), [two_faces])
    assert [(row["face"], row["faces"]) for row in rows] == [(1, 2), (2, 2)]
    assert all("one of 2 faces" in row["hints"] for row in rows)
    assert rows[0]["x"] > 150 > rows[1]["x"]
    np.testing.assert_allclose([row["score"] for row in rows], expected, atol=1e-6)
    (largest,) = rows_of(scorer, [two_faces])
    assert {**largest, "settings": rows[0]["settings"]} == rows[0]


def test_rows_do_not_depend_on_how_many_faces_are_scored_at_once(photos, two_faces, monkeypatch):
    """Bit for bit, so that a run that continues from another photo makes the same file."""
    scorer = PhotoScorer("prefiqs", TinyNet(), device="cpu", all_faces=True)
    paths = [*photos, two_faces]
    expected = rows_of(scorer, paths)
    monkeypatch.setattr(scoring, "_LOST", 0)
    monkeypatch.setattr(scoring, "_AHEAD", 0)
    assert rows_of(scorer, paths) == expected
    assert len(expected) == 9


def test_embeddings(photos):
    rows = rows_of(PhotoScorer(None, TinyNet(), device="cpu"), photos)
    ok = [row for row in rows if row["status"] == "ok"]
    images = np.stack([prefiqs.align(row["path"]).image for row in ok])
    raw = np.stack([row["embedding"] for row in ok])
    assert len(ok) == 5 and raw.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(raw, axis=1), prefiqs.score(images, "norm", TinyNet()), rtol=1e-6)
    np.testing.assert_allclose(
        raw / np.linalg.norm(raw, axis=1)[:, None], embedded_by_hand(TinyNet(), images), atol=1e-6
    )


def test_what_is_known_of_a_face_that_was_aligned_before(photos, tmp_path):
    face = prefiqs.align(photos[0])
    cv2.imwrite(str(tmp_path / "face.png"), face.image[..., ::-1])
    (row,) = rows_of(PhotoScorer("norm", TinyNet(), device="cpu", aligned=True), [tmp_path / "face.png"])
    seen = observe(face)
    assert all(row[name] is None for name in ("x", "confidence", "faces", "eye_distance", "roll", "yaw", "cut"))
    assert all(row[name] == seen[name] for name in ("sharpness", "brightness", "clipped"))


def test_what_is_wrong_is_said_before_any_photo_is_read():
    for options, message in [
        ({"method": "magic"}, "choose one of prefiqs"),
        ({"method": "froq"}, "calibration"),
        ({"ratio": 2}, "between 0 and 1"),
        ({"ratio": "0,4"}, "ratio of prefiqs must be float, not '0,4'"),
        ({"magic": 1}, "Unknown option 'magic'"),
        ({"device": "abacus"}, "Unknown device"),
        ({"batch_size": 0}, "batch size"),
    ]:
        with pytest.raises(InputError, match=message):
            PhotoScorer(**{"model": TinyNet(), **options})


def test_settings_name_all_that_decides(scorer):
    given = PhotoScorer("prefiqs", TinyNet(), device="cpu", batch_size=4, ratio=0.4)
    expected = "prefiqs tiny-0 ratio=0.4 granularity=unstructured criterion=l1 seed=0"
    assert given.settings == scorer.settings == expected + f" alignment={align.VERSION}"
    assert PhotoScorer("prefiqs", TinyNet(), aligned=True).settings == expected + " aligned"
    assert PhotoScorer("prefiqs", TinyNet(), all_faces=True).settings == f"{scorer.settings} all-faces"


@pytest.mark.parametrize("options", [{}, {"all_faces": True}, {"batch_size": 2}])
def test_percentiles_are_those_of_the_method_and_its_network(photos, tmp_path, monkeypatch, options):
    """However the photos are read: the file names only the version of the alignment."""
    settings = f"{scoring.wanted_methods('norm', TinyNet(), {})[0].settings()} alignment={align.VERSION}"
    scores = [row["score"] for row in rows_of(PhotoScorer("norm", TinyNet(), device="cpu"), photos[:1])]
    monkeypatch.setattr(tables, "PERCENTILES", tmp_path / "percentiles.csv")
    tables.PERCENTILES.write_text(",".join([settings, *(str(scores[0] + i - 42) for i in range(101))]) + "\n")
    (row,) = rows_of(PhotoScorer("norm", TinyNet(), device="cpu", **options), photos[:1])
    assert row["percentile"] == 42
    (row,) = rows_of(PhotoScorer("ser-fiq", TinyNet(), device="cpu", **options), photos[:1])
    assert row["percentile"] is None


def test_settings_tell_a_changed_file(faces, tmp_path):
    """A calibration of the same name, or another network."""
    calibration = calibrate(faces, TinyNet(), device="cpu")
    path = tmp_path / "calibration.json"
    settings = set()
    for faces_used in (6, 7):
        replace(calibration, faces=faces_used).save(path)
        settings.add(describe("froq", TinyNet(), {"calibration": str(path)}, False, False))
    assert len(settings) == 2 and all(str(path) in text for text in settings)
    path = tmp_path / "model.onnx"
    graph = onnx.helper.make_graph([], "net", [], [])
    path.with_suffix(".json").write_text('{"colour": "rgb", "mean": 0, "std": 255}')
    for producer in ("one", "two"):
        path.write_bytes(onnx.helper.make_model(graph, producer_name=producer).SerializeToString())
        settings.add(describe("norm", str(path), {}, False, False))
    path.with_suffix(".json").write_text('{"colour": "bgr", "mean": 0, "std": 255}')
    settings.add(describe("norm", str(path), {}, False, False))
    assert len(settings) == 5


def test_a_score_that_is_not_finite_is_a_reason(photos, scorer, monkeypatch):
    monkeypatch.setattr(PreparedScorer, "__call__", lambda self, faces: Scored(np.full(len(faces), np.nan, np.float32)))
    (row,) = rows_of(scorer, photos[:1])
    assert (row["score"], row["drift"], row["status"]) == (None, None, "The score is not finite (nan).")


def test_several_methods_find_each_face_once_and_score_as_each_alone(photos, monkeypatch):
    methods = {"prefiqs": {"ratio": 0.2}, "norm": {}, "ser-fiq": {}}
    alone = {m: rows_of(PhotoScorer(m, TinyNet(), device="cpu", **own), photos) for m, own in methods.items()}
    found = []
    original = FaceReader.__call__
    monkeypatch.setattr(FaceReader, "__call__", lambda self, image: found.append(image) or original(self, image))
    rows = rows_of(PhotoScorer(list(methods), TinyNet(), device="cpu", ratio=0.2), photos)
    assert len(found) == len(photos)
    assert len(rows) == 3 * len(photos)
    for method, expected in alone.items():
        assert [row for row in rows if row["method"] == method] == expected


def test_a_method_may_name_its_network(photos):
    rows = rows_of(PhotoScorer(["norm", "norm@mobilefacenet-512"], TinyNet(), device="cpu"), photos[:1])
    assert [row["method"] for row in rows] == ["norm", "norm@mobilefacenet-512"]
    face = prefiqs.align(photos[0]).image[None]
    expected = [prefiqs.score(face, "norm", model)[0] for model in (TinyNet(), "mobilefacenet-512")]
    np.testing.assert_allclose([row["score"] for row in rows], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("methods", "options", "reason"),
    [
        (["norm", "norm"], {}, "The method norm is given twice\\."),
        (["norm@sface", "norm@sface"], {}, "The method norm@sface is given twice\\."),
        (["norm", "nrom"], {}, "Unknown method 'nrom'"),
        (["norm", "prefiqs"], {"ratoi": 0.4}, "Unknown option 'ratoi' of norm"),
        (["norm", "prefiqs"], {"ratio": "much"}, "The option ratio of prefiqs must be float"),
    ],
)
def test_methods_that_do_not_go_together_are_refused(methods, options, reason):
    with pytest.raises(InputError, match=reason):
        PhotoScorer(methods, TinyNet(), device="cpu", **options)


def test_a_method_is_given_twice_if_it_names_the_network_that_is_used_anyway():
    with pytest.raises(InputError, match=r"^The method norm@sface is given twice, also as norm\.$"):
        PhotoScorer(["norm", "prefiqs", "norm@sface"], "sface", device="cpu")


def test_one_call_from_photo_to_score(photos, two_faces):
    ready = prefiqs.photo_scorer("norm", TinyNet(), device="cpu", batch_size=1)
    expected = rows_of(PhotoScorer("norm", TinyNet(), device="cpu", batch_size=1), photos[:1])
    assert ready(photos[0]) == expected
    frame = cv2.imread(str(two_faces))
    every = prefiqs.photo_scorer("norm", TinyNet(), colour="bgr", all_faces=True, device="cpu", batch_size=1)
    rows = every(frame)
    assert [row["face"] for row in rows] == [1, 2]
    faces = prefiqs.align(two_faces, all_faces=True)
    expected_scores = [prefiqs.score(face.image[None], "norm", TinyNet(), batch_size=1)[0] for face in faces]
    np.testing.assert_allclose([row["score"] for row in rows], expected_scores, rtol=1e-6)
    with pytest.raises(prefiqs.NoFaceFound):
        ready(np.full((200, 200, 3), 127, np.uint8))


@pytest.mark.parametrize("option", [{"aligned": True}, {"landmarks": "points.txt"}, {"threads": 2}])
def test_a_photo_scorer_refuses_what_has_no_effect(option):
    with pytest.raises(InputError, match=f"Unknown option '{next(iter(option))}' of norm"):
        prefiqs.photo_scorer("norm", TinyNet(), device="cpu", **option)


@pytest.mark.long
def test_a_photo_scorer_of_methods_that_choose_their_batches(photos):
    face = prefiqs.align(photos[0]).image[None]
    for methods in (["jacobian"], ["norm", "faceqan"]):
        rows = prefiqs.photo_scorer(methods, TinyNet(), device="cpu")(photos[0])
        expected = [prefiqs.score(face, method, TinyNet(), device="cpu")[0] for method in methods]
        np.testing.assert_allclose([row["score"] for row in rows], expected, rtol=1e-5)


def test_a_photo_scorer_is_used_by_several_threads(photos):
    good = [photo for photo in photos if "b" not in photo.stem]
    ready = prefiqs.photo_scorer("norm", TinyNet(), device="cpu", batch_size=1)
    expected = [ready(photo) for photo in good]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ready, good * 5)) == expected * 5


@pytest.mark.long
def test_memory_does_not_grow_with_the_photos(tmp_path):
    """Pixels of a face take 38 kB: those of 2,000 would be 75 MB."""
    faces = synthetic_faces(1)
    cv2.imwrite(str(tmp_path / "face.png"), faces[0])
    scorer = PhotoScorer("norm", TinyNet(), aligned=True, device="cpu")
    peaks = []
    for count in (200, 200, 2_200):  # what the first ones make ready is not counted
        photos = [Shard((tmp_path / "face.png",) * count)]
        tracemalloc.start()
        assert sum(1 for _ in scorer(photos)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 15e6
