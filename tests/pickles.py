"""Pickles as Python 2 wrote them: insightface's files come from there, and Python 3 can no longer write them."""

from __future__ import annotations

import struct
from collections.abc import Iterable


def short_string(text: bytes) -> bytes:
    return b"U" + struct.pack("<B", len(text)) + text


def string(data: bytes) -> bytes:
    return b"T" + struct.pack("<i", len(data)) + data


def array(data: bytes) -> bytes:
    """A one-dimensional NumPy array of dtype uint8, protocol 2."""
    dtype = b"cnumpy\ndtype\n" + short_string(b"u1") + b"K\x00K\x01\x87R(K\x03" + short_string(b"|")
    dtype += b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + short_string(b"b") + b"\x87R"
    return empty + b"(K\x01" + b"J" + struct.pack("<i", len(data)) + b"\x85" + dtype + b"\x89" + string(data) + b"tb"


def python2(images: Iterable[bytes], genuine: Iterable[bool], element=string) -> bytes:
    """`pickle.dump((images, genuine), file, protocol=2)` of Python 2."""
    images = b"".join(element(image) + b"q" + struct.pack("<B", 2 + i % 200) for i, image in enumerate(images))
    booleans = b"".join(b"\x88" if g else b"\x89" for g in genuine)
    return b"\x80\x02]q\x01(" + images + b"e]q\x02(" + booleans + b"e\x86q\x03."
