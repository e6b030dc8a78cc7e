"""Cells of a table → a record's own values: text, yes or no, captions, tags. Wrong types raise `Malformed`."""

from typing import Any

from annotators.common.garment_words import category_of
from pipelines.sources.paths import is_unicode
from schemas import json_text
from schemas.messages import printable

VIEWS = ("flat", "worn")
SPLITS = ("train", "test")
_YES, _NO = frozenset(("true", "yes", "1")), frozenset(("false", "no", "0"))


class Malformed(ValueError):
    """A cell whose value has the wrong type, or isn't among those that are allowed."""


def text(name: str, value: Any) -> str:
    """A string as it is, a whole number as its digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise Malformed(f"{name} holds a {type(value).__name__}; allowed is text")
    if not is_unicode(value):
        raise Malformed(f"{name} holds text that is no valid Unicode")
    return value


def word(name: str, value: Any) -> str:
    """Text that is fit for ids and pages."""
    return printable(text(name, value).strip())


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    chosen = word(name, value).lower()
    if chosen not in allowed:
        raise Malformed(f"{name} {chosen!r}; allowed are {', '.join(allowed)}")
    return chosen


def yes_or_no(name: str, value: Any) -> bool:
    """JSON's and Parquet's own, or true, yes, 1, false, no, 0 in any case."""
    answer = str(value).strip().lower()
    if answer not in _YES | _NO:
        raise Malformed(f"{name} {printable(answer)[:40]!r}; allowed are {', '.join(sorted(_YES | _NO))}")
    return answer in _YES


def captions(name: str, value: Any) -> list[dict[str, str | None]]:
    """[{"text", "model"}] of one caption, a list of them, or a list of such objects; a list may be JSON in a string."""
    listed = _parsed(name, value, "[") if isinstance(value, str) else value
    items = listed if isinstance(listed, list) else [listed]
    texts = [_caption(name, item) for item in items]
    return [item for item in texts if item["text"]]


def _caption(name: str, item: Any) -> dict[str, str | None]:
    if isinstance(item, dict):
        model = item.get("model")
        return {"text": text(name, item.get("text")), "model": None if model is None else text(name, model)}
    return {"text": text(name, item), "model": None}


def tags(name: str, value: Any) -> list[dict[str, str | None]]:
    """[{"name", "value"}] of an object name → value, of a list of pairs, or of such a list; may be JSON in a string."""
    listed = _parsed(name, value, "[", "{") if isinstance(value, str) else value
    items = list(listed.items()) if isinstance(listed, dict) else listed
    if not isinstance(items, list):
        raise Malformed(f"{name} holds a {type(value).__name__}; allowed is an object of tag names and values")
    return [_tag(name, item) for item in items]


def _tag(name: str, item: Any) -> dict[str, str | None]:
    if isinstance(item, dict) and item.keys() == {"name", "value"}:
        item = (item["name"], item["value"])
    if not isinstance(item, (list, tuple)) or len(item) != 2:
        raise Malformed(f"{name} holds something that is no tag's name and value")
    return {"name": text(name, item[0]), "value": None if item[1] is None else text(name, item[1])}


def _parsed(name: str, value: str, *openings: str) -> Any:
    """The JSON in a string that begins like a list or an object; any other string as it is."""
    if not value.lstrip().startswith(openings):
        return value
    try:
        return json_text.parse(value)
    except ValueError as error:
        raise Malformed(f"{name} is no JSON ({type(error).__name__})") from None


def garment(cells: dict[str, Any], default: str | None) -> dict[str, str | None]:
    """ "category" by its own word, else by that of garment_type, else the default; and "garment_type", a finer word.

    A category that isn't known becomes null, and its word the garment_type.
    """
    finer, own = (word(name, cells[name]) if name in cells else "" for name in ("garment_type", "category"))
    if not finer and not own:
        return {"category": default}
    category = category_of(own) or category_of(finer)
    finer = finer or (own if category is None or own.lower() != category else "")
    return {"category": str(category) if category else None} | ({"garment_type": finer} if finer else {})
