"""Percentiles on the reference set: found for today's settings, and those of the scores."""

import numpy as np
import pytest

import prefiqs
from prefiqs.apps.score.rows import percentile_of
from prefiqs.apps.score.scorer import PhotoScorer, wanted_methods
from prefiqs.faces.find import find_images


def plain(method, model) -> str:
    return wanted_methods(method, model, {})[0].settings()


@pytest.mark.parametrize("method", ["prefiqs", "pruning-margin", "norm", "ser-fiq", "quality-network"])
def test_the_default_settings_are_known(method, assets):
    model = "qualityface" if method == "quality-network" else "sface"
    percentile = percentile_of(plain(method, model))
    found = [percentile(score) for score in np.linspace(-1, 30, 2000)]
    assert found[0] == 0 and found[-1] == 100 and found == sorted(found)


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
