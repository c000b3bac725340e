"""Files as strangers, failing disks and attackers leave them: random bytes, and damage to small valid files."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

# What often stands for sizes, counts and offsets, and breaks readers that believe it.
_NUMBERS = [struct.pack(f, n) for f in ("<I", "<Q", ">I") for n in (0, 1, 0x7FFFFFFF, 0xFFFFFFFF)]
_PIECES = [*_NUMBERS, b"\0", b"\xff", b"\n", b" ", b"-1", b"nan", b"9" * 30, b"../", b'"', b"[", b"{", b"\xc3\xa9"]


@st.composite
def damaged(draw: st.DrawFn, *valid: bytes) -> bytes:
    """One of the valid files with one to four of: flipped bits, a chunk overwritten, inserted, repeated, cut out."""
    data = bytearray(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        length = draw(st.integers(1, 64))
        piece = draw(st.sampled_from(_PIECES) | st.binary(min_size=1, max_size=8))
        match draw(st.sampled_from(["flip", "overwrite", "insert", "repeat", "cut", "end"])):
            case "flip" if data:
                data[place] ^= 1 << draw(st.integers(0, 7))
            case "overwrite":
                data[place : place + len(piece)] = piece
            case "insert":
                data[place:place] = piece
            case "repeat":
                data[place:place] = data[place : place + length] * draw(st.integers(1, 20))
            case "cut":
                del data[place : place + length]
            case "end":
                del data[place:]
    return bytes(data)


def strange(*valid: bytes) -> st.SearchStrategy[bytes]:
    """Damaged files three times out of four, else bytes of any kind."""
    return st.one_of(damaged(*valid), damaged(*valid), damaged(*valid), st.binary(max_size=200))
