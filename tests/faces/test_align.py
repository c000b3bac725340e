"""Alignment on real photos: landmarks, what moving or scaling a photo changes, and what is no photo of a face."""

import cv2
import numpy as np
import pytest
from PIL import Image
from small_networks import embedded_by_hand, synthetic_faces

import prefiqs
from prefiqs.errors import InputError, NoFaceFound
from prefiqs.faces.decode import read_photo
from prefiqs.faces.template import ARCFACE_TEMPLATE, align_to_template, similarity_transform

GREY = (128, 128, 128)


@pytest.fixture(scope="module")
def photos(assets) -> list[np.ndarray]:
    """A photo each of five people, 92×112 pixels."""
    return [read_photo(assets["orl"] / f"s{person}" / "1.pgm") for person in range(1, 6)]


def enlarged(photo: np.ndarray, factor: float) -> np.ndarray:
    return cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)


def on_canvas(photo: np.ndarray, top: int, left: int, size: tuple[int, int], border: int, value=GREY) -> np.ndarray:
    bottom, right = size[0] - top - photo.shape[0], size[1] - left - photo.shape[1]
    return cv2.copyMakeBorder(photo, top, bottom, left, right, border, value=value)


def mean_difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b).mean())


def test_an_aligned_face(photos):
    face = prefiqs.align(photos[0])
    assert (face.image.shape, face.image.dtype) == ((112, 112, 3), np.uint8)
    assert (face.box.shape, face.landmarks.shape) == ((4,), (5, 2))
    assert 0.6 <= face.confidence <= 1


def test_landmarks_lie_where_a_face_has_them(photos):
    for photo in photos:
        face = prefiqs.align(photo)
        (left_eye, right_eye, nose, left_mouth, right_mouth), (x, y, width, height) = face.landmarks, face.box
        assert left_eye[0] < nose[0] < right_eye[0]
        assert left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
        assert ((face.landmarks > [x, y]) & (face.landmarks < [x + width, y + height])).all()
        assert -5 < x < x + width < 97  # in pixels of the photo, which is 92 wide
        assert -5 < y < y + height < 117


def test_landmarks_of_an_aligned_face_are_the_template(photos):
    """Within 6 of 112 pixels: a face is no flat copy of the template, and the detector looks at it anew."""
    for photo in photos:
        again = prefiqs.align(prefiqs.align(photo).image)
        assert np.abs(again.landmarks - ARCFACE_TEMPLATE).max() < 6


def test_a_path_is_read(assets, photos):
    path = assets["orl"] / "s1" / "1.pgm"
    expected = prefiqs.align(photos[0]).image
    for given in (path, str(path)):
        np.testing.assert_array_equal(prefiqs.align(given).image, expected)


def test_frames_of_opencv(assets, photos):
    """BGR in, RGB out; the same face, whatever the order and the layout of memory."""
    photo = photos[0].copy()
    photo[..., 0] //= 2  # so that the channels differ
    expected = prefiqs.align(photo)
    for frame in (cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), photo[..., ::-1]):
        face = prefiqs.align(frame, colour="bgr")
        np.testing.assert_array_equal(face.image, expected.image)
        np.testing.assert_array_equal(face.landmarks, expected.landmarks)
        (one,) = prefiqs.align(frame, all_faces=True, colour="bgr")
        np.testing.assert_array_equal(one.image, expected.image)
    path = assets["orl"] / "s1" / "1.pgm"
    np.testing.assert_array_equal(prefiqs.align(path, colour="bgr").image, prefiqs.align(path).image)
    with pytest.raises(InputError, match='Unknown colour order \'BGR\'; choose "rgb" or "bgr"'):
        prefiqs.align(photo, colour="BGR")


def test_an_enlarged_photo_has_enlarged_landmarks(photos):
    """The detector sees the same pixels, and the middle of pixel 0 is that of pixel 1 of the three it becomes."""
    for photo in photos:
        small, large = prefiqs.align(photo), prefiqs.align(enlarged(photo, 3))
        assert np.abs((large.landmarks + 0.5) / 3 - 0.5 - small.landmarks).max() < 0.02
        assert mean_difference(large.image, small.image) < 6


def test_a_photo_moved_by_whole_steps_of_the_detector(photos):
    """On a larger canvas, moved so that the detector's grid of 32 pixels (padding included) meets it alike."""
    top, left = 2 * 32 - (106 - 84), 3 * 32 - (106 - 69)
    for photo in photos:
        large = enlarged(photo, 3)
        face, moved = prefiqs.align(large), prefiqs.align(on_canvas(large, top, left, (424, 424), cv2.BORDER_REPLICATE))
        assert np.abs(moved.landmarks - [left, top] - face.landmarks).max() < 1
        assert np.abs(moved.box - [left, top, 0, 0] - face.box).max() < 1.5
        assert mean_difference(moved.image, face.image) < 2


@pytest.mark.parametrize(("top", "left"), [(50, 31), (200, 5)])
def test_a_photo_anywhere_in_a_larger_one_is_the_same_face_to_a_network(photos, sface, top, left):
    """The detector's grid moves landmarks by up to 3 % of the face; embeddings of one person stay within 0.9."""
    large = [enlarged(photo, 3) for photo in photos]
    moved = [on_canvas(photo, top, left, (700, 640), cv2.BORDER_CONSTANT) for photo in large]
    both = embedded_by_hand(sface, np.stack([prefiqs.align(photo).image for photo in (*large, *moved)]))
    cosines = both[: len(large)] @ both[len(large) :].T
    assert np.diag(cosines).min() > 0.9
    assert cosines[~np.eye(len(large), dtype=bool)].max() < 0.5


@pytest.mark.parametrize("degrees", [-20, 20])
def test_a_tilted_face_is_turned_upright(photos, sface, degrees):
    large = [enlarged(photo, 3) for photo in photos]
    turn = cv2.getRotationMatrix2D((138, 168), degrees, 1)
    tilted = [cv2.warpAffine(photo, turn, (276, 336), borderMode=cv2.BORDER_REPLICATE) for photo in large]
    faces, turned = ([prefiqs.align(photo) for photo in photos] for photos in (large, tilted))
    for face, other in zip(faces, turned, strict=True):
        expected = face.landmarks @ turn[:, :2].T + turn[:, 2]
        assert np.abs(other.landmarks - expected).max() < 0.07 * 276
    both = embedded_by_hand(sface, np.stack([face.image for face in (*faces, *turned)]))
    assert (both[: len(large)] * both[len(large) :]).sum(1).min() > 0.8


def test_the_largest_face_comes_first(photos):
    canvas = np.full((200, 320, 3), 128, np.uint8)
    canvas[40:152, 20:112] = photos[1]
    canvas[16:184, 150:288] = enlarged(photos[0], 1.5)
    first, second = prefiqs.align(canvas, all_faces=True)
    assert first.box[2] * first.box[3] > second.box[2] * second.box[3]
    assert (first.landmarks[:, 0] > 150).all()
    assert (second.landmarks[:, 0] < 112).all()
    largest = prefiqs.align(canvas)
    np.testing.assert_array_equal(largest.image, first.image)
    assert largest.faces == first.faces == second.faces == 2
    assert len(prefiqs.align(photos[0], all_faces=True)) == 1


def test_the_transform_brings_landmarks_onto_the_template():
    """Five white dots, at the template turned, enlarged and moved; after alignment they lie on the template."""
    angle = np.deg2rad(25)
    turn = 2.5 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    landmarks = ARCFACE_TEMPLATE @ turn.T + [200, 40]
    photo = np.zeros((480, 480, 3), np.uint8)
    for x, y in landmarks:
        cv2.circle(photo, (round(x * 16), round(y * 16)), 5 * 16, (255, 255, 255), -1, cv2.LINE_AA, shift=4)
    aligned = align_to_template(photo, landmarks)[:, :, 0].astype(float)
    rows, columns = np.mgrid[:112, :112]
    for x, y in ARCFACE_TEMPLATE:
        dot = aligned * (np.hypot(columns - x, rows - y) < 6)
        assert dot.sum() > 255
        np.testing.assert_allclose(
            [(dot * columns).sum() / dot.sum(), (dot * rows).sum() / dot.sum()], [x, y], atol=0.1
        )


def test_the_template_itself_is_not_moved():
    """A face that is aligned already stays as it is, and its edge is continued where the photo ends."""
    face = synthetic_faces(1)[0]
    np.testing.assert_array_equal(align_to_template(face, ARCFACE_TEMPLATE), face)
    moved = align_to_template(face, ARCFACE_TEMPLATE - [40, 0])
    np.testing.assert_array_equal(moved[:, 40:], face[:, :72])
    np.testing.assert_array_equal(moved[:, :40], face[:, :1].repeat(40, 1))


@pytest.mark.parametrize("landmarks", [np.full((5, 2), 50.0), np.full((5, 2), np.nan), np.full((5, 2), np.inf)])
def test_landmarks_that_fix_no_transform(landmarks):
    with pytest.raises(InputError, match="Landmarks must be finite and distinct, not"):
        align_to_template(synthetic_faces(1)[0], landmarks)


@pytest.mark.parametrize("noise", [0, 3])
def test_the_transform_is_the_least_squares_fit(noise):
    """A known similarity is found again; with noise, the fit is that of the linear system, solved by NumPy."""
    rng = np.random.default_rng(1)
    for angle, scale in zip(rng.uniform(-np.pi, np.pi, 20), rng.uniform(0.1, 10, 20), strict=True):
        source = rng.uniform(0, 1000, (5, 2))
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        known = np.array([[cos, -sin, 30], [sin, cos, -7]])
        target = source @ known[:, :2].T + known[:, 2] + noise * rng.normal(size=(5, 2))
        x, y, one, zero = *source.T, np.ones(5), np.zeros(5)
        system = np.stack([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)], 1).reshape(10, 4)
        a, b, c, d = np.linalg.lstsq(system, target.ravel())[0]
        found = similarity_transform(source, target)
        np.testing.assert_allclose(found, [[a, -b, c], [b, a, d]], atol=1e-9)
        if not noise:
            np.testing.assert_allclose(found, known, atol=1e-9)


@pytest.mark.parametrize("shape", [(112, 92), (1, 1), (3, 3000), (3000, 3), (1500, 2000)])
def test_a_photo_without_a_face(shape):
    for all_faces in (False, True):
        with pytest.raises(NoFaceFound, match=f"No face was found in this photo of {shape[1]}×{shape[0]} pixels"):
            prefiqs.align(np.full((*shape, 3), 128, np.uint8), all_faces)


@pytest.mark.parametrize(
    ("image", "got"),
    [
        (np.zeros((50, 50), np.uint8), r"uint8 \(50, 50\)"),
        (np.zeros((50, 50, 4), np.uint8), r"uint8 \(50, 50, 4\)"),
        (np.zeros((0, 50, 3), np.uint8), r"uint8 \(0, 50, 3\)"),
        (np.zeros((50, 50, 3), np.float32), r"float32 \(50, 50, 3\)"),
        ([[1, 2]], "list"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_rgb_photo(assets, image, got):
    with pytest.raises(InputError, match=f"A photo must be .*, not {got}"):
        prefiqs.align(image)


def test_files_that_are_no_photos(assets, tmp_path):
    (tmp_path / "words.jpg").write_text("no photo, only words")
    (tmp_path / "empty.jpg").touch()
    for name in ("words.jpg", "empty.jpg"):
        with pytest.raises(InputError, match=f"{name} is not an image that can be read"):
            prefiqs.align(tmp_path / name)
    for path in (tmp_path / "missing.jpg", tmp_path):
        with pytest.raises(InputError, match=f"File not found: {path}"):
            prefiqs.align(path)


def test_photos_are_read_as_rgb(tmp_path):
    pixels = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 20, 30]], [[1, 2, 3], [4, 5, 6]]], np.uint8)
    path = tmp_path / "photo with spaces ü.ppm"
    path.write_bytes(b"P6 2 3 255\n" + pixels.tobytes())
    np.testing.assert_array_equal(read_photo(path), pixels)


def test_photos_are_turned_upright(tmp_path):
    """EXIF orientation 6: the first column of the stored image is the top of the scene."""
    stored = np.zeros((40, 60, 3), np.uint8)
    stored[:, :20] = 255
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(stored).save(tmp_path / "photo.png", exif=exif)
    Image.fromarray(stored).save(tmp_path / "photo.jpg", exif=exif, quality=100)
    for name in ("photo.png", "photo.jpg"):
        photo = read_photo(tmp_path / name)
        assert photo.shape == (60, 40, 3)
        assert photo[:15].min() > 240 > 15 > photo[25:].max()


def test_faces_are_compared_by_identity_and_printed_without_pixels(photos):
    first, second = prefiqs.align(photos[0]), prefiqs.align(photos[0])
    assert first != second and len({first, second}) == 2
    x, y, width, height = first.box.round().astype(int)
    expected = f"AlignedFace(box=[{x}, {y}, {width}, {height}], confidence={first.confidence:.2f}, faces=1)"
    assert repr(first) == expected
