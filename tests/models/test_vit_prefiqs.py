"""The transformer of this project, as it is given out: on faces of people whom it never saw in training."""

import numpy as np
import pytest
from small_networks import unit_rows

import prefiqs
from prefiqs.faces.degrade import degrade
from prefiqs.models.registry import MODELS


@pytest.fixture(scope="module")
def vit(assets):
    return prefiqs.load_model("vit-prefiqs", device="cpu")


@pytest.mark.long
def test_it_tells_people_apart_who_were_not_in_its_training(vit, orl):
    """The bar of the model card: 98 % of as many genuine as impostor pairs, at the best threshold."""
    rows = unit_rows(prefiqs.embed(vit, orl.images))
    same = orl.subjects[:, None] == orl.subjects[None]
    first, second = np.triu_indices(len(rows), 1)
    similarity, genuine = (rows @ rows.T)[first, second], same[first, second]
    impostor = np.random.default_rng(0).choice(similarity[~genuine], genuine.sum(), replace=False)
    accepted = [((similarity[genuine] >= t).mean() + (impostor < t).mean()) / 2 for t in np.unique(similarity[genuine])]
    assert rows.shape == (400, 128)
    assert max(accepted) >= 0.98


@pytest.mark.long
def test_its_exits_rank_a_blurred_face_below_the_sharp_one(vit, orl):
    sharp = orl.images[::40]
    blurred = np.stack([degrade(face, "gaussian-blur", 1.0, 4.0, np.random.default_rng(0)) for face in sharp])
    for method in ["vit-fiqa", "ex-fiqa"]:
        before, after = (prefiqs.score(faces, method=method, model=vit) for faces in (sharp, blurred))
        assert (after < before).mean() >= 0.9


def test_it_says_which_benchmarks_it_was_trained_for():
    """Those that show people of its training, and the one whose degradations it has learnt."""
    assert set(MODELS["vit-prefiqs"].seen) == {"lfw", "xqlfw", "orl-xq"}
    assert not MODELS["sface"].seen
