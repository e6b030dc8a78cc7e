"""Whether JSON from outside has the shape that a type hint says: files of our own may be cut, garbled or exchanged."""

import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")
_LARGEST = 2**63 - 1  # of Arrow's integers


def parse(data: bytes | str) -> Any:
    """What JSON says. Raises ValueError for what is none, and for what could not be written as JSON again.

    That is NaN and infinity, half a character, and lists that are nested too deep.
    """
    try:
        value = json.loads(data)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise ValueError("nested too deep") from None
    return value


def record(kind: type[T], value: Any) -> T:
    """The dataclass of a JSON object. Raises ValueError naming a field that is missing, unknown or misfits."""
    if not isinstance(value, dict):
        raise ValueError(f"{_named(value)} is no object")
    hints = typing.get_type_hints(kind)
    known = {item.name for item in fields(kind)}  # type: ignore[arg-type]  # a dataclass
    for name in sorted({*value, *known}):
        if name not in known or (name in value and not fits(value[name], hints[name])):
            raise ValueError(f"{name} is {_named(value.get(name))}")
    try:
        return kind(**value)
    except TypeError as error:
        raise ValueError(str(error)) from None


def misfit(value: Mapping[str, Any], hints: Mapping[str, Any]) -> str:
    """Says which of the keys that are there has another type than its hint; "" where none has."""
    for name, hint in hints.items():
        if name in value and not fits(value[name], hint):
            return f"{name} is {_named(value[name])}"
    return ""


def fits(value: Any, hint: Any) -> bool:
    """Hints are str, int, float, bool, None, Any, unions, lists, tuples and mappings of these, and TypedDicts."""
    if hint is Any or hint is object:
        return True
    if typing.is_typeddict(hint):
        members = typing.get_type_hints(hint)
        return isinstance(value, dict) and hint.__required_keys__ <= value.keys() and not misfit(value, members)
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, part) for part in parts)
    if origin in (dict, Mapping):
        return isinstance(value, dict) and all(fits(each, parts[1]) for each in value.values())
    if origin is tuple and parts[-1] is not ...:
        return isinstance(value, list) and len(value) == len(parts) and all(map(fits, value, parts))
    if origin in (list, tuple, Sequence):
        return isinstance(value, list) and all(fits(each, parts[0]) for each in value)
    if hint is types.NoneType:
        return value is None
    if hint in (int, float):
        return _is_number(value, hint)
    return isinstance(value, hint)


def _is_number(value: Any, hint: type) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float) if hint is float else int):
        return False
    return abs(value) <= _LARGEST


def _named(value: Any) -> str:
    """The type of a value in the words of JSON."""
    words = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return words.get(type(value), "a number")
