"""Pickles of strangers: what is allowed comes out as it went in, everything else is refused and does nothing."""

import os
import pickle
import struct
from contextlib import suppress

import numpy as np
import pickles
import pytest

from prefiqs.errors import InputError
from prefiqs.io import restricted_pickle
from prefiqs.io.restricted_pickle import EncodedArray, read_restricted

BYTES = bytes(range(256)) * 3


def read(data: bytes, tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(data)
    return read_restricted(path)


def plain(value):
    """With NumPy arrays as bytes again."""
    if isinstance(value, EncodedArray):
        return bytes(value.data)
    return [plain(v) for v in value] if type(value) in (list, tuple) else value


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_what_python_3_and_numpy_write(tmp_path, protocol):
    array = np.frombuffer(BYTES, np.uint8)
    column = array.reshape(-1, 1).copy()  # as cv2.imencode gave it until OpenCV 4.5.2
    images = [BYTES, b"", bytearray(BYTES), bytearray(), array, column, array.copy()]
    content = read(pickle.dumps((images, [True, False, np.bool_(True), np.bool_(False)]), protocol), tmp_path)
    images, booleans = plain(content)
    assert images == [BYTES, b"", BYTES, b"", BYTES, BYTES, BYTES]
    assert booleans == [True, False, True, False]
    assert {type(b) for b in booleans} == {bool}


@pytest.mark.parametrize("element", [pickles.string, pickles.array])
def test_what_python_2_wrote(tmp_path, element):
    assert plain(read(pickles.python2([BYTES, b"abc"], [False], element), tmp_path)) == [[BYTES, b"abc"], [False]]


@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_names_of_old_and_new_numpy(tmp_path, core):
    data = pickles.python2([BYTES], [], pickles.array).replace(b"numpy.core", core)
    assert plain(read(data, tmp_path)) == [[BYTES], []]


class Call:
    """Pickles to a call of a function."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def global_(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


U1 = pickles.array(b"")[pickles.array(b"").index(b"cnumpy\ndtype") :].split(b"(K\x03")[0]
ARRAY = global_("numpy.core.multiarray", "_reconstruct") + global_("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"
LISTS_OF_LISTS: list = []  # short to write, with 2^60 elements when it is printed
for _ in range(60):
    LISTS_OF_LISTS = [LISTS_OF_LISTS, LISTS_OF_LISTS]
LONG_TEXT = b"X" + struct.pack("<I", 1000) + b"a" * 1000

HOSTILE = {
    "os.system": (pickle.dumps(Call(os.system, "touch ran"), 2), "the name posix.system"),
    "os.system, protocol 4": (pickle.dumps([b"x", Call(os.system, "touch ran")], 4), "the name posix.system"),
    "eval": (pickle.dumps(Call(eval, "open('ran', 'w')"), 4), "the name builtins.eval"),
    "exec in Python 2": (global_("__builtin__", "exec") + b"U\x01x\x85R.", "the name __builtin__.exec"),
    "path through a name": (b"\x8c\x08builtins\x8c\x0ebytes.__base__\x93.", None),
    "attribute of an allowed name": (
        b"\x80\x04\x8c\x08builtins\x8c\x12bytearray.__base__\x93.",
        "the name builtins.bytearray.__base__",
    ),
    "numpy that loads files": (global_("numpy", "load") + b"U\x01x\x85R.", "the name numpy.load"),
    "inst": (b"(iposix\nsystem\n.", "the name posix.system"),
    "obj": (b"(" + global_("posix", "system") + b"o.", "the name posix.system"),
    "newobj": (pickle.dumps(np.random.default_rng, 2)[:-1] + b")\x81.", None),
    "newobj of an allowed name": (global_("builtins", "bytearray") + b")\x81.", None),
    "persistent id": (b"\x80\x02U\x01xQ.", None),
    "persistent id as text": (b"Px\n.", None),
    "extension code": (b"\x80\x02\x82\x01.", None),
    "buffer of the caller": (b"\x80\x05\x97.", None),
    "object array": (pickle.dumps(np.array([None, 1], object), 2), "a NumPy array that is not of uint8"),
    "float array": (pickle.dumps(np.ones(3), 5), "a NumPy array that is not of uint8"),
    "array of booleans": (pickle.dumps(np.ones(3, bool), 2), "a NumPy array that is not of uint8"),
    "scalar uint8": (pickle.dumps(np.uint8(3), 2), "a NumPy scalar that is not a boolean"),
    "array larger than its data": (
        ARRAY + b"(K\x01J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86" + U1 + b"\x89C\x01atb.",
        "whose shape does not fit its data",
    ),
    "bytes in a shape, to be multiplied": (
        ARRAY + b"(K\x01J\xff\xff\xff\x7fC\x02ab\x86" + U1 + b"\x89C\x01atb.",
        "whose shape does not fit its data",
    ),
    "text copied again and again": (
        b"\x80\x02]("
        + LONG_TEXT
        + b"q\x00"
        + global_("_codecs", "encode")
        + b"q\x01"
        + b"h\x01h\x00\x85R" * 500
        + b"e.",
        "more bytes than the file contains",
    ),
    "endless name of a dtype": (
        pickle.dumps(LISTS_OF_LISTS, 2)[:-1] + b"q\x7f0" + global_("numpy", "dtype") + b"h\x7f\x85R.",
        "a NumPy dtype without a name",
    ),
    "a number that reserves memory": (b"\x80\x02]r\xff\xff\xff\xff.", "a number that reserves memory"),
    "the same as text": (b"(lp4000000000\n.", "a number that reserves memory"),
    "a length that reserves memory": (b"\x80\x05\x96" + struct.pack("<Q", 1 << 62) + b"abc.", None),
    "frame without end": (b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"].", None),
    "codec of the pickle's choice": (
        global_("_codecs", "encode") + b"X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.",
        "bytes made of something other than text",
    ),
    "list called": (b"])R.", None),
    "state for a list": (b"]K\x01b.", None),
    "nothing": (b"", None),
    "no pickle": (b"\xff\xd8\xff\xe0JFIF", None),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_pickle_is_refused_and_does_nothing(tmp_path, monkeypatch, case):
    data, reason = HOSTILE[case]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=rf"x\.bin is not a pickle of images and booleans: .*{reason or ''}.*\. Get"):
        read(data, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["x.bin"]


def test_a_function_that_a_pickle_changes_is_its_own(tmp_path):
    changed = global_("builtins", "bytes") + b"(NX\x0c\x00\x00\x00__defaults__)tb."
    state = b"N}X\x0c\x00\x00\x00__defaults__)s\x86b."
    for data in (changed, global_("builtins", "bytes") + state):
        with suppress(InputError):
            read(data, tmp_path)
        assert plain(read(pickles.python2([BYTES], [True]), tmp_path)) == [[BYTES], [True]]


def test_a_file_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(restricted_pickle, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match=r"x.bin is too large to be read: 1,\d\d\d bytes, more than 1,000"):
        read(pickle.dumps(b"x" * 1000), tmp_path)


def test_the_hostile_pickles_would_run_elsewhere(tmp_path, monkeypatch):
    """The tests above could not fail on pickles that do nothing anyway."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(HOSTILE["os.system"][0])
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_pickle_that_ends_early_is_refused_wherever_it_ends(tmp_path, protocol):
    data = pickle.dumps(([np.frombuffer(b"abc", np.uint8), b"xy"], [True]), protocol)
    for end in range(len(data)):
        with pytest.raises(
            InputError,
        ):
            read(data[:end], tmp_path)


def test_damaged_bytes_are_refused_or_read_never_run(tmp_path):
    """One byte changed at a time: whatever the reader makes of it, it is an InputError or plain data."""
    data = bytearray(
        pickle.dumps(([np.frombuffer(b"abc", np.uint8), b"xy", bytearray(b"z")], [True, np.bool_(False)]), 2)
    )
    rng = np.random.default_rng(0)
    refused = 0
    for i in range(len(data)):
        changed = bytearray(data)
        changed[i] = rng.integers(256)
        try:
            _assert_plain(read(bytes(changed), tmp_path))
        except InputError:
            refused += 1
    assert refused > len(data) / 3


def _assert_plain(value):
    if type(value) in (list, tuple):
        for v in value:
            _assert_plain(v)
    else:
        plain_types = bytes, bytearray, str, int, bool, type(None), float, dict, EncodedArray
        assert type(value) in plain_types or type(value).__module__ in (restricted_pickle.__name__, "builtins")
