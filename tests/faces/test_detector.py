"""YuNet in OpenVINO: equal to OpenCV's own detector, the same in every thread; turned, small and many faces."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image

import prefiqs
from prefiqs.faces import decode, detector
from prefiqs.faces.align import align_photo
from prefiqs.faces.decode import EncodedPhoto, decode_photo, read_photo
from prefiqs.faces.detector import detect, distinct


@pytest.fixture(scope="module")
def photos(assets) -> list[np.ndarray]:
    """A photo each of six people, 276×336 pixels."""
    found = [read_photo(assets["orl"] / f"s{person}" / "1.pgm") for person in range(1, 7)]
    return [cv2.resize(photo, None, fx=3, fy=3) for photo in found]


def large_photo(height: int, width: int) -> np.ndarray:
    """Soft spots of light, in which there is no face."""
    spots = np.random.default_rng(0).integers(60, 190, (12, 16, 3), np.uint8)
    return cv2.resize(spots, (width, height), interpolation=cv2.INTER_CUBIC)


def put(scene: np.ndarray, photo: np.ndarray, x: int, y: int, width: int) -> None:
    """A photo of which the face takes 0.8 of the width, in its upper left corner."""
    small = cv2.resize(photo, (width, round(width * 336 / 276)), interpolation=cv2.INTER_AREA)
    scene[y : y + small.shape[0], x : x + width] = small


@pytest.fixture(scope="module")
def group(photos) -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    """Twelve people in 12 megapixels, whose faces are 120 to 560 pixels wide."""
    widths = [150, 160, 170, 180, 200, 220, 240, 260, 340, 440, 600, 700]
    places = [(150 + 950 * (i % 4), 60 + 980 * (i // 4), width) for i, width in enumerate(widths)]
    scene = large_photo(3000, 4000)
    for i, (x, y, width) in enumerate(places):
        put(scene, photos[i % 6], x, y, width)
    return scene, places


def people_found(faces, places) -> list[int]:
    """How many faces have their nose in each place."""
    noses = [face.landmarks[2] for face in faces]
    return [sum(x < nx < x + w and y < ny < y + w * 336 / 276 for nx, ny in noses) for x, y, w in places]


@pytest.mark.parametrize("size", [(512, 512), (640, 480), (480, 640), (640, 640), (1024, 768)])
def test_faces_are_those_of_opencv(assets, photos, size):
    """Which decodes the same network's outputs by itself; its input is then of the same size."""
    scene = large_photo(size[1], size[0])
    put(scene, photos[0], 30, 20, 200)
    put(scene, photos[1], 240, 200, 60)
    put(scene, photos[2], 320, 200, 140)
    yunet = cv2.FaceDetectorYN.create(str(assets["yunet"]), "", size, score_threshold=0.6)
    expected = yunet.detect(cv2.cvtColor(scene, cv2.COLOR_RGB2BGR))[1]
    found = detect(scene)
    assert len(found) == len(expected) >= 3
    order = np.argsort(found[:, 0]), np.argsort(expected[:, 0])
    np.testing.assert_allclose(found[order[0]], expected[order[1]], atol=0.01)


def test_the_same_bits_in_every_thread_and_for_any_number_of_cores(photos, monkeypatch):
    expected = [detect(photo).tobytes() for photo in photos]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda photo: detect(photo).tobytes(), photos * 4)) == expected * 4
    for cores in (1, 3):
        monkeypatch.setattr(detector.os, "cpu_count", lambda cores=cores: cores)
        detector._compiled.cache_clear()
        assert [detect(photo).tobytes() for photo in photos] == expected
    detector._compiled.cache_clear()


FIRST_PHOTOS = """
import sys, threading
import numpy as np
from prefiqs.faces import detector
sys.setswitchinterval(1e-6)
start, request = threading.Barrier(8), detector._request
def together(*given):
    own = request(*given)
    start.wait()
    return own
detector._request = together
threads = [threading.Thread(target=detector.detect, args=(np.zeros((128, 512, 3), np.uint8),)) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.mark.long
def test_no_thread_waits_for_ever_at_the_first_photos():
    """Of a process: half of the processes did, as threads exchanged their first arrays with OpenVINO at once."""
    runs = [subprocess.Popen([sys.executable, "-c", FIRST_PHOTOS]) for _ in range(6)]
    try:
        assert [run.wait(60) for run in runs] == [0] * 6
    finally:
        for run in runs:
            run.kill()
            run.wait()


@pytest.mark.long
def test_each_shape_of_the_input_is_compiled_once():
    detector._compiled.cache_clear()
    photos = [large_photo(*shape) for side in (512, 640) for part in range(1, 5)
              for shape in {(side, side * part // 4), (side * part // 4, side)}]  # fmt: skip
    photos += [large_photo(1024, 256 * part) for part in range(1, 5)]
    for photo in photos * 2:
        detect(photo)
    assert detector._compiled.cache_info().misses == len(photos) == 18


def test_overlapping_faces_are_one():
    faces = np.zeros((4, 15))
    faces[:, :4] = [[0, 0, 100, 100], [30, 30, 20, 20], [-200, -200, 500, 500], [70, 0, 60, 100]]
    np.testing.assert_array_equal(distinct(faces), faces[[0, 3]])
    assert distinct(np.empty((0, 15))).shape == (0, 15)


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("factor", [1 / 3, 1, 3])
def test_a_face_that_lies_or_stands_on_its_head(photos, turns, factor):
    """The crop is that of the upright photo, and so are the places, in pixels of the turned one."""
    for photo in photos:
        upright = cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        face, turned = prefiqs.align(upright), prefiqs.align(np.rot90(upright, turns).copy())
        (height, width), points = upright.shape[:2], face.landmarks
        corners = np.array([face.box[:2], face.box[:2] + face.box[2:]])
        for _ in range(turns):  # to the left: (x, y) becomes (y, width − 1 − x)
            points, corners = ([[y, width - 1 - x] for x, y in some] for some in (points, corners))
            height, width = width, height
        np.testing.assert_allclose(turned.landmarks, points, atol=0.1)
        np.testing.assert_allclose(turned.box[:2], np.min(corners, axis=0), atol=0.2)
        np.testing.assert_allclose(turned.box[2:], np.ptp(corners, axis=0), atol=0.2)
        assert turned.faces == 1
        assert np.abs(turned.image.astype(int) - face.image).mean() < 1


@pytest.mark.parametrize("turns", [1, 3])
def test_a_small_face_in_a_photo_that_lies_on_its_side(photos, turns):
    """Too small for the first look: of 80 pixels in 1200."""
    for photo in photos[:3]:
        scene = large_photo(900, 1200)
        put(scene, photo, 600, 300, 80)
        upright, turned = prefiqs.align(scene), prefiqs.align(np.rot90(scene, turns).copy())
        assert people_found([upright], [(600, 300, 80)]) == [1]
        points, (height, width) = upright.landmarks, scene.shape[:2]
        for _ in range(turns):  # to the left: (x, y) becomes (y, width − 1 − x)
            points, height, width = np.array([[y, width - 1 - x] for x, y in points]), width, height
        assert np.linalg.norm(turned.landmarks - points, axis=1).mean() < 3
        assert turned.faces == 1


@pytest.mark.parametrize(("x", "y"), [(40, 50), (1977, 1433), (3900, 2900)])
def test_a_small_face_in_a_large_photo(photos, x, y):
    """Of 40 pixels in 4000."""
    scene = large_photo(3000, 4000)
    put(scene, photos[0], x, y, 50)
    face = prefiqs.align(scene)
    assert people_found([face], [(x, y, 50)]) == [1]
    small = cv2.resize(photos[0], (50, 61), interpolation=cv2.INTER_AREA)
    alone = prefiqs.align(small).landmarks + [x, y]
    assert np.linalg.norm(face.landmarks - alone, axis=1).mean() < 2.5


def test_everybody_in_a_group(group):
    scene, places = group
    faces = prefiqs.align(scene, all_faces=True)
    assert people_found(faces, places) == [1] * 12
    assert len(faces) == 12
    largest = prefiqs.align(scene)
    np.testing.assert_array_equal(largest.image, faces[0].image)
    assert people_found([largest], places)[-1] == 1


def test_a_group_of_small_faces(photos):
    """No face is large enough for the first look."""
    scene = large_photo(3000, 4000)
    places = [(200 + 700 * i, 300 + 400 * j, 150 + 10 * i) for i in range(5) for j in range(6)]
    for i, (x, y, width) in enumerate(places):
        put(scene, photos[i % 6], x, y, width)
    assert people_found(prefiqs.align(scene, all_faces=True), places) == [1] * 30


@pytest.fixture
def decoded(monkeypatch) -> list[int]:
    """How much each decoding reduced its photo."""
    seen, imdecode = [], cv2.imdecode

    def watched(data, flag):
        seen.append({flag: reduction for reduction, flag in decode._REDUCED.items()}[flag])
        return imdecode(data, flag)

    monkeypatch.setattr(decode.cv2, "imdecode", watched)
    return seen


def jpeg(photo: np.ndarray, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    file = decode.BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


@pytest.mark.parametrize(
    ("width", "reductions"),
    [(2000, [8]), (1000, [8]), (600, [8, 4]), (300, [8, 4, 2]), (150, [8, 4, 2, 1]), (50, [8, 4, 2, 1])],
)
def test_a_large_photo_is_decoded_no_larger_than_its_face_needs(photos, tmp_path, decoded, width, reductions):
    scene = large_photo(3000, 4000)
    put(scene, photos[0], 1210, 333, width)
    (tmp_path / "photo.jpg").write_bytes(jpeg(scene))
    face = prefiqs.align(tmp_path / "photo.jpg")
    assert decoded == reductions
    whole = prefiqs.align(scene)
    scale = 35 / np.linalg.norm(whole.landmarks[0] - whole.landmarks[1])
    assert scale * np.linalg.norm(face.landmarks - whole.landmarks, axis=1).mean() < 1.5
    assert face.outside == pytest.approx(whole.outside, abs=0.01)
    assert np.abs(face.image.astype(int) - whole.image).mean() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_reduced_photos_lie_on_the_pixels_of_the_whole(orientation):
    photo = cv2.GaussianBlur(large_photo(480, 640), (0, 0), 8)
    data = jpeg(photo, orientation)
    whole = decode_photo(data, "photo.jpg")
    for longer_side, expected in ((80, 8), (81, 4), (300, 2), (320, 2), (321, 1), (9999, 1)):
        reduced, reduction = EncodedPhoto(data, "photo.jpg")(longer_side)
        assert reduction == expected
        assert tuple(extent * reduction for extent in reduced.shape[:2]) == whole.shape[:2]
        averaged = cv2.resize(whole, reduced.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(averaged.astype(int) - reduced).max() < 12


def test_what_is_decoded_in_full(tmp_path):
    """Sides that no reduction divides, and formats that cannot be reduced."""
    for shape, expected in (((1001, 1600), 1), ((1002, 1600), 2), ((1004, 1600), 4)):
        assert EncodedPhoto(jpeg(large_photo(*shape)), "photo.jpg")(100)[1] == expected
    for ending in (".png", ".bmp", ".webp", ".ppm"):
        data = cv2.imencode(ending, large_photo(800, 1600))[1].tobytes()
        assert EncodedPhoto(data, f"photo{ending}")(100)[1] == 1


def test_pixels_that_a_photo_brings_itself(photos):
    """Anything that gives pixels of at least the longer side that is asked for."""
    asked = []

    def pixels(longer_side):
        asked.append(longer_side)
        return photos[0], 1

    (face,) = align_photo(pixels)
    np.testing.assert_array_equal(face.image, prefiqs.align(photos[0]).image)
    assert asked[0] == 426 and 100 < asked[-1] < 150  # the face is three times as large as its crop
