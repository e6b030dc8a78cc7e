"""Reads pickles of NumPy arrays without running anything that they name.

The unpickler gives them stand-ins instead of NumPy's own functions and types: a stand-in only keeps what it is
told, and NumPy sees no more than bytes, a type code and a shape.
"""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from annotators.common import pickles


def load(path: Path) -> Any:
    """The content of a pickle made of dicts, lists, tuples, text, numbers and NumPy arrays or scalars.

    Raises ValueError, naming what it asks for, for a pickle that holds anything else, and for a broken one.
    """
    pickles.check(path)
    with path.open("rb") as file:
        try:
            return _finished(ArrayUnpickler(file, encoding="latin1").load())
        except Refused as refused:
            raise ValueError(f"{path.name} is refused: {refused}") from None
        except Exception as error:  # a broken pickle may raise almost anything
            raise ValueError(f"{path.name} is not a readable pickle ({type(error).__name__}: {error})") from None


class Refused(Exception):
    """A pickle asks for something that arrays don't need."""


class ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a global; Refused for any that isn't in STAND_INS."""
        known = STAND_INS.get((module.replace("numpy._core", "numpy.core"), name))  # NumPy 2 has the underscore
        if known is None:
            raise Refused(f"it asks for {module}.{name}, but only NumPy arrays and plain containers are read")
        return known

    def persistent_load(self, pid: Any) -> NoReturn:
        raise Refused("it refers to objects outside the file, but only arrays and plain containers are read")


class Dtype:
    """What a pickle says about a dtype: a type code such as "f4", then a tuple whose second entry is the byte order."""

    def __init__(self, code: str, align: Any = False, copy: Any = True):
        self.code = code

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.code = state[1].strip("|") + self.code

    def finished(self) -> np.dtype:
        dtype = np.dtype(self.code) if isinstance(self.code, str) else None
        if dtype is None or dtype.kind not in "biuf":
            raise Refused(f"it holds arrays of type {self.code!r}, but only numbers are read")
        return dtype


class Array:
    """What a pickle says about an array: (version, shape, dtype, column-major?, bytes)."""

    def __init__(self, shape: Any = None, dtype: Any = None, column_major: bool = False, content: Any = b""):
        self.shape, self.dtype, self.column_major, self.content = shape, dtype, column_major, content

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.shape, self.dtype, self.column_major, self.content = state[-4:]

    def finished(self) -> np.ndarray:
        if not isinstance(self.dtype, Dtype):
            raise Refused("it holds an array without a dtype")
        content = self.content.encode("latin1") if isinstance(self.content, str) else self.content
        flat = np.frombuffer(content, self.dtype.finished())
        return flat.reshape(self.shape, order="F" if self.column_major else "C")


def _reconstruct(kind: Any, shape: Any, code: Any) -> Array:
    return Array()


def _frombuffer(content: Any, dtype: Any, shape: Any, order: Any) -> Array:
    return Array(shape, dtype, order == "F", content)


def _scalar(dtype: Any, content: Any) -> Array:
    return Array((), dtype, False, content)


def _encode(text: str, encoding: str) -> bytes:
    """Protocol 2's way of writing bytes."""
    if encoding != "latin1":
        raise Refused(f"it asks for the codec {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """Protocol 2's way of writing empty bytes."""
    return b""


STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): "numpy.ndarray",  # named, never called
    ("numpy", "dtype"): Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
}


def _finished(value: Any) -> Any:
    """The same content with arrays in place of their descriptions."""
    if isinstance(value, Array):
        return value.finished()
    if isinstance(value, dict):
        return {key: _finished(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_finished(item) for item in value)
    return value
