"""Copies of a face: repeatable, of one's own for each image, and changed only as the settings allow."""

import numpy as np
from small_networks import synthetic_faces
from student.augment import augment, augmented_copies
from student.settings import Augment

STRONGEST = {"gaussian-blur": 4.0, "jpeg": 98.0}
ALL = Augment(flip=0.5, shift=4.0, angle=8.0, scale=0.08, grey=0.35, light=0.5, degraded=0.6, strongest=STRONGEST)
NOTHING = Augment(flip=0, shift=0, angle=0, scale=0, grey=0, light=0, degraded=0, strongest={"jpeg": 98.0})


def replace(settings, **changes):
    return settings.model_copy(update=changes)


def copies(faces, copy, seed=3, settings=ALL):
    return np.stack([*augmented_copies(faces, copy, seed, settings)])


def test_copy_0_is_the_face_itself():
    faces = synthetic_faces(3)
    np.testing.assert_array_equal(copies(faces, 0), faces)


def test_copies_are_repeatable_and_differ_by_copy_seed_and_position():
    faces = np.repeat(synthetic_faces(1), 3, axis=0)
    first = copies(faces, 1)
    assert (first.shape, first.dtype) == ((3, 112, 112, 3), np.uint8)
    np.testing.assert_array_equal(copies(faces, 1), first)
    np.testing.assert_array_equal(copies(faces[:2], 1), first[:2])
    others = [copies(faces, 2)[0], copies(faces, 1, seed=4)[0], first[1]]
    assert all((other != first[0]).any() for other in others)


def test_nothing_asked_for_is_nothing_changed():
    face = synthetic_faces(1)[0]
    np.testing.assert_array_equal(augment(face, np.random.default_rng(0), NOTHING), face)


def test_each_change_does_what_it_says():
    face, rng = synthetic_faces(1)[0], np.random.default_rng
    np.testing.assert_array_equal(augment(face, rng(0), replace(NOTHING, flip=1.0)), face[:, ::-1])
    grey = augment(face, rng(0), replace(NOTHING, grey=1.0))
    assert (grey == grey[:, :, :1]).all()
    degraded = augment(face, rng(0), replace(NOTHING, degraded=1.0))
    assert (degraded != face).any()
    # A monotone table of levels: pixels that were equal stay equal, and their order may not be turned round.
    lit = augment(face, rng(0), replace(NOTHING, light=1.0)).astype(int).ravel()
    order = np.argsort(face.ravel(), kind="stable")
    assert (np.diff(lit[order]) >= 0).all()


def test_a_move_stays_within_its_bounds():
    """The centre of mass of a bright square moves by at most the shift, and the square keeps its area roughly."""
    face = np.zeros((112, 112, 3), np.uint8)
    face[46:66, 46:66] = 255
    settings = replace(NOTHING, shift=3.0, angle=8.0, scale=0.08)
    for seed in range(20):
        moved = augment(face, np.random.default_rng(seed), settings)[:, :, 0] / 255.0
        centre = [np.average(np.arange(112), weights=moved.sum(axis)) for axis in (0, 1)]
        assert np.abs(np.array(centre) - 55.5).max() < 3.1
        assert 0.9**2 < moved.sum() / 400 < 1.1**2
