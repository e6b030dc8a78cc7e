"""Values as JSON text that is the same for the same values."""

import json
from typing import Any

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return _canonical(value)


def pretty(value: Any, indent: int = 1, sort_keys: bool = True) -> str:
    """JSON for people, without a newline at its end. Raises ValueError for NaN and infinity, which JSON lacks."""
    return json.dumps(value, indent=indent, sort_keys=sort_keys, ensure_ascii=False, allow_nan=False)
