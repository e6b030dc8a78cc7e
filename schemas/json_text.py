"""JSON from outside, and values as JSON text that is the same for the same values."""

import json
from typing import Any

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def parse(data: bytes | str) -> Any:
    """What JSON from outside says. Raises ValueError for what is no JSON, nested too deep included."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("JSON that is nested too deep") from None


def whole(value: Any) -> Any:
    """The value of `parse` with U+FFFD for halves of surrogate pairs, which no file can hold."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [whole(each) for each in value]
    if isinstance(value, dict):
        return {whole(name): whole(each) for name, each in value.items()}
    return value


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return _canonical(value)


def pretty(value: Any, indent: int = 1, sort_keys: bool = True) -> str:
    """JSON for people, without a newline at its end. Raises ValueError for NaN and infinity, which JSON lacks."""
    return json.dumps(value, indent=indent, sort_keys=sort_keys, ensure_ascii=False, allow_nan=False)
