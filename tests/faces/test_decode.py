"""What image files hold, against the pixels that were written: depths, colour spaces, orientations and containers."""

import io
import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from pillow_heif import from_pillow

from prefiqs.errors import InputError
from prefiqs.faces.decode import PHOTO_SUFFIXES, decode_face, decode_photo
from prefiqs.faces.samples import eight_bits

Y, X = np.mgrid[:40, :60]
PHOTO = np.stack([X * 4, 255 - Y * 6, (X + Y) * 2 + 57], 2).astype(np.uint8)  # reaches from 0 to 255
GREY = PHOTO[..., 0] // 2 + PHOTO[..., 1] // 2 + 10
RGB = Image.fromarray(PHOTO)


def opencv(suffix: str, values: np.ndarray, *flags: int) -> bytes:
    return cv2.imencode(suffix, values[..., ::-1] if values.ndim == 3 else values, flags)[1].tobytes()


def pillow(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    from_pillow(image).save(file, **options) if kind == "HEIF" else image.save(file, kind, **options)
    return file.getvalue()


def difference(data: bytes, expected: np.ndarray = PHOTO) -> int:
    photo = decode_photo(data, "photo")
    assert (photo.dtype, photo.shape) == (np.uint8, (*expected.shape[:2], 3))
    return int(np.abs(photo.astype(int) - (expected if expected.ndim == 3 else expected[..., None])).max())


def png(*chunks: tuple[bytes, bytes], of: bytes | None = None) -> bytes:
    """A PNG with more chunks before its pixels."""
    data = of or pillow(RGB, "PNG")
    more = b"".join(struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    return data[:33] + more + data[33:]


def netpbm(header: str, values: np.ndarray, white: int) -> bytes:
    return header.encode() + values.astype(np.dtype(">u2" if white > 255 else "u1")).tobytes()


def tiff(values: np.ndarray, bits: int, kind: int = 1, photometric: int | None = None, **more: int) -> bytes:
    """An uncompressed TIFF by hand; `more` tags by number, such as t341=4095."""
    height, width, samples = (*values.shape, 1)[:3]
    if bits in (10, 12, 14):  # packed
        rows = ("".join(f"{int(v):0{bits}b}" for v in row) for row in values.reshape(height, -1))
        pixels = b"".join(int(row.ljust(-(-len(row) // 8) * 8, "0"), 2).to_bytes(-(-len(row) // 8)) for row in rows)
    else:
        pixels = values.tobytes()
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric or (2 if samples == 3 else 1), 273: 8,
            277: samples, 278: height, 279: len(pixels), 284: 1, 339: kind}  # fmt: skip
    tags = dict(sorted((tags | {int(name[1:]): value for name, value in more.items()}).items()))
    spots = 8 + len(pixels) + 2 + 12 * len(tags) + 4
    entries = b""
    for tag, value in tags.items():
        if tag in (258, 339) and samples > 2:
            entries += struct.pack("<HHII", tag, 3, samples, spots + (0 if tag == 258 else 2 * samples))
        else:
            entries += struct.pack("<HHII", tag, 4 if value > 65535 else 3, 1, value)
    extra = struct.pack(f"<{2 * samples}H", *[bits] * samples, *[kind] * samples)
    head = struct.pack("<4sI", b"II*\0", 8 + len(pixels))
    return head + pixels + struct.pack("<H", len(tags)) + entries + bytes(4) + extra


DEEP = PHOTO.astype(np.uint16)


@pytest.mark.parametrize(("white", "kind"), [(65535, "uint16"), (255 << 8, "uint16"), (1, "float32"), (255, "float64")])
def test_little_memory_for_deep_samples(white, kind):
    """No more than the result and some rows: nothing of the size of all rows in a wider type."""
    values = np.zeros((4000, 300, 3), kind)
    values[7] = white
    tracemalloc.start()
    converted = eight_bits(values)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 1.5 * converted.nbytes
    assert (converted[7] == 255).all() and converted.sum() == 255 * 900


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm", ".jp2"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_values_of_fewer_bits_in_16(suffix, bits):
    """Shifted, or spread over the whole range; grey ones alike."""
    spread = np.rint(PHOTO / 255 * (2**bits - 1)).astype(np.uint16)
    for values in (DEEP << (bits - 8), spread):
        assert difference(opencv(suffix, values)) == 0
        grey = opencv(".pgm" if suffix == ".ppm" else suffix, values[..., 1])
        assert difference(grey, PHOTO[..., 1]) == 0


def test_a_declared_range():
    """That of dark photos, too, which could not be told from the values."""
    dark, expected = DEEP * 4, PHOTO // 4  # a quarter of 12 bits: 10 bits by its looks
    assert difference(opencv(".png", dark)) == 0
    assert difference(png((b"sBIT", b"\x0c\x0c\x0c"), of=opencv(".png", dark)), expected) == 0
    assert difference(tiff(dark[..., 1], 16, t341=4095), expected[..., 1]) == 0
    assert difference(tiff(dark, 16, t281=4095), expected) == 0
    assert difference(netpbm("P6\n# camera\n60 40\n4095\n", dark, 4095), expected) == 0
    # Who declares the bits that count, but writes the whole range, or declares the default, declares nothing.
    assert difference(png((b"sBIT", b"\x0c\x0c\x0c"), of=opencv(".png", DEEP * 257))) == 0
    assert difference(tiff(DEEP << 4, 16, t281=65535)) == 0


@pytest.mark.parametrize("white", [1, 15, 100, 255, 256, 1000, 1023, 65535])
def test_the_white_of_netpbm(white):
    grey = np.rint(PHOTO[..., 0] / 255 * white).astype(int)
    rounded = np.rint(grey * 255 / white)
    assert difference(netpbm(f"P5 60 40 {white}\n", grey, white), rounded) <= 1
    assert difference(f"P2 60 40 {white}\n{' '.join(map(str, grey.ravel()))}\n".encode(), rounded) <= 1


@pytest.mark.parametrize("white", [1, 2, 15, 100, 254, 255, 256, 1000, 1023, 65535])
def test_every_depth_and_white_of_pam(white):
    """Colours, transparency and white, which OpenCV swaps, loses or leaves dark."""
    whole = np.rint(PHOTO / 255 * white).astype(int)
    for depth, values in {
        1: whole[..., :1], 2: whole[..., :2], 3: whole, 4: np.dstack([whole, whole[..., 1]])
    }.items():  # fmt: skip
        header = f"P7\n# by hand\nWIDTH 60\nHEIGHT 40\nDEPTH {depth}\nMAXVAL {white}\nTUPLTYPE ANY\nENDHDR\n"
        seen = np.repeat(values[..., :1], 3, 2) if depth < 3 else whole
        alpha = values[..., -1:] / white if depth in (2, 4) else 1
        expected = np.rint((seen / white * alpha + 1 - alpha) * 255)
        assert difference(netpbm(header, values, white), expected) <= 2, depth


@pytest.mark.parametrize("shift", range(9))
def test_dark_photos_of_8_bits_that_were_shifted(shift):
    """Whose largest value alone could be that of fewer bits."""
    for dark in (DEEP // 3 + 1, DEEP[..., 1] // 2 + 1):
        if shift:
            assert difference(opencv(".png", dark << shift), dark) == 0


@pytest.mark.parametrize("values", [DEEP[..., 0] * 5, DEEP[..., 0] * 21, DEEP // 3])
def test_a_range_that_cannot_be_told(values):
    for suffix in (".png", ".tif"):
        with pytest.raises(InputError, match=r"face.x has samples from \d+ to \d+; it is unknown which value"):
            decode_photo(opencv(suffix, values), "face.x")


@pytest.mark.parametrize(
    ("data", "range_"),
    [
        (opencv(".png", DEEP * 64), "14 bits"), (opencv(".png", DEEP * 4 + 1), "10 bits"),
        (opencv(".tif", DEEP), "8 bits"), (opencv(".png", DEEP << 4), "12 bits"),
        (netpbm("P6 60 40 65535\n", DEEP * 16 + 1, 65535), "12 bits"),
        (opencv(".tif", PHOTO.astype(np.float32)), "0 to 255"),
        (opencv(".png", DEEP * 257), ""), (opencv(".png", DEEP << 8), ""), (opencv(".png", PHOTO), ""),
        (opencv(".png", DEEP * 100), ""), (netpbm("P6 60 40 4095\n", DEEP * 16, 4095), ""),
        (png((b"sBIT", b"\x0c\x0c\x0c"), of=opencv(".png", DEEP * 16)), ""),
        (opencv(".pfm", PHOTO / np.float32(255)), ""),
    ],
)  # fmt: skip
def test_a_range_that_a_dark_photo_could_use_as_well_is_said(data, range_):
    """A dark photo of 16 bits is brightened, if nothing declares its range: nobody can tell it from one of fewer."""
    assumed = []
    decode_photo(data, "x", assumed=assumed)
    assert assumed == [f"range of {range_} assumed"] * bool(range_)


@pytest.mark.parametrize("white", [1, 255])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floats(white, kind):
    values = (PHOTO / 255 * white).astype(kind)
    assert difference(opencv(".tif", values)) == 0
    assert difference(opencv(".tif", values[..., 0]), PHOTO[..., 0]) == 0
    if kind == np.float32:
        assert difference(opencv(".pfm", values)) == 0
        assert difference(opencv(".pfm", values[..., 0]), PHOTO[..., 0]) == 0


@pytest.mark.parametrize("values", [PHOTO / 10, PHOTO * 4.0, PHOTO - 100.0, np.full((9, 9), np.nan)])
def test_floats_of_an_unknown_range(values):
    with pytest.raises(InputError, match="unknown which value is white"):
        decode_photo(opencv(".tif", values.astype(np.float32)), "x.tif")


GREYS = PHOTO[..., 1] / 255  # up to white


@pytest.mark.parametrize("bits", [17, 20, 24, 31])
def test_integers_of_32_bits(bits):
    """Nothing says which value is white if it has over 16 bits, unless the file does."""
    values = np.rint(GREYS * (2**bits - 1)).astype(np.int32)
    with pytest.raises(InputError, match="x has samples from .* unknown which value is white"):
        decode_photo(tiff(values, 32, 2), "x")
    assert difference(tiff(values, 32, 2, t341=2**bits - 1), PHOTO[..., 1]) <= 1
    assert difference(tiff(values >> (bits - 16), 32, 2), PHOTO[..., 1]) <= 1


def test_signed_samples():
    assert difference(tiff(np.rint(GREYS * 32767).astype(np.int16), 16, 2), PHOTO[..., 1]) == 0
    assert difference(tiff(np.rint(GREYS * 4095).astype(np.int16), 16, 2), PHOTO[..., 1]) == 0
    for more in ({}, {"t341": 32767}):
        with pytest.raises(InputError, match="unknown which value is white"):
            decode_photo(tiff((GREYS * 65535 - 32768).astype(np.int16), 16, 2, **more), "x")


@pytest.mark.parametrize(
    ("dtype", "kind"), [("i1", 2), ("u4", 1), ("u8", 1), ("i8", 2), ("f2", 3), ("u2", 4), ("c8", 6)]
)
def test_kinds_of_samples_that_cannot_be_read(dtype, kind, capfd):
    """Are refused before OpenCV prints what it thinks of them."""
    values = (GREYS * 127).astype(dtype)
    with pytest.raises(InputError, match="x has samples of a kind that cannot be read. Save it with unsigned"):
        decode_photo(tiff(values, 8 * values.itemsize, kind), "x")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_tiff_of_packed_samples(bits):
    assert difference(tiff(DEEP[..., 0] << (bits - 8), bits), PHOTO[..., 0]) == 0


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_tiff_in_which_white_is_zero(bits):
    deep = (255 - DEEP[..., 1]) << (bits - 8)
    assert difference(tiff(deep.astype(np.uint8) if bits == 8 else deep, max(bits, 8), t262=0), PHOTO[..., 1]) == 0


@pytest.mark.parametrize("tags", [{"t284": 2}, {"t262": 5}, {"t262": 8}])
def test_deep_tiff_that_would_be_read_wrong(tags):
    with pytest.raises(InputError, match="x.tif has over 8 bits per sample in CMYK, Lab"):
        decode_photo(tiff(DEEP * 257, 16, **tags), "x.tif")


@pytest.mark.parametrize("name", ["a.NEF", "b.cr3", "c.dng", "d.ARW", "mosaic.tif", "dng.tif", "preview.tif"])
def test_raw_files_of_cameras_are_refused_by_name(name):
    tags = {"preview.tif": {"t254": 1}, "mosaic.tif": {"t262": 32803}, "dng.tif": {"t50706": 1}}.get(name, {})
    what = "begins with a small preview, like raw camera files" if tags == {"t254": 1} else "is a raw camera file"
    with pytest.raises(InputError, match=f"^{name} {what}. Export it as JPEG or TIFF.$"):
        decode_photo(tiff(PHOTO, 8, **tags), name)


TINY = Image.fromarray((PHOTO // 85 * 85)[:40, :60])


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "BMP"])
@pytest.mark.parametrize("colours", [2, 16, 256])
def test_palettes_and_single_bits(kind, colours):
    image = TINY.quantize(colours)
    assert difference(pillow(image, kind, **({"bits": 4} if kind == "PNG" and colours == 16 else {})),
                      np.array(image.convert("RGB"))) == 0  # fmt: skip
    single = Image.fromarray(PHOTO[..., 1] > 99)
    for other in (kind, "PPM"):
        assert difference(pillow(single, other), (PHOTO[..., 1] > 99) * 255) == 0


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_tiff_of_few_bits(bits):
    levels = PHOTO[:, :56, 1] >> (8 - bits)
    packed = sum(levels.reshape(40, -1, 8 // bits)[..., i] << (8 - bits * (i + 1)) for i in range(8 // bits))
    data = bytearray(tiff(packed.astype(np.uint8), bits))
    start = struct.unpack_from("<I", data, 4)[0]
    struct.pack_into("<I", data, start + 2 + 8, 56)  # pixels, not bytes, in a row
    assert difference(bytes(data), np.rint(levels * (255 / (2**bits - 1)))) == 0


ALPHA = np.where(X < 30, 255, 0).astype(np.uint8)
WITH_ALPHA = np.dstack([PHOTO, ALPHA])
ON_WHITE = np.where(ALPHA[..., None] == 0, 255, PHOTO)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG2000", "AVIF", "HEIF"])
def test_what_is_transparent_is_white(kind):
    options = {"lossless": True} if kind == "WEBP" else {"quality": -1} if kind == "HEIF" else {"quality": 100}
    image = Image.fromarray(WITH_ALPHA)
    assert difference(pillow(image, kind, **options), ON_WHITE) <= (6 if kind in ("AVIF", "HEIF") else 0)


def test_transparency_of_greys_and_palettes_and_16_bits():
    grey = Image.merge("LA", [Image.fromarray(PHOTO[..., 1]), Image.fromarray(ALPHA)])
    for kind in ("PNG", "TIFF", "JPEG2000"):
        assert difference(pillow(grey, kind), ON_WHITE[..., 1]) == 0
    palette = Image.fromarray(ALPHA // 255).convert("P")
    palette.putpalette([0, 0, 0, 10, 20, 30])
    for kind in ("PNG", "GIF"):
        data = pillow(palette, kind, transparency=0)
        assert difference(data, np.where(ALPHA[..., None] > 0, [10, 20, 30], 255)) == 0
    for suffix in (".png", ".tif"):
        values = np.dstack([DEEP[..., ::-1] << 4, ALPHA.astype(np.uint16) * 257])
        assert difference(cv2.imencode(suffix, values)[1].tobytes(), ON_WHITE) == 0


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("extra", "expected"), [(0, PHOTO), (1, ON_WHITE), (2, ON_WHITE)])
def test_a_fourth_channel_of_tiff_need_not_be_transparency(bits, extra, expected):
    values = WITH_ALPHA.astype(np.uint16) * 257 if bits == 16 else WITH_ALPHA
    assert difference(tiff(values, bits, photometric=2, t338=extra), expected) == 0


@pytest.mark.parametrize(("dtype", "white"), [("u1", 255), ("u2", 65535), ("f4", 1)])
@pytest.mark.parametrize("extra", [1, 2])
def test_half_transparent_tiff(dtype, white, extra):
    """Colours that are multiplied by the fourth channel (1), or are not (2)."""
    alpha = np.broadcast_to(X[..., None] * 4 + 10, (40, 60, 1)) / 255
    values = np.dstack([PHOTO / 255 * (alpha if extra == 1 else 1), alpha]) * white
    values = (values if dtype == "f4" else np.rint(values)).astype(dtype)
    data = tiff(values, 8 * values.itemsize, 3 if dtype == "f4" else 1, photometric=2, t338=extra)
    assert difference(data, np.rint(PHOTO * alpha + 255 * (1 - alpha))) <= 2


def bmp_of_version_5(values: np.ndarray) -> bytes:
    """32 bits per pixel, with a mask for transparency."""
    height, width = values.shape[:2]
    pixels = values[::-1, :, [2, 1, 0, 3]].tobytes()
    head = struct.pack("<2sIHHI", b"BM", 138 + len(pixels), 0, 0, 138)
    info = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 32, 3, len(pixels), 0, 0, 0, 0)
    masks = struct.pack("<4I4s", 0xFF0000, 0xFF00, 0xFF, 0xFF000000, b"BGRs")
    return head + info + masks + bytes(64) + pixels


def test_what_is_transparent_everywhere_is_read_as_if_it_were_not():
    """Some programs write 32 bits per pixel and leave the last eight at 0."""
    assert difference(bmp_of_version_5(WITH_ALPHA), ON_WHITE) == 0
    hidden = np.dstack([PHOTO, np.zeros_like(ALPHA)])
    assert difference(bmp_of_version_5(hidden)) == 0
    assert difference(tiff(hidden.astype(np.uint16) * 257, 16, photometric=2)) == 0


def converted(data: bytes) -> np.ndarray:
    """By Pillow alone, from the profile in the file to sRGB."""
    image = Image.open(io.BytesIO(data))
    profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    return np.array(ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"))


def wide_profile() -> bytes:
    """sRGB with red and blue exchanged: a profile whose effect nobody can overlook."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = data.index(b"rXYZ"), data.index(b"bXYZ")
    data[red], data[blue] = data[blue], data[red]
    return bytes(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_colours_are_brought_from_their_profile_to_srgb(kind):
    data = pillow(RGB, kind, icc_profile=wide_profile(), quality=90)
    photo = decode_photo(data, "photo")
    assert np.abs(photo.astype(int)[..., ::-1] - PHOTO).mean() < 12
    if kind != "HEIF":
        np.testing.assert_allclose(photo, converted(data), atol=3)


def test_profiles_that_change_nothing_or_cannot_be_used():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = pillow(RGB, "JPEG", quality=90)
    grey_profile = srgb.replace(b"RGB XYZ", b"GRAYXYZ", 1)
    for profile in (srgb, b"no profile", srgb[:200], grey_profile):
        np.testing.assert_array_equal(
            decode_photo(pillow(RGB, "JPEG", quality=90, icc_profile=profile), "x"), decode_photo(plain, "x")
        )


def test_ordinary_photos_are_those_of_opencv():
    """Bit for bit, so that scores stay what they were."""
    for kind, image in (
        ("JPEG", RGB),
        ("JPEG", RGB.convert("L")),
        ("PNG", RGB),
        ("PNG", RGB.quantize(99)),
        ("PPM", RGB),
    ):
        data = pillow(image, kind)
        expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        np.testing.assert_array_equal(decode_photo(data, "x"), expected)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "JPEG2000"])
def test_cmyk(kind):
    cmyk = Image.fromarray(255 - np.dstack([PHOTO, np.full((40, 60), 255, np.uint8)]), "CMYK")
    assert difference(pillow(cmyk, kind, **({"quality": 100} if kind == "JPEG" else {}))) <= 8


def test_lab_and_ycbcr():
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    lab = decode_photo(pillow(to_lab.apply(RGB), "TIFF"), "x")
    assert np.abs(lab.astype(int) - PHOTO).mean() < 2
    assert difference(pillow(RGB.convert("YCbCr"), "TIFF")) <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF", "16-bit PNG", "16-bit TIFF", "RGBA PNG"]
)
def test_every_orientation(kind, orientation):
    """The camera stored a turned or mirrored PHOTO, and says so."""
    turns = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: a.swapaxes(0, 1),
             6: np.rot90, 7: lambda a: np.rot90(a, 2).swapaxes(0, 1), 8: lambda a: np.rot90(a, 3)}  # fmt: skip
    stored = np.ascontiguousarray(turns[orientation](PHOTO))
    exif = Image.Exif()
    exif[274] = orientation
    if kind == "16-bit PNG":
        deep = opencv(".png", stored.astype(np.uint16) * 257)
        data = png((b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")), of=deep)
    elif kind == "16-bit TIFF":
        data = tiff(stored.astype(np.uint16) * 257, 16, t274=orientation)
    else:
        image = Image.fromarray(stored)
        image = image.convert("RGBA") if kind == "RGBA PNG" else image
        data = pillow(image, kind.split()[-1], exif=exif.tobytes(), quality=100)
    assert np.abs(decode_photo(data, "x").astype(int) - PHOTO).mean() < 4
    assert difference(data) < 60


def test_heic_that_leaves_its_orientation_to_exif():
    exif = Image.Exif()
    exif[274] = 6
    data = pillow(Image.fromarray(np.ascontiguousarray(np.rot90(PHOTO))), "HEIF", quality=90, exif=exif.tobytes())
    turned = data.index(b"irot")
    assert np.abs(decode_photo(data, "x").astype(int) - PHOTO).mean() < 4
    data = data[:turned] + b"free" + data[turned + 4 :]
    assert np.abs(decode_photo(data, "x").astype(int) - PHOTO).mean() < 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "GIF", "AVIF", "HEIF", "JPEG2000", "BMP", "PPM"])
def test_containers(kind):
    assert np.abs(decode_photo(pillow(RGB, kind), "x").astype(int) - PHOTO).mean() < 8
    assert difference(pillow(RGB, kind, **({"quality_layers": None} if kind == "JPEG2000" else {}))) < 110


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG", "MPO", "AVIF"])
def test_of_several_images_the_first(kind):
    others = [Image.new("RGB", RGB.size, colour) for colour in ("red", "blue")]
    data = pillow(RGB, kind, save_all=True, append_images=others)
    assert np.abs(decode_photo(data, "x").astype(int) - PHOTO).mean() < 8


LONG = bytes(range(256)) * 4 * 2**10 * 9  # 9 MiB


@pytest.mark.parametrize(
    "chunk",
    [
        (b"tEXt", b"a\0" + LONG),
        (b"zTXt", b"a\0\0" + zlib.compress(bytes(2**27))),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(2**22))),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + LONG),
        (b"eXIf", b"MM\0*\0\0\0\x08\0\0" + LONG),
        (b"prVt", LONG),
        (b"iCCP", b"a\0\0" + zlib.compress(np.random.default_rng(0).bytes(2**21))),
    ],
    ids=lambda chunk: chunk[0].decode(),
)
def test_long_metadata_of_png(chunk):
    assert difference(png(chunk)) == 0


def test_long_metadata():
    jpeg = pillow(RGB, "JPEG", quality=100)
    segments = b"".join(b"\xff" + bytes([kind]) + struct.pack(">H", 60002) + LONG[:60000] for kind in [0xE1, 0xFE] * 99)
    np.testing.assert_array_equal(decode_photo(jpeg[:2] + segments + jpeg[2:], "x"), decode_photo(jpeg, "x"))
    assert difference(pillow(RGB, "TIFF", tiffinfo={700: LONG})) == 0
    assert difference(pillow(RGB, "WEBP", lossless=True, xmp=LONG)) == 0
    assert difference(b"P6\n#" + b"x" * 2**22 + b"\n60 40\n255\n" + PHOTO.tobytes()) == 0


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm", ".pgm", ".pfm", ".pam", ".jp2", ".avif", ".heic", ".jpg"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7])
def test_half_a_file_is_a_photo_or_a_sentence(suffix, share):
    """Never another exception."""
    values = {".pgm": DEEP[..., 0] * 257, ".pfm": (PHOTO / 255).astype(np.float32), ".pam": PHOTO}.get(suffix)
    if suffix in (".avif", ".heic", ".jpg"):
        data = pillow(RGB, {".avif": "AVIF", ".heic": "HEIF", ".jpg": "JPEG"}[suffix])
    else:
        data = opencv(suffix, DEEP * 257 if values is None else values)
    try:
        assert decode_photo(data[: int(len(data) * share)], "x").shape == PHOTO.shape
    except InputError as error:
        assert str(error).startswith("x is not an image that can be read.")


@pytest.mark.parametrize(
    "data",
    [
        tiff(DEEP[:1, :1] * 257, 16, t256=30_000, t257=30_000), b"P7\nWIDTH 30000\nHEIGHT 30000\nDEPTH 3\nMAXVAL 255\n",
        b"PF\n30000 30000\n-1\n", b"P5 30000 30000 65535\n",
        b"\xff\x4f\xff\x51" + struct.pack(">HHIIII", 41, 0, 30_000, 30_000, 0, 0) + bytes(18) + b"\x0f" + bytes(99),
    ],
)  # fmt: skip
def test_deep_photos_that_promise_too_much(data):
    with pytest.raises(InputError, match="x has more than 134,217,728 pixels"):
        decode_photo(data, "x")


def test_aligned_faces_alike():
    face = np.array(RGB.resize((112, 112))).astype(np.uint16)
    np.testing.assert_array_equal(decode_face(opencv(".png", face << 4), "x"), face)


def test_endings():
    assert {".heic", ".heif", ".avif", ".jp2", ".j2k", ".jpx", ".jfif", ".jpe", ".pfm", ".pam", ".mpo"} < PHOTO_SUFFIXES
