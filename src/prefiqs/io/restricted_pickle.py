"""A reader for pickles of unknown origin: lists, tuples, bytes, NumPy arrays of bytes and booleans.

The recipe of Python's documentation ("Restricting Globals"), made stricter: the names by which Python and NumPy write
bytes, uint8 arrays and booleans stand for functions of this module, and any other name is refused. Nothing that a
pickle chooses is run or imported, and what it makes is at most a few times as large as the file.
"""

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefiqs.errors import InputError

MAX_BYTES = 2**30  # the largest published file has a tenth of it


class _Dtype(str):
    """The name of a NumPy dtype."""

    def __setstate__(self, state: object) -> None:
        """Byte order and alignment mean nothing for a single byte."""


class EncodedArray:
    """What a NumPy array of bytes becomes: `data`, its bytes."""

    data: bytes | bytearray = b""

    def __setstate__(self, state: tuple) -> None:
        _version, shape, dtype, _fortran, data = state
        numbers = type(shape) is tuple and all(type(n) is int for n in shape)  # else `prod` could repeat a text
        right_type = type(dtype) is _Dtype and dtype == "u1" and type(data) in (bytes, bytearray)
        if not right_type or not numbers or math.prod(shape) != len(data):
            raise pickle.UnpicklingError("a NumPy array that is not of uint8, or whose shape does not fit its data")
        self.data = data


def read_restricted(path: Path) -> object:
    """Read a pickle file; NumPy arrays become `EncodedArray`, strings of Python 2 bytes.

    Raises `InputError` if the file is larger than 1 GiB, is no complete pickle, or wants to make or call anything else.
    """
    if (size := path.stat().st_size) > MAX_BYTES:
        raise InputError(f"{path} is too large to be read: {size:,} bytes, more than {MAX_BYTES:,}.")
    data = path.read_bytes()
    try:
        for count, (instruction, argument, _) in enumerate(pickletools.genops(data)):
            # Remembered objects are numbered in order; for a high number Python would reserve memory for all below it.
            if instruction.name.endswith("PUT") and (argument or 0) > count:
                raise pickle.UnpicklingError("a number that reserves memory")
        return _Reader(data).load()
    except Exception as error:  # a hostile or damaged pickle can raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} is not a pickle of images and booleans: {reason}. Get the file again.") from error


class _Reader(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="bytes")
        self._may_copy = len(data)

    def find_class(self, module: str, name: str) -> Callable:
        """Return what a name stands for, instead of importing it."""
        known: dict[str, Callable] = {}
        if module in ("builtins", "__builtin__", "_codecs"):
            known = dict.fromkeys(("bytes", "bytearray", "encode"), self._as_bytes)
        elif re.fullmatch(r"numpy(\._?core\.(multiarray|numeric))?", module):
            known = _NUMPY
        if name not in known:
            raise pickle.UnpicklingError(f"the name {module}.{name}")
        return lambda *arguments: known[name](*arguments)  # new each time: a pickle can set attributes of it

    def _as_bytes(self, value: Any = b"", encoding: object = "latin1") -> bytes | bytearray:
        if type(value) in (bytes, bytearray):
            return value
        if type(value) is not str or encoding not in ("latin1", "latin-1", b"latin1", b"latin-1"):
            raise pickle.UnpicklingError("bytes made of something other than text")
        self._may_copy -= len(value)  # a short pickle could have one long text copied again and again
        if self._may_copy < 0:
            raise pickle.UnpicklingError("more bytes than the file contains")
        return value.encode("latin1")


def _from_buffer(data: object, dtype: object, shape: object, _order: object) -> EncodedArray:
    array = EncodedArray()
    array.__setstate__((1, shape, dtype, False, data))
    return array


def _dtype(name: object, *_: object) -> _Dtype:
    if type(name) not in (bytes, str):  # whose text could be endless
        raise pickle.UnpicklingError("a NumPy dtype without a name")
    return _Dtype(name.decode() if isinstance(name, bytes) else name)


def _boolean(dtype: object, data: object) -> bool:
    if type(dtype) is not _Dtype or dtype != "b1" or data not in (b"\0", b"\1"):
        raise pickle.UnpicklingError("a NumPy scalar that is not a boolean")
    return data == b"\1"


_NUMPY: dict[str, Callable] = dict.fromkeys(("_reconstruct", "ndarray"), lambda *_: EncodedArray())
_NUMPY |= {"_frombuffer": _from_buffer, "dtype": _dtype, "scalar": _boolean}
