"""Images with more than 8 bits per sample: what their headers declare, and how they become 8 bits."""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from prefiqs.errors import InputError

_LONG = 2**19
_BAND = 64  # rows
_GAP = rb"(?:\s|#[^\n]*\n)+"
_NETPBM = re.compile(rb"P[2356]" + _GAP + rb"(\d+)" + _GAP + rb"(\d+)" + _GAP + rb"(\d+)\s|P[Ff]\s+(\d+)\s+(\d+)\s")
_TIFF_KINDS = {(2, 16), (2, 32), (3, 32), (3, 64)}  # by format and bits, besides the usual one
_PAM_CHANNELS = {1: [0, 0, 0], 2: [0, 0, 0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}  # in OpenCV's order, by DEPTH


@dataclass(frozen=True)
class Samples:
    """What a header says: sides in pixels; the `declared` value of white, 0 if there is none (`inverted`: of black);
    the ICC `profile`; the EXIF `orientation` that the decoder does not apply; and the `mode` of four channels in
    Pillow: RGBX if the fourth is to be ignored, RGBa if the colours are multiplied by it."""

    width: int
    height: int
    declared: float = 0
    inverted: bool = False
    profile: bytes = b""
    orientation: int = 1
    mode: str = "RGBA"


def deep_samples(data: bytes) -> Samples | None:
    """What is declared of an image that has over 8 bits per sample, or is a PAM or PFM; None for all others.

    Raises `InputError`, with the end of a sentence, for a raw file or samples that would be read wrong.
    """
    if data.startswith(b"\x89PNG"):
        return _png(data) if data[24] == 16 else None
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff(data)
    if data[4:8] == b"jP  " or data.startswith(b"\xff\x4f\xff\x51"):
        return _jpeg2000(data)
    if data.startswith(b"P7\n"):
        (width, height, _, white), _ = _pam(data)
        return Samples(width, height, white)
    if (found := _NETPBM.match(data)) and not (found[3] and int(found[3]) < 256):
        width, height, white = [*(int(number) for number in found.groups() if number), 0][:3]
        return Samples(width, height, white)
    return None


def eight_bits(values: np.ndarray, declared: float = 0, assumed: list[str] | None = None) -> np.ndarray:
    """Samples of any type as uint8 of the same shape; white is `declared`, or (0) the top of the range that is used.

    That is 8, 10, 12, 14 or 16 bits (of int16, 15) if the top bit is in use, or 8 bits that were shifted; of floats, 1
    or 255. Raises `InputError`, with the end of a sentence, if it cannot be told. assumed: takes the range that is
    used, in words, if it is smaller than that of the type, so that a dark photo may have been brightened.
    """
    assumed = [] if assumed is None else assumed
    most, least = values.max(), values.min()
    unknown = InputError(f"has samples from {least:.6g} to {most:.6g}; it is unknown which value is white. "
                         "Save it with 8 bits.")  # fmt: skip
    if values.dtype.kind == "f":
        white = declared if declared >= most else 1 if most <= 1.1 else 255 if 128 <= most <= 255 else 0
        if not (white and least >= -0.1 * white):  # 10 % for what resampling overshoots
            raise unknown
        assumed += ["range of 0 to 255 assumed"] * (white == 255 != declared)
        return _by_bands(lambda band: np.rint(band.clip(0, white) * (255 / white)), values)
    usual = declared >= 65535 and most < 2**16  # which says nothing
    if usual or not declared or most > declared or least < 0:
        top = 15 if values.dtype == np.int16 else 16
        used = int(np.bitwise_or.reduce(values, None))
        shifted = (used & -used).bit_length() - 1  # by so many bits are all samples
        eight = least >= 0 and 0 < shifted <= 8 and used >> shifted < 256
        bits = 8 + shifted if eight else next((bits for bits in (8, 10, 12, 14) if most < 2**bits), top)
        if not eight and (least < 0 or most >= 2**bits or (0 < most < 2 ** (bits - 1) and bits < top)):
            raise unknown
        assumed += [f"range of {bits} bits assumed"] * (bits < 8 * values.itemsize)
        declared = 2**bits - 1
    if not 255 <= declared < 2**16:
        return _by_bands(lambda band: np.rint(band * (255 / declared)), values)
    levels = int(declared) + 1
    return _by_bands(lambda band: band.astype(np.uint32) * 256 // levels, values)  # of whole bits: the highest 8


def _by_bands(convert: Callable[[np.ndarray], np.ndarray], values: np.ndarray) -> np.ndarray:
    """Convert to uint8 some rows at a time: what lies between has several times as many bytes."""
    converted = np.empty(values.shape, np.uint8)
    for row in range(0, len(values), _BAND):
        converted[row : row + _BAND] = convert(values[row : row + _BAND])
    return converted


def slim_png(data: bytes) -> bytes:
    """A PNG without texts and the like, nor metadata so long that libraries refuse the file; else the same bytes."""
    kept = [
        whole for kind, content, whole in _png_chunks(data)
        if kind[:1].isupper() or kind in (b"acTL", b"fcTL", b"fdAT")
        or (kind in (b"tRNS", b"iCCP", b"eXIf", b"sBIT") and len(content) < _LONG)
    ]  # fmt: skip
    return data if sum(map(len, kept)) + 8 == len(data) else b"".join([data[:8], *kept])


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes | memoryview, bytes | memoryview]]:
    """Kind, content and the whole of each chunk; the last may be cut short."""
    view, start = memoryview(data), 8
    while start + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        yield kind, view[start + 8 : start + 8 + length], view[start : start + 12 + length]
        start += 12 + length


def _png(data: bytes) -> Samples:
    with Image.open(BytesIO(data), formats=["PNG"]) as image:
        significant = next((bytes(content) for kind, content, _ in _png_chunks(data) if kind == b"sBIT"), b"")
        declared = 2 ** max(significant) - 1 if significant else 0
        profile, orientation = image.info.get("icc_profile", b""), image.getexif().get(274, 1)
        return Samples(image.width, image.height, declared, False, profile, orientation)


def _tiff(data: bytes) -> Samples | None:
    file = BytesIO(data)
    tags = ImageFileDirectory_v2(file.read(16 if 43 in data[2:4] else 8))
    file.seek(tags.next)
    tags.load(file)
    photometric, samples = tags.get(262, 1), tags.get(277, 1)
    if 50706 in tags or photometric in (32803, 34892):
        raise InputError("is a raw camera file. Export it as JPEG or TIFF.")
    if tags.get(254, 0) & 1:
        raise InputError("begins with a small preview, like raw camera files. Export it as JPEG or TIFF.")
    bits, kind = max(tags.get(258, (1,))), max(tags.get(339, (1,)))  # of numbers: 1 unsigned, 2 signed, 3 floating
    if (kind, bits) not in _TIFF_KINDS and not (kind == 1 and bits <= 16):
        raise InputError("has samples of a kind that cannot be read. Save it with unsigned samples of 8 bits.")
    if bits <= 8:
        return None
    if photometric not in (0, 1, 2) or samples == 2 or (samples > 1 and tags.get(284, 1) != 1):
        raise InputError("has over 8 bits per sample in CMYK, Lab, grey with transparency, or one plane per colour. "
                         "Save it with 8 bits.")  # fmt: skip
    declared = tags.get(341, tags.get(281, 0))
    declared = max(declared) if isinstance(declared, tuple) else declared
    mode = {0: "RGBX", 1: "RGBa"}.get(max(tags.get(338, (2,))), "RGBA")  # without that tag, as OpenCV writes it
    return Samples(tags[256], tags[257], float(declared), photometric == 0, tags.get(34675, b""), mode=mode)


def pam_values(data: bytes) -> np.ndarray:
    """The samples of a PAM, whose colours OpenCV swaps: uint8 or uint16, h×w×3 BGR or h×w×4 BGRA."""
    (width, height, depth, white), pixels = _pam(data)
    values = np.frombuffer(pixels, ">u2" if white > 255 else "u1", width * height * depth)
    return values.reshape(height, width, depth)[..., _PAM_CHANNELS[depth]]


def _pam(data: bytes) -> tuple[list[int], bytes]:
    head, _, pixels = data.partition(b"\nENDHDR\n")
    said = dict(line.split(None, 1) for line in head.split(b"\n")[1:] if line.strip() and line[:1] != b"#")
    return [int(said[name]) for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")], pixels


def _jpeg2000(data: bytes) -> Samples | None:
    start = data.index(b"\xff\x4f\xff\x51")
    right, bottom, left, top = struct.unpack_from(">4I", data, start + 8)
    bits = (data[start + 42] & 127) + 1
    return Samples(right - left, bottom - top, 2**bits - 1) if bits > 8 else None
