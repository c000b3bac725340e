"""Photos that are broken, odd or meant to harm: a score, or a row with one sentence."""

import struct
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import prefiqs
from prefiqs.errors import InputError
from prefiqs.faces.decode import MOST_PIXELS, read_photo
from prefiqs.faces.find import find_images
from prefiqs.faces.reader import FaceReader, Photo, prefetch

# Pillow, which reads the headers, has its own opinion; the command line does not show it.
pytestmark = [
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
    pytest.mark.filterwarnings("ignore:Corrupt EXIF data"),
]


@pytest.fixture(scope="module")
def face(assets) -> Image.Image:
    """A face of 276×336 pixels."""
    photo = read_photo(assets["orl"] / "s1" / "1.pgm")
    return Image.fromarray(cv2.resize(photo, None, fx=3, fy=3, interpolation=cv2.INTER_LINEAR))


@pytest.fixture(scope="module")
def landmarks(face) -> np.ndarray:
    return prefiqs.align(np.array(face)).landmarks


def read(path: Path, **options) -> Photo:
    (shard,) = find_images([path])
    (photo,) = map(FaceReader(**options), shard.images())
    return photo


def png_header(width: int, height: int) -> bytes:
    """A PNG whose header promises so many grey pixels; there are hardly any."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(100)))]
    data = b"\x89PNG\r\n\x1a\n"
    for kind, content in (*chunks, (b"IEND", b"")):
        data += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return data


def sixteen_bit(face, path):
    cv2.imwrite(str(path), np.array(face)[..., ::-1].astype(np.uint16) * 257)


def rotated(face, path):
    exif = Image.Exif()
    exif[274] = 6  # to be turned clockwise by a quarter
    face.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=95)


def animated(face, path):
    others = [Image.new("RGB", face.size, colour) for colour in ("red", "blue")]
    face.save(path, save_all=True, append_images=others, duration=100)


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("cmyk.jpg", lambda face, path: face.convert("CMYK").save(path, quality=95)),
        ("cmyk.tif", lambda face, path: face.convert("CMYK").save(path)),
        ("16 bit.png", sixteen_bit),
        ("16 bit.tiff", sixteen_bit),
        ("rgba.png", lambda face, path: face.convert("RGBA").save(path)),
        ("palette.png", lambda face, path: face.quantize(256).save(path)),
        ("grey and alpha.png", lambda face, path: face.convert("LA").save(path)),
        ("animated.gif", animated),
        ("animated.webp", animated),
        ("animated.png", animated),
        ("rotated.jpg", rotated),
        ("Großmutter – 祖母.jpeg", lambda face, path: face.save(path, quality=95)),
    ],
)
def test_odd_photos_of_a_face_are_that_face(face, landmarks, tmp_path, name, save):
    save(face, tmp_path / name)
    photo = read(tmp_path / name)
    assert photo.reason == ""
    assert np.abs(photo.faces[0].landmarks - landmarks).max() < 3
    difference = np.abs(photo.faces[0].image.astype(int) - prefiqs.align(np.array(face)).image)
    assert difference.mean() < 8  # palettes and moved landmarks; a wrong colour or bit depth is at 40 and more


def twelve_bit(face: Image.Image) -> bytes:
    """By its header alone."""
    data = bytearray(encoded(face, ".jpg"))
    data[data.index(b"\xff\xc0") + 4] = 12
    return bytes(data)


NO_IMAGE = "is not an image that can be read"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("zero.jpg", lambda face: b"", NO_IMAGE),
        ("words.png", lambda face: b"no photo, only words" * 99, NO_IMAGE),
        ("pickle.jpg", lambda face: b"\x80\x04cos\nsystem\n", NO_IMAGE),
        ("svg.jpg", lambda face: b'<svg xmlns="http://www.w3.org/2000/svg"/>', NO_IMAGE),
        ("a.jxl", lambda face: b"\xff\n\tA$\x08\x04\x01\x00\xcc", "a.jxl is a JPEG XL image, .* as JPEG or PNG"),
        ("b.jpg", lambda face: b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99), "b.jpg is a JPEG XL image"),
        ("12.jpg", lambda face: twelve_bit(face), "12.jpg is a JPEG of 12 bits per sample, .* Save it with 8 bits"),
        ("one.png", lambda face: encoded(Image.new("RGB", (1, 1))), "No face was found in this photo of 1×1"),
        ("wide.png", lambda face: encoded(Image.new("L", (20_000, 30))), "No face .* 20000×30"),
        ("high.png", lambda face: encoded(Image.new("L", (3, 20_000))), "No face .* 3×20000"),
        ("constant.png", lambda face: encoded(Image.new("RGB", (300, 300), "white")), "No face was found"),
        (
            "large.png",
            lambda face: png_header(20_000, 8_000),
            "large.png has more than 134,217,728 pixels. Make it smaller",
        ),
        (
            "bomb.png",
            lambda face: png_header(2**30, 2**30),
            "bomb.png has more than 134,217,728 pixels. Make it smaller",
        ),
        ("header.ppm", lambda face: b"P6 2x 3 255\n" + bytes(18), NO_IMAGE),
        ("hollow.png", lambda face: png_header(500, 500), NO_IMAGE),
    ],
)
def test_photos_without_a_score(face, tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content(face))
    photo = read(tmp_path / name)
    assert not photo.faces
    assert_one_sentence(photo.reason, reason)


def encoded(image: Image.Image, kind: str = ".png") -> bytes:
    return cv2.imencode(kind, np.array(image.convert("RGB"))[..., ::-1])[1].tobytes()


def assert_one_sentence(reason: str, pattern: str) -> None:
    assert reason.endswith(".") and "\n" not in reason
    with pytest.raises(InputError, match=pattern):
        raise InputError(reason)


@pytest.mark.parametrize("kind", [".jpg", ".png", ".webp", ".tiff", ".bmp", ".ppm", ".gif"])
@pytest.mark.parametrize("share", [0.3, 0.95])
def test_truncated_photos(face, tmp_path, kind, share):
    """Never the grey that some readers put where bytes are missing."""
    data = encoded(face, kind)
    (tmp_path / f"whole{kind}").write_bytes(data)
    (tmp_path / f"cut{kind}").write_bytes(data[: int(share * len(data))])
    assert read(tmp_path / f"whole{kind}").reason == ""
    assert_one_sentence(read(tmp_path / f"cut{kind}").reason, NO_IMAGE)


def test_a_bomb_is_not_decoded(tmp_path):
    """40 kB that promise 120 MB of pixels, and hold them."""
    width = MOST_PIXELS // 1000 + 1
    row = zlib.compressobj(9)
    data = b"".join(row.compress(bytes(1 + width)) for _ in range(1000)) + row.flush()
    content = png_header(width, 1000)
    cut = content.index(b"IDAT") - 4
    chunk = struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    (tmp_path / "bomb.png").write_bytes(content[:cut] + chunk)
    tracemalloc.start()
    reason = read(tmp_path / "bomb.png").reason
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert_one_sentence(reason, f"more than {MOST_PIXELS:,} pixels")
    assert peak < 5e6


def test_places_without_a_photo(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (shard,) = find_images([tmp_path])
    (photo,) = map(FaceReader(), shard.images())
    assert_one_sentence(photo.reason, "File not found: .*a.jpg")
    (tmp_path / "nowhere.jpg").write_bytes(b"x")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert_one_sentence(read(tmp_path / "a.jpg").reason, "Cannot read .*a.jpg: permission denied")


def test_aligned_faces_must_have_their_size(face, tmp_path):
    (tmp_path / "large.png").write_bytes(encoded(face))
    (tmp_path / "right.png").write_bytes(encoded(face.resize((112, 112))))
    large, right = (read(tmp_path / name, aligned=True) for name in ("large.png", "right.png"))
    assert_one_sentence(large.reason, "large.png has 276×336 pixels, but aligned faces have 112×112")
    assert right.reason == "" and np.isnan(right.faces[0].box).all()
    np.testing.assert_array_equal(right.faces[0].image, face.resize((112, 112)))
    with pytest.raises(InputError, match="--aligned cannot be combined with --all-faces"):
        FaceReader(aligned=True, all_faces=True)


def test_photos_in_threads_are_not_mixed_up(face, tmp_path):
    """Photos of different sizes, many at once: each thread has a detector of its own."""
    paths = []
    for i in range(24):
        paths.append(tmp_path / f"{i:02}.png")
        face.resize((200 + 17 * (i % 5), 250 + 13 * (i % 7))).save(paths[-1])
    (shard,) = find_images(paths)
    for path, photo in zip(paths, prefetch(FaceReader(), shard.images(), 8, 100), strict=True):
        np.testing.assert_array_equal(photo.faces[0].box, prefiqs.align(path).box)
