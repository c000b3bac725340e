"""A reader for pickles of strangers: it builds lists, tuples, bytes and booleans, and runs nothing a pickle chooses.

Two gates. Every instruction is looked at before the first one is carried out: what could build anything else (objects,
dicts, persistent ids, extension codes) is refused by its name. A name that the pickle wants to call is never looked up
in a module: the few names by which Python and NumPy, old and new, write bytes, bytearrays, uint8 arrays and booleans
stand for constructors of this module; any other is refused.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefiqs.errors import InputError

_INSTRUCTIONS = """
    PROTO FRAME STOP MARK GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE NONE NEWTRUE NEWFALSE
    INT BININT BININT1 BININT2 LONG1 BINSTRING SHORT_BINSTRING BINUNICODE SHORT_BINUNICODE BINUNICODE8
    BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
    GLOBAL STACK_GLOBAL REDUCE BUILD
"""
_ALLOWED = frozenset(_INSTRUCTIONS.split())
_LATIN_1 = ("latin1", "latin-1", b"latin1", b"latin-1")


class _Refused(pickle.UnpicklingError):
    """What the pickle wanted and must not have."""


class EncodedArray:
    """What a NumPy array of bytes becomes: `data`, its bytes."""

    __slots__ = ("data",)

    def __init__(self) -> None:
        self.data = b""

    def __setstate__(self, state: tuple) -> None:
        _version, shape, dtype, _fortran, data = state
        if dtype is not _UINT8:
            raise _Refused("a numpy array that is not of dtype uint8")
        plain = type(shape) is tuple and len(shape) <= 2 and all(type(n) is int for n in shape)
        if not plain or type(data) not in (bytes, bytearray) or math.prod(shape) != len(data):
            raise _Refused("a numpy array whose shape and data do not fit")
        self.data = data


class _Dtype:
    """One of the two dtypes; the state that NumPy adds (byte order, alignment) means nothing for a single byte."""

    __slots__ = ()

    def __setstate__(self, state: tuple) -> None:
        pass


class _Name:
    """What a name in the pickle stands for. It can be called and nothing else: no attribute of it can be set."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable) -> None:
        self._make = make

    def __call__(self, *arguments: object) -> object:
        return self._make(*arguments)

    def __setstate__(self, state: object) -> None:
        raise _Refused("an attempt to change a function")


_UINT8, _BOOL = _Dtype(), _Dtype()


def read_restricted(path: Path) -> object:
    """Read a pickle file of lists, tuples, bytes, bytearrays, numpy uint8 arrays (as `EncodedArray`) and booleans.

    Python 2 strings are read as bytes.

    Raises:
        InputError: the pickle is damaged, or wants to build or call anything else, which is named.
    """
    data = path.read_bytes()
    try:
        _check_instructions(data)
        return _Reader(data).load()
    except Exception as error:  # a hostile pickle can provoke any of them
        raise InputError(
            f"Expected a pickle of lists, tuples, bytes, bytearrays, numpy uint8 arrays and booleans in {path}, "
            f"got {error if isinstance(error, _Refused) else 'damaged data'}; take the file of its owners."
        ) from error


def _check_instructions(data: bytes) -> None:
    for count, (instruction, argument, position) in enumerate(pickletools.genops(data)):
        if instruction.name not in _ALLOWED:
            raise _Refused(f"the instruction {instruction.name} at byte {position}")
        # Remembered objects are numbered in order; for a high number Python would reserve room for all below it.
        if instruction.name.endswith("PUT") and (argument or 0) > count:
            raise _Refused(f"the instruction {instruction.name} with a number out of order at byte {position}")


class _Reader(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="bytes")
        self._may_copy = len(data)
        as_bytes, array, scalar, buffer = (
            _Name(self._as_bytes), _Name(_empty_array), _Name(_boolean), _Name(_array_of)
        )  # fmt: skip
        self._names = {
            ("_codecs", "encode"): as_bytes,
            ("numpy", "ndarray"): _Name(_empty_array),
            ("numpy", "dtype"): _Name(_dtype),
        }
        for builtins in ("__builtin__", "builtins"):
            self._names |= {(builtins, "bytes"): as_bytes, (builtins, "bytearray"): as_bytes}
        for core in ("numpy.core", "numpy._core"):
            self._names |= {(f"{core}.multiarray", "_reconstruct"): array, (f"{core}.multiarray", "scalar"): scalar}
            self._names[f"{core}.numeric", "_frombuffer"] = buffer

    def find_class(self, module: str, name: str) -> _Name:
        """The constructor that a name stands for; called by the unpickler instead of importing anything."""
        if (module, name) not in self._names:
            raise _Refused(f"the name {module}.{name}")
        return self._names[module, name]

    def _as_bytes(self, value: Any = b"", encoding: object = "latin1") -> bytes | bytearray:
        if type(value) in (bytes, bytearray):
            return value
        if type(value) is not str or encoding not in _LATIN_1:
            raise _Refused("bytes made of something that is no text")
        # A short pickle could have one long text copied again and again.
        self._may_copy -= len(value)
        if self._may_copy < 0:
            raise _Refused("more bytes than the file holds")
        return value.encode("latin1")


def _empty_array(*_arguments: object) -> EncodedArray:
    return EncodedArray()


def _array_of(data: object, dtype: object, shape: object, _order: object) -> EncodedArray:
    array = EncodedArray()
    array.__setstate__((1, shape, dtype, False, data))
    return array


def _dtype(spelling: object, *_arguments: object) -> _Dtype:
    if spelling in ("u1", b"u1"):
        return _UINT8
    if spelling in ("b1", b"b1"):
        return _BOOL
    raise _Refused("a numpy dtype other than uint8 and bool")


def _boolean(dtype: object, data: object) -> bool:
    if dtype is not _BOOL or data not in (b"\0", b"\1"):
        raise _Refused("a numpy scalar that is no boolean")
    return data == b"\1"
