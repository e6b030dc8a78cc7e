"""Looks through a pickle of weights before anything reads it: what it would build is counted, and nothing is built.

An unpickler that runs no code can still be made to work for ever or to fill the memory by a few hundred bytes: lists
that hold themselves twice, forty times over; a place number of billions; a storage said to be larger than its file.
"""

import math
import pickletools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

ENDINGS = (".bin", ".ckpt", ".pkl", ".pt", ".pth")
MAX_OPERATIONS = 1_000_000  # a checkpoint of a thousand tensors has some thirty thousand
MAX_OBJECTS = 10_000_000  # with what is referred to several times counted each time
MAX_DEPTH = 100
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # torch before 1.6: five pickles, then the storages
_LEGACY_PICKLES = 5
_SHAPE = 2  # its place among what torch rebuilds a tensor from
_GETS, _PUTS = ("GET", "BINGET", "LONG_BINGET"), ("PUT", "BINPUT", "LONG_BINPUT")
_EXTENDS = {"APPEND": 1, "SETITEM": 2, "BUILD": 1, "APPENDS": None, "SETITEMS": None, "ADDITEMS": None}  # None: to mark


class Hostile(ValueError):
    """A file that isn't read, because of what reading it would take."""


@dataclass(eq=False)
class _Object:
    value: Any = None  # of numbers and names
    parts: list["_Object"] = field(default_factory=list)


def check(path: Path) -> None:
    """Raises Hostile, in one line, for a pickle, or a torch file of either format, that is damaged or not safe to read.

    Files of other endings aren't looked at.
    """
    if path.suffix not in ENDINGS or not path.is_file():
        return
    try:
        if zipfile.is_zipfile(path):
            _check_zip(path)
        else:
            with path.open("rb") as file:
                _check_stream(file, path.stat().st_size)
    except Hostile as error:
        raise Hostile(f"{path.name} is refused: {error}") from None
    except (ValueError, LookupError, EOFError, TypeError, ArithmeticError, MemoryError, zipfile.BadZipFile) as error:
        words = " ".join(str(error).split())[:200]
        raise Hostile(f"{path.name} is not a readable pickle ({type(error).__name__}: {words})") from None


def check_all(place: Path) -> None:
    """As `check`, for a file, or for those of a folder that a loader of transformers' or diffusers' layout may read."""
    paths = sorted(place.iterdir()) if place.is_dir() else [place]
    if not any(path.suffix == ".safetensors" for path in paths):
        for path in paths:
            check(path)


def _check_zip(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise Hostile("it is a compressed archive; torch writes uncompressed ones")
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise Hostile("its entries are said to be larger than the file")
        for entry in entries:
            if entry.filename.endswith(".pkl"):
                with archive.open(entry) as file:
                    _check_pickle(file, path.stat().st_size)


def _check_stream(file: IO[bytes], size: int) -> None:
    if _check_pickle(file, size).value == _LEGACY_MAGIC:
        for _ in range(1, _LEGACY_PICKLES):
            _check_pickle(file, size)


def _check_pickle(file: IO[bytes], size: int) -> _Object:
    root = _outline(file, size)
    seen: dict[int, tuple[int, int]] = {}
    for item in _parts_first(root):
        parts = [seen[id(part)] for part in item.parts]
        seen[id(item)] = 1 + sum(count for count, _ in parts), 1 + max((depth for _, depth in parts), default=0)
        count, depth = seen[id(item)]
        if count > MAX_OBJECTS or depth > MAX_DEPTH:
            raise Hostile(f"it holds more than {MAX_OBJECTS:,} objects, or more than {MAX_DEPTH} inside one another")
    return root


def _parts_first(root: _Object) -> Iterator[_Object]:
    """Every object once, after its parts. Raises Hostile for one that is a part of itself."""
    open_, done, waiting = set[int](), set[int](), [(root, False)]
    while waiting:
        item, entered = waiting.pop()
        if entered:
            open_.discard(id(item))
            done.add(id(item))
            yield item
        elif id(item) in open_:
            raise Hostile("it holds an object that holds itself")
        elif id(item) not in done:
            open_.add(id(item))
            waiting.append((item, True))
            waiting += [(part, False) for part in item.parts if id(part) not in done]


def _outline(file: IO[bytes], size: int) -> _Object:
    """What a pickle would build, as objects that only know their parts."""
    stack: list[_Object | None] = []  # None is a mark
    memo: dict[int, _Object | None] = {}
    for number, (operation, argument, _) in enumerate(pickletools.genops(file)):
        name, place = operation.name, argument if isinstance(argument, int) else 0
        if number == MAX_OPERATIONS or (name in _PUTS and place > MAX_OPERATIONS):
            raise Hostile(f"it takes more than {MAX_OPERATIONS:,} operations or places")
        if name == "STOP":
            break
        if name in _PUTS or name == "MEMOIZE":
            memo[len(memo) if name == "MEMOIZE" else place] = stack[-1]
        elif name in _GETS:
            stack.append(memo[place])
        elif name == "DUP":
            stack.append(stack[-1])
        elif name == "MARK":
            stack.append(None)
        elif name in _EXTENDS:
            parts = _popped(stack, _EXTENDS[name])
            _last(stack).parts.extend(parts)
        else:
            _build(stack, operation, argument, size)
    return _last(stack)


def _build(stack: list[_Object | None], operation: pickletools.OpcodeInfo, argument: Any, size: int) -> None:
    """Replaces what an operation takes by what it gives."""
    marked = pickletools.markobject in operation.stack_before
    parts = _popped(stack, None if marked else len(operation.stack_before))
    if operation.name == "BINPERSID":
        _check_number(_numbers(parts[0]), size, "a storage")
    if operation.name == "REDUCE" and "_rebuild_tensor" in str(parts[0].value) and len(parts[1].parts) > _SHAPE:
        _check_number([math.prod(_numbers(parts[1].parts[_SHAPE]))], size, "a tensor")
    value = " ".join(str(part.value) for part in parts) if operation.name == "STACK_GLOBAL" else argument
    plain = value if isinstance(value, (int, str)) else None
    stack += [_Object(plain, parts) for _ in operation.stack_after]


def _popped(stack: list[_Object | None], count: int | None) -> list[_Object]:
    """The last objects, in their order; None takes all above the last mark, and the mark."""
    if count is None:
        count = stack[::-1].index(None)
        taken = stack[len(stack) - count :]
        del stack[len(stack) - count - 1 :]
    else:
        taken = stack[len(stack) - count :]
        del stack[len(stack) - count :]
    if len(taken) != count:
        raise IndexError("the stack is empty")
    return [item for item in taken if item is not None]


def _last(stack: list[_Object | None]) -> _Object:
    item = stack[-1]
    if item is None:
        raise IndexError("a mark where an object should be")
    return item


def _numbers(item: _Object) -> list[int]:
    return [part.value for part in item.parts if isinstance(part.value, int)]


def _check_number(numbers: list[int], size: int, what: str) -> None:
    """An element takes a byte at least."""
    if any(number > size for number in numbers):
        raise Hostile(f"{what} is said to have {max(numbers):,} elements, in a file of {size:,} bytes")
