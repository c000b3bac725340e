"""The loop: it learns, goes on where it was stopped, and gives weights that load strictly."""

import numpy as np
import pytest
import torch
from small_networks import synthetic_faces, unit_rows
from student.distil import batch_rows, build_student, distil, rate_at, save_weights
from student.settings import PARAMS, Network, Optimise, load_settings

from prefiqs.errors import ConfigError, InputError
from prefiqs.models.checkpoints import load_strictly

NETWORK = Network(teacher="sface", patch=28, width=16, depth=2, heads=2)
OPTIMISE = Optimise(
    steps=12, batch_size=8, rate=2e-3, warm_up=3, weight_decay=0.05, similarity=2.0, quality=1.0, checkpoint=4, seed=0
)


def replace(settings, **changes):
    return settings.model_copy(update=changes)


def student(seed=0):
    return build_student(NETWORK, 6, torch.Generator().manual_seed(seed))


def lesson():
    targets = unit_rows(np.random.default_rng(5).normal(size=(24, 6))).astype(np.float32)
    quality = np.linspace(0, 1, 24, dtype=np.float32)
    quality[::3] = np.nan
    return synthetic_faces(24), targets, quality


def test_the_loss_falls_and_checkpoints_are_logged(tmp_path):
    log = distil(
        student(), *lesson(), replace(OPTIMISE, steps=80, rate=1e-2), tmp_path, lambda s: {"training": s.training}
    )
    assert [row["step"] for row in log] == [*range(4, 81, 4)]
    assert log[-1]["cosine"] < 0.5 * log[0]["cosine"]
    assert not any(row["training"] for row in log)
    terms = log[0]
    assert terms["loss"] == pytest.approx(terms["cosine"] + 2 * terms["similarity"] + terms["quality"], rel=1e-5)


def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path):
    whole, parts = student(), student()
    expected = distil(whole, *lesson(), OPTIMISE, tmp_path / "whole")

    def stop(network):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distil(parts, *lesson(), OPTIMISE, tmp_path / "parts", stop)
    assert not (tmp_path / "parts").exists()  # stopped before its first checkpoint: begins anew

    seen = []
    with pytest.raises(KeyboardInterrupt):
        distil(
            student(),
            *lesson(),
            OPTIMISE,
            tmp_path / "parts",
            lambda s: seen.append(1) or (stop(s) if seen[1:] else {}),
        )
    resumed = student(seed=9)  # whatever it starts with, the checkpoint counts
    log = distil(resumed, *lesson(), OPTIMISE, tmp_path / "parts")
    assert all(row == pytest.approx(other) for row, other in zip(log, expected, strict=True))
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=1e-5, atol=1e-6)
    assert not resumed.training


@pytest.mark.parametrize(
    ("network", "settings", "faces", "named"),
    [
        (replace(NETWORK, heads=4), OPTIMISE, 24, "network"),
        (NETWORK, replace(OPTIMISE, rate=1e-3), 24, "settings"),
        (NETWORK, OPTIMISE, 16, "faces"),
    ],
)
def test_a_run_made_otherwise_is_not_gone_on_with(tmp_path, network, settings, faces, named):
    distil(student(), *lesson(), OPTIMISE, tmp_path)
    other = build_student(network, 6, torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match=f"has another {named}. Delete that folder to start again"):
        distil(other, *(part[:faces] for part in lesson()), settings, tmp_path)


def test_fewer_faces_than_a_batch_are_refused(tmp_path):
    with pytest.raises(InputError, match="2 faces are fewer than a batch of"):
        distil(student(), *(part[:2] for part in lesson()), OPTIMISE, tmp_path)


def test_weights_in_half_precision_load_strictly(tmp_path):
    trained, file = student(), tmp_path / "w.safetensors"
    save_weights(trained, file)
    from prefiqs.models.checkpoints import read_checkpoint

    state, other = read_checkpoint(file), student(seed=1)
    assert {v.dtype for v in state.values()} == {torch.float16, torch.int64}
    load_strictly(other, state, file)
    faces = other.prepare(synthetic_faces(2))
    with torch.no_grad():
        torch.testing.assert_close(other(faces), trained(faces), rtol=0.02, atol=2e-3)


def test_an_epoch_sees_each_face_at_most_once_and_epochs_differ():
    epoch = [batch_rows(50, 8, step, seed=1) for step in range(6)]
    assert len(np.unique(np.concatenate(epoch))) == 48
    assert (batch_rows(50, 8, 6, seed=1) != epoch[0]).any()
    np.testing.assert_array_equal(batch_rows(50, 8, 3, seed=1), epoch[3])


def test_the_rate_warms_up_and_falls_to_nothing():
    rates = [rate_at(step, replace(OPTIMISE, steps=103, warm_up=3)) for step in range(103)]
    assert rates[:3] == pytest.approx([1 / 3, 2 / 3, 1])
    assert rates[53] == pytest.approx(0.5)
    assert rates[-1] < 1e-3
    assert (np.diff(rates[3:]) < 0).all()


def test_settings_of_the_repository_are_read_and_wrong_ones_refused(tmp_path):
    settings = load_settings()
    assert settings.network.depth == 12
    wrong = tmp_path / "params.yaml"
    wrong.write_text(PARAMS.read_text().replace("people: null", "people: 1"))
    with pytest.raises(ConfigError, match="data.people` cannot be 1"):
        load_settings(wrong)
