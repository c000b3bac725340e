"""Acquisition hints: each measure against another way to compute it, and the words for what stands out."""

import cv2
import numpy as np
import pytest
from PIL import Image
from small_networks import synthetic_faces

import prefiqs
from prefiqs.faces.align import AlignedFace
from prefiqs.faces.decode import read_photo
from prefiqs.faces.degrade import degrade
from prefiqs.faces.hints import explain, observe
from prefiqs.faces.template import ARCFACE_TEMPLATE, align_to_template, share_outside

NOTHING = np.full(4, np.nan)


def face_at(landmarks: np.ndarray, image: np.ndarray | None = None, **about) -> AlignedFace:
    image = synthetic_faces(1)[0] if image is None else image
    return AlignedFace(image, NOTHING, landmarks, about.pop("confidence", 0.95), **about)


def words(face: AlignedFace) -> str:
    return explain(observe(face), face.confidence, face.faces)


def turned(degrees: float, scale: float = 1.0) -> np.ndarray:
    """The template, turned clockwise in an image whose second axis points down."""
    angle = np.deg2rad(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return ARCFACE_TEMPLATE @ turn.T + [300, 40]


def head(yaw: float) -> np.ndarray:
    """Five points in space, the nose in front by half the distance of the eyes, turned to the side and projected."""
    points = np.array([[-30.0, -30, 0], [30, -30, 0], [0, 3, 30], [-22, 36, 0], [22, 36, 0]])
    angle = np.deg2rad(yaw)
    turn = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    return (points @ np.transpose(turn))[:, :2] + 200


@pytest.mark.parametrize("degrees", [-179, -90, -35, 0, 20, 90, 135, 180])
@pytest.mark.parametrize("scale", [0.2, 1.0, 8.0])
def test_roll_and_the_distance_of_the_eyes(degrees, scale):
    straight, seen = observe(face_at(turned(0, scale))), observe(face_at(turned(degrees, scale)))
    assert straight["roll"] == pytest.approx(0, abs=0.5)
    assert (seen["roll"] - straight["roll"] - degrees + 180) % 360 - 180 == pytest.approx(0, abs=0.2)
    assert seen["eye_distance"] == pytest.approx(scale * 35.238, abs=0.06)  # √(35.2372² + 0.1949²)
    assert seen["yaw"] == straight["yaw"]


@pytest.mark.parametrize("yaw", [-80, -45, -10, 0, 30, 60])
@pytest.mark.parametrize("roll", [0, 40, -100])
def test_yaw_is_that_of_a_head_in_space(yaw, roll):
    turn = cv2.getRotationMatrix2D((200, 200), -roll, 1)
    seen = observe(face_at(head(yaw) @ turn[:, :2].T + turn[:, 2]))
    assert seen["yaw"] == pytest.approx(yaw, abs=0.1)
    assert seen["roll"] == pytest.approx(roll, abs=0.1)


@pytest.mark.parametrize(("left", "top"), [(0, 0), (-60, 0), (-30, -50), (150, 90), (190, 10), (-400, 0)])
@pytest.mark.parametrize("degrees", [0, 30, 90, 180])
def test_the_share_outside_the_photo_is_that_of_a_warped_mask(left, top, degrees):
    landmarks = turned(degrees, 1.5) - [300, 40] + [left + 20, top + 20]
    mask = np.full((180, 240), 255, np.uint8)
    turn = cv2.estimateAffinePartial2D(landmarks, ARCFACE_TEMPLATE)[0]  # by another method
    inside = cv2.warpAffine(mask, turn, (112, 112), borderMode=cv2.BORDER_CONSTANT).mean() / 255
    assert share_outside(mask.shape, landmarks) == pytest.approx(1 - inside, abs=0.015)


def test_exposure_and_sharpness_of_the_inner_face():
    for image in synthetic_faces(3):
        seen = observe(face_at(ARCFACE_TEMPLATE, image))
        grey = np.array(Image.fromarray(image).convert("L")).astype(int)  # Pillow's luminance is of BT.601, too
        inner = [(y, x) for y in range(36, 104) for x in range(28, 84)]
        edges = [grey[y - 1, x] + grey[y + 1, x] + grey[y, x - 1] + grey[y, x + 1] - 4 * grey[y, x] for y, x in inner]
        light = [grey[y, x] for y, x in inner]
        assert seen["brightness"] == pytest.approx(np.mean(light), abs=0.1)
        assert seen["sharpness"] == pytest.approx(np.var(edges), rel=0.01)
        assert seen["clipped"] == pytest.approx(np.mean([not 25 < x < 247 for x in light]), abs=0.002)


def test_a_flat_face():
    for value, clipped in ((0, 1), (25, 1), (26, 0), (246, 0), (247, 1), (255, 1)):
        seen = observe(face_at(ARCFACE_TEMPLATE, np.full((112, 112, 3), value, np.uint8)))
        assert (seen["sharpness"], seen["brightness"], seen["clipped"]) == (0, value, clipped)


@pytest.fixture(scope="module")
def photo(assets) -> np.ndarray:
    return cv2.resize(read_photo(assets["orl"] / "s1" / "1.pgm"), None, fx=3, fy=3)


def test_a_good_photo_has_no_hint(photo):
    border = cv2.copyMakeBorder(photo, 100, 100, 100, 100, cv2.BORDER_REPLICATE)
    assert words(prefiqs.align(border)) == ""


@pytest.mark.parametrize(("kind", "severity", "hint"), [("gaussian-blur", 3, "blurred"), ("low-light", 3, "dark")])
def test_degraded_faces(photo, kind, severity, hint):
    face = prefiqs.align(photo)
    image = degrade(face.image, kind, 1, severity, np.random.default_rng(0))
    assert hint not in words(face_at(face.landmarks * 3, face.image))
    assert hint in words(face_at(face.landmarks * 3, image))


@pytest.mark.parametrize(
    ("landmarks", "about", "hint"),
    [
        (turned(0, 0.5), {}, "small face (18 px between the eyes)"),
        (head(60), {}, "turned to the side (60°)"),
        (head(-60), {}, "turned to the side (60°)"),
        (turned(-90, 2), {}, "tilted (90°)"),
        (turned(0, 2), {"outside": 0.352}, "cut by the edge of the photo (35%)"),
        (turned(0, 2), {"confidence": 0.66}, "uncertain detection (confidence 0.66)"),
        (turned(0, 2), {"faces": 3}, "one of 3 faces"),
        (turned(0, 0.5), {"faces": 2}, "small face (18 px between the eyes); one of 2 faces"),
        (turned(0, 2), {"faces": 1, "outside": 0.0}, ""),
    ],
)
def test_what_stands_out_is_said(landmarks, about, hint):
    """The synthetic face itself is sharp and well exposed."""
    assert words(face_at(landmarks, **about)) == hint


def test_bright_and_clipped_faces(photo):
    image = prefiqs.align(photo).image
    assert words(face_at(turned(0, 2), image // 2 + 128)) == "bright"
    half = image.copy()
    half[:, :56] = 0
    assert words(face_at(turned(0, 2), half)).startswith("under- or overexposed (5")


def test_a_face_that_was_aligned_elsewhere():
    """Only the image is known: no word on the rest."""
    face = face_at(np.full((5, 2), np.nan), np.zeros((112, 112, 3), np.uint8), confidence=np.nan)
    seen = observe(face)
    assert [name for name, value in seen.items() if np.isnan(value)] == ["eye_distance", "roll", "yaw", "cut"]
    assert words(face) == "blurred; dark; under- or overexposed (100%)"


def test_a_face_cut_by_the_edge(photo):
    height, width = photo.shape[:2]
    left = prefiqs.align(photo[:, : round(width * 0.62)])
    assert left.outside == pytest.approx(share_outside((height, round(width * 0.62)), left.landmarks))
    assert "cut by the edge" in words(left)
    assert align_to_template(photo, left.landmarks).shape == (112, 112, 3)
