"""Percentiles on the reference set: found for today's settings and alignment, and those of the scores."""

import csv

import cv2
import numpy as np
import pytest

import prefiqs
from prefiqs.apps.score import rows
from prefiqs.apps.score.rows import PERCENTILE, PERCENTILES, percentile_of
from prefiqs.apps.score.scorer import PhotoScorer, wanted_methods
from prefiqs.cli.score import score
from prefiqs.faces.find import find_images


def plain(method, model) -> str:
    return wanted_methods(method, model, {})[0].settings()


@pytest.mark.parametrize("method", ["prefiqs", "pruning-margin", "norm", "ser-fiq", "quality-network"])
def test_the_default_settings_are_known(method, assets):
    model = "qualityface" if method == "quality-network" else "sface"
    percentile = percentile_of(plain(method, model))
    with PERCENTILES.open(encoding="utf-8", newline="") as file:
        lines = {line[0]: np.array(line[1:], float) for line in csv.reader(file)}
    scores = lines[f"{plain(method, model)} alignment={rows.VERSION}"]
    assert [percentile(score) for score in scores] == list(range(101))
    assert [percentile(score) for score in (scores[1:] + scores[:-1]) / 2] == list(np.arange(100) + 0.5)
    assert (percentile(scores[0] - 1), percentile(scores[-1] + 1)) == (0, 100)


def test_another_alignment_has_none(assets, monkeypatch):
    """The faces of the reference set were cut out by the version that their file names."""
    monkeypatch.setattr(rows, "VERSION", rows.VERSION + 1)
    assert percentile_of(plain("norm", "sface"))(10.0) is None


def test_unknown_settings_have_none():
    assert percentile_of("norm TinyNet")(1.0) is None


def test_rows_have_the_percentile_whichever_faces_are_scored(photos, assets):
    known = percentile_of(plain("norm", "sface"))
    for all_faces in (False, True):
        ((row,),) = PhotoScorer("norm", "sface", all_faces=all_faces, device="cpu")(find_images(photos[:1]))
        assert row["percentile"] == known(row["score"])
        assert 0 < row["percentile"] < 100
    other = prefiqs.photo_scorer("prefiqs", "sface", ratio=0.3, device="cpu")(photos[0])
    assert other[0]["percentile"] is None


def test_blurred_faces_fall_behind_the_reference(orl):
    """Sharp portraits lie where LFW's faces lie; the same ones, blurred, score lower than nearly all of them."""
    percentile = percentile_of(plain("norm", "sface"))
    sharp = orl.images[::20]
    blurred = np.stack([cv2.GaussianBlur(face, (0, 0), 5) for face in sharp])
    found = [[percentile(s) for s in prefiqs.score(faces, "norm", device="cpu")] for faces in (sharp, blurred)]
    assert np.median(found[0]) > 10 and np.median(found[1]) < 2


def test_the_help_says_what_percentiles_are_of():
    help_text = " ".join((score.__doc__ or "").split())
    assert f"percentile ({PERCENTILE})" in help_text
