"""Rows of scores: equal to the API on the same faces, whatever the chunks, one a face."""

from dataclasses import replace

import numpy as np
import pytest
from small_networks import StagedNet, TinyNet, embedded_by_hand, small_vit, synthetic_faces

import prefiqs
from prefiqs.apps.score.rows import COLUMNS
from prefiqs.apps.score.scorer import FaceScorer, PhotoScorer
from prefiqs.errors import InputError
from prefiqs.methods._scorer import Scored
from prefiqs.methods.froq import calibrate


def rows_of(scorer, paths):
    return [row for rows in scorer(paths) for row in rows]


def test_scores_and_drift_are_those_of_the_api(photos, face_scorer):
    rows = rows_of(PhotoScorer(face_scorer), photos)
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
        places = [row[name] for name in COLUMNS[4:18]]
        np.testing.assert_allclose(places, [*face.box, *face.landmarks.ravel()], atol=0.0051)
        assert COLUMNS[4:10] == ("x", "y", "width", "height", "left_eye_x", "left_eye_y")
        assert row["confidence"] == pytest.approx(face.confidence, abs=1e-4)
        assert row["face"] == 1


def test_bad_photos_have_a_reason_and_no_numbers(photos, face_scorer):
    lost = [row for row in rows_of(PhotoScorer(face_scorer), photos) if row["status"] != "ok"]
    assert lost[0]["status"] == "Expected at least one face in a photo of 200×200 pixels, got none."
    assert "4b.jpg, got a file that is no image" in lost[1]["status"]
    numbers = set(COLUMNS) - {"path", "status", "settings"}
    assert {row[name] for row in lost for name in numbers} == {None}


def test_all_faces_or_the_largest(two_faces, face_scorer):
    faces = prefiqs.align(two_faces, all_faces=True)
    expected = prefiqs.score(np.stack([face.image for face in faces]), "prefiqs", TinyNet())
    rows = rows_of(PhotoScorer(face_scorer, all_faces=True), [two_faces])
    assert [row["face"] for row in rows] == [1, 2]
    assert rows[0]["x"] > 150 > rows[1]["x"]
    np.testing.assert_allclose([row["score"] for row in rows], expected, atol=1e-6)
    (largest,) = rows_of(PhotoScorer(face_scorer), [two_faces])
    assert {**largest, "settings": rows[0]["settings"]} == rows[0]


@pytest.mark.parametrize(
    ("method", "network", "options"),
    [
        ("prefiqs", TinyNet, {"ratio": 0.3}),
        ("prefiqs-fast", TinyNet, {}),
        ("norm", TinyNet, {}),
        ("ser-fiq", TinyNet, {"passes": 5}),
        ("vitnt-fiqa", small_vit, {}),
        pytest.param("jacobian", TinyNet, {}, marks=pytest.mark.long),
        pytest.param("grafiqs", StagedNet, {"block": 2}, marks=pytest.mark.long),
        pytest.param("faceqan", TinyNet, {"k": 2, "iterations": 2}, marks=pytest.mark.long),
        ("froq", TinyNet, {"calibration": "made here"}),
    ],
)
def test_a_score_does_not_depend_on_its_chunk(method, network, options):
    """Bit for bit, so that a run that goes on from another photo makes the same file."""
    faces = synthetic_faces(20)
    if "calibration" in options:
        options = {"calibration": calibrate(faces, network(), device="cpu")}
    scorer = FaceScorer(method, network(), device="cpu", **options)
    whole = scorer(faces).score
    np.testing.assert_array_equal(scorer(faces[3:5]).score, whole[3:5])
    np.testing.assert_array_equal(prefiqs.score(faces, method, network(), device="cpu", **options), whole)


def test_a_chunk_for_each_few_faces(faces, face_scorer):
    scorer = FaceScorer("prefiqs", TinyNet(), device="cpu")
    scorer.chunk = 5
    np.testing.assert_array_equal(scorer(faces).score, face_scorer(faces).score)
    assert scorer(faces[:0]).score.shape == (0,)


def test_chunks_of_photos(photos, two_faces, face_scorer):
    small = FaceScorer("prefiqs", TinyNet(), device="cpu")
    small.chunk = 2
    paths = [*photos, two_faces, photos[0]]
    expected = rows_of(PhotoScorer(face_scorer, all_faces=True), paths)
    assert rows_of(PhotoScorer(small, all_faces=True), paths) == expected
    assert len(expected) == 10


def test_what_is_wrong_is_said_before_any_photo_is_read():
    for options, message in [
        ({"method": "magic"}, "choose one of prefiqs"),
        ({"method": "froq"}, "Expected a calibration for froq"),
        ({"ratio": 2}, "between 0 and 1"),
        ({"magic": 1}, "Unknown option 'magic'"),
        ({"device": "abacus"}, "Unknown device"),
        ({"batch_size": 0}, "batch size"),
    ]:
        with pytest.raises(InputError, match=message):
            FaceScorer(**{"model": TinyNet(), **options})
    with pytest.raises(InputError, match="Expected one of aligned and all_faces"):
        PhotoScorer(FaceScorer("norm", TinyNet()), aligned=True, all_faces=True)


def test_settings_name_all_that_decides(face_scorer):
    given = FaceScorer("prefiqs", TinyNet(), device="cpu", batch_size=4, ratio=0.4)
    assert (
        given.settings
        == face_scorer.settings
        == ("prefiqs tiny-0 ratio=0.4 granularity=unstructured criterion=l1 seed=0")
    )
    assert PhotoScorer(given, aligned=True).settings == given.settings + " aligned"
    assert PhotoScorer(given, all_faces=True).settings == given.settings + " all-faces"


def test_settings_tell_a_changed_file(faces, tmp_path):
    calibration = calibrate(faces, TinyNet(), device="cpu")
    path = tmp_path / "calibration.json"
    settings = []
    for faces_used in (6, 7):
        replace(calibration, faces=faces_used).save(path)
        settings.append(FaceScorer("froq", TinyNet(), device="cpu", calibration=str(path)).settings)
    assert str(path) in settings[0]
    assert settings[0] != settings[1]


def test_a_score_that_is_no_number_is_a_reason(photos, face_scorer, monkeypatch):
    monkeypatch.setattr(face_scorer, "_score", lambda faces: Scored(np.full(len(faces), np.nan, np.float32)))
    (row,) = rows_of(PhotoScorer(face_scorer), photos[:1])
    assert (row["score"], row["drift"], row["status"]) == (None, None, "Expected a finite score, got nan.")
