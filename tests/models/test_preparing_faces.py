"""What reaches a network: scaled pixels in its colour order, from aligned faces and nothing else."""

import numpy as np
import pytest
import torch
from small_networks import TinyNet, prepared_by_hand

from prefiqs.errors import InputError
from prefiqs.models.face_model import InputSpec, check_faces


def test_rgb_stays_rgb_and_is_scaled(tiny, faces):
    prepared = tiny.prepare(faces)
    assert prepared.dtype == torch.float32
    np.testing.assert_allclose(prepared.numpy(), prepared_by_hand(faces), atol=1e-6)


def test_bgr_networks_get_blue_first():
    face = np.empty((1, 112, 112, 3), np.uint8)
    face[:] = 10, 20, 30
    prepared = TinyNet(spec=InputSpec("bgr", mean=5, std=10)).prepare(face)
    np.testing.assert_allclose(prepared[0, :, 0, 0], [2.5, 1.5, 0.5])
    assert prepared.is_contiguous()


def test_a_bgr_network_sees_in_rgb_what_its_twin_sees_in_bgr(faces):
    spec = InputSpec("bgr", mean=127.5, std=128)
    with torch.no_grad():
        rgb, bgr = (
            net(net.prepare(image)) for net, image in [(TinyNet(), faces[..., ::-1]), (TinyNet(0, spec), faces)]
        )
    torch.testing.assert_close(bgr, rgb, rtol=0, atol=0)
    assert not torch.allclose(bgr, TinyNet()(TinyNet().prepare(faces)), atol=0.1)


def test_rows_and_columns_are_not_mixed_up(tiny):
    face = np.zeros((1, 112, 112, 3), np.uint8)
    face[0, 7, 90, 1] = 255
    assert (tiny.prepare(face)[0] > 0).nonzero().tolist() == [[1, 7, 90]]


@pytest.mark.parametrize(
    ("images", "got"),
    [
        (np.zeros((2, 112, 112, 3), np.float32), "float32 2×112×112×3"),
        (np.zeros((112, 112, 3), np.uint8), "uint8 112×112×3"),
        (np.zeros((1, 3, 112, 112), np.uint8), "uint8 1×3×112×112"),
        (np.zeros((1, 112, 96, 3), np.uint8), "uint8 1×112×96×3"),
        (np.zeros((1, 112, 112, 4), np.uint8), "uint8 1×112×112×4"),
        ([[1, 2], [3, 4]], "int64 2×2"),
    ],
)
def test_what_is_no_aligned_face(images, got):
    with pytest.raises(InputError, match=f"Aligned faces must be RGB, uint8 n×112×112×3, not {got}. Align photos"):
        check_faces(images)


def test_views_and_read_only_faces_are_taken(tiny, faces):
    mirrored = faces[:, :, ::-1]
    frozen = faces.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(check_faces(mirrored), mirrored)
    assert check_faces(frozen).flags.writeable  # PyTorch wants to be able to write
    torch.testing.assert_close(tiny.prepare(frozen), tiny.prepare(faces))
