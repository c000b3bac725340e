"""From the bytes of an image file to pixels in sRGB: OpenCV for what it does right, Pillow for all else."""

import re
from contextlib import suppress
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps
from PIL.ImageFile import ImageFile

from prefiqs.errors import InputError
from prefiqs.faces.samples import Samples, deep_samples, eight_bits, pam_values, slim_png
from prefiqs.faces.template import FACE_SIZE
from prefiqs.io.atomic import require_file

# Photos in folders and archives are recognised by these endings, in lower case.
PHOTO_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".bmp", ".dib", ".webp", ".gif", ".tif", ".tiff",
    ".heic", ".heif", ".hif", ".avif", ".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc",
    ".pbm", ".pgm", ".ppm", ".pnm", ".pam", ".pfm",
})  # fmt: skip
# Readers of TIFF would take the small preview in most of these for the photo.
_RAW_SUFFIXES = frozenset({
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos", ".mrw",
    ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
})  # fmt: skip
MOST_PIXELS = 2**27  # of a photo: finding faces in so many takes 1.7 GB, or up to 3 GB with over 8 bits per sample
_RGB = cv2.IMREAD_COLOR_RGB  # combines with the flags for reduced images that are grey
_REDUCED = {
    1: _RGB,
    2: _RGB | cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: _RGB | cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: _RGB | cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
_PLAIN = ("JPEG", "MPO", "PNG", "WEBP", "BMP")
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "PPM", "GIF", "TIFF", "AVIF", "JPEG2000")  # others may run a program
_REFUSED = {
    "a JPEG XL image, which is not supported. Save it as JPEG or PNG": re.compile(rb"\xff\x0a|\0\0\0\x0cJXL "),
    "a JPEG of 12 bits per sample, which is not supported. Save it with 8 bits": re.compile(
        rb"(?s)\xff\xd8.{,99999}?\xff[\xc0-\xc2]..\x0c"  # the marker of a frame, its length, and the bits
    ),
}
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

_SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK"}  # Pillow's modes, and what ICC calls them
_SRGB = ImageCms.createProfile("sRGB")


def read_photo(path: Path) -> np.ndarray:
    """Read a photo as `decode_photo` does; `InputError` if it is not an image."""
    return decode_photo(read_file(path), str(path))


def read_file(path: Path) -> bytes:
    """The bytes of a file; `InputError` if there is none (a pipe or a folder is none either)."""
    require_file(path)
    return path.read_bytes()


class EncodedPhoto:
    """A photo that is decoded as large as needed: a JPEG also at 1/2, 1/4 or 1/8, several times as fast."""

    def __init__(self, data: bytes | bytearray, name: str, assumed: list[str] | None = None):
        self._decoded = lru_cache(partial(decode_photo, data, name, assumed=assumed))
        self._longer, self._reductions = 0, list[int]()
        with suppress(Exception), _open(bytes(data)) as image:
            if image.format in ("JPEG", "MPO") and _is_plain(image):
                # What divides both sides: then each pixel covers as many whole ones, however it is turned.
                self._reductions = [r for r in (8, 4, 2) if not any(side % r for side in image.size)]
                self._longer = max(image.size)

    def __call__(self, longer_side: float) -> tuple[np.ndarray, int]:
        """The photo (see `decode_photo`) and its reduction, the largest that leaves its longer side `longer_side`."""
        reduction = next((r for r in self._reductions if self._longer >= r * longer_side), 1)
        return self._decoded(reduction), reduction


def decode_photo(
    data: bytes | bytearray, name: str, reduction: int = 1, assumed: list[str] | None = None
) -> np.ndarray:
    """Decode the first image of a file to uint8 RGB h×w×3, upright, in sRGB; what is transparent becomes white.

    More than 8 bits per sample are scaled to 8, from the range that is declared or, failing that, used. reduction: 1,
    or one that `EncodedPhoto` finds possible. assumed: takes, in words, the range that was used, if a dark photo could
    use it as well.

    Raises `InputError` for no image, over `MOST_PIXELS`, a camera's raw file, or samples of an unknown range.
    """
    try:
        if Path(name).suffix.lower() in _RAW_SUFFIXES:
            raise InputError("is a raw camera file. Export it as JPEG or TIFF.")
        return _decode(slim_png(bytes(data)) if data.startswith(b"\x89PNG") else bytes(data), reduction, assumed)
    except InputError as error:
        raise InputError(f"{name} {error}") from error
    except Exception as error:  # Pillow and OpenCV can raise anything for a file that is damaged, or not an image's
        kind = next((kind for kind, start in _REFUSED.items() if start.match(data)), "not an image that can be read")
        raise InputError(f"{name} is {kind}.") from error


def decode_face(data: bytes | bytearray, name: str, assumed: list[str] | None = None) -> np.ndarray:
    """Decode a face that is aligned already, uint8 RGB 112×112×3; `InputError` for any other size."""
    face = decode_photo(data, name, assumed=assumed)
    height, width = face.shape[:2]
    if (height, width) != (FACE_SIZE, FACE_SIZE):
        raise InputError(f"{name} has {width}×{height} pixels, but aligned faces have {FACE_SIZE}×{FACE_SIZE}.")
    return face


def _decode(data: bytes, reduction: int, assumed: list[str] | None) -> np.ndarray:
    # A few bytes can claim billions of pixels, for which decoders allocate memory before they look at them, so the
    # header is read first.
    if deep := deep_samples(data):
        _check_size(deep.width, deep.height)
        return _decode_deep(data, deep, assumed)
    with _open(data) as image:
        _check_size(*image.size)
        profile = image.info.get("icc_profile") or b""
        if _is_plain(image):
            # OpenCV turns these upright, and scores were always made from its decoding of them. In memory: cv2.imread
            # cannot open every path on every system and prints instead of raising.
            photo = _opencv(data, _REDUCED[reduction])
            if not profile:
                return photo
            return np.array(_to_srgb(Image.fromarray(photo[..., 0] if image.mode == "L" else photo), profile))
        image.load()
        upright: Image.Image = image
        with suppress(Exception):  # damaged metadata
            upright = ImageOps.exif_transpose(image)
        return _on_white(upright, profile)


def _is_plain(image: ImageFile) -> bool:
    return image.format in _PLAIN and image.mode in ("1", "L", "P", "RGB") and not image.has_transparency_data


def _open(data: bytes) -> ImageFile:
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS and b"avif" not in data[8:64]:
        from pi_heif import HeifImageFile  # which takes a while

        image = HeifImageFile(BytesIO(data))  # turned as the file asks for
        if not (b"irot" in data or b"imir" in data):  # it does not: there are writers that leave it to EXIF
            image.getexif()[274] = image.info.get("original_orientation") or 1
        return image
    try:
        return Image.open(BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError:
        _check_size(MOST_PIXELS, MOST_PIXELS)
        raise


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise InputError(f"has more than {MOST_PIXELS:,} pixels. Make it smaller.")


def _opencv(data: bytes, flag: int) -> np.ndarray:
    """The image h×w, h×w×3 or h×w×4, in BGR(A) or as the flag says; raises what OpenCV does for what it refuses."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    if image is None:
        raise cv2.error("no image")
    return image


def _decode_deep(data: bytes, deep: Samples, assumed: list[str] | None) -> np.ndarray:
    values = pam_values(data) if data.startswith(b"P7") else _opencv(data, cv2.IMREAD_UNCHANGED)
    colours = eight_bits(values if values.ndim == 2 else values[..., 2::-1], deep.declared, assumed)
    transparent = values.ndim == 3 and values.shape[2] == 4 and deep.mode != "RGBX"
    alpha = eight_bits(values[..., 3], deep.declared) if transparent else None
    del values  # which can be most of the memory
    image = Image.fromarray(np.invert(colours, out=colours) if deep.inverted else colours)
    del colours
    if alpha is not None:
        image = Image.merge(deep.mode, (*image.split(), Image.fromarray(alpha))).convert("RGBA")
    image.getexif()[274] = deep.orientation
    ImageOps.exif_transpose(image, in_place=True)
    return _on_white(image, deep.profile)


def _on_white(image: Image.Image, profile: bytes) -> np.ndarray:
    if not image.has_transparency_data:
        return np.array(_to_srgb(image, profile))
    alpha = image.convert("RGBA").getchannel("A")
    opaque = _to_srgb(image.convert("L" if image.mode == "LA" else "RGB"), profile)
    if not alpha.getbbox():  # writers of BMP leave it zero
        return np.array(opaque)
    return np.array(Image.composite(opaque, Image.new("RGB", image.size, "white"), alpha))


def _to_srgb(image: Image.Image, profile: bytes = b"") -> Image.Image:
    """An image as RGB, converted from its ICC profile or its mode; `InputError`, with the end of a sentence, if it
    has over 8 bits per sample. A profile that is damaged, or of another kind than the image, is ignored."""
    if image.mode in ("I", "F") or ";" in image.mode:
        raise InputError("has samples of a kind that cannot be read. Save it with 8 bits.")
    if image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("RGB")
    transform = _transform(profile, image.mode) if profile or image.mode == "LAB" else None
    return transform.apply(image) if transform else image.convert("RGB")


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What brings a profile to sRGB; None if that changes no colour by more than 2 of 255."""
    if mode == "LAB":
        return ImageCms.buildTransform(ImageCms.createProfile("LAB"), _SRGB, mode, "RGB")
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if source.profile.xcolor_space != _SPACES[mode]:
            return None
        transform = ImageCms.buildTransform(source, _SRGB, mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    grid = np.stack(np.meshgrid(*[levels] * len(mode)), -1).reshape(1, -1, len(mode)).squeeze(-1 if mode == "L" else ())
    colours = Image.fromarray(grid, mode)
    moved = np.asarray(transform.apply(colours), int)
    return transform if np.abs(moved - np.asarray(colours.convert("RGB"))).max() > 2 else None
