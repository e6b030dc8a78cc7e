"""What JSON of our own must look like before anything is made of it."""

from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import pytest

from schemas import json_shape


@dataclass(frozen=True)
class Note:
    name: str
    rows: int
    inputs: dict[str, str]
    spent: dict[str, float] | None = None


class Entry(TypedDict):
    name: str
    rows: NotRequired[int]


WHOLE = {"name": "a", "rows": 3, "inputs": {"b": "c"}}


def test_an_object_of_the_right_shape_becomes_the_dataclass() -> None:
    assert json_shape.record(Note, WHOLE | {"spent": {"read": 1}}) == Note("a", 3, {"b": "c"}, {"read": 1})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rows": None}, "rows is null"),
        ({"rows": True}, "rows is a truth value"),
        ({"rows": 1.5}, "rows is a number"),
        ({"rows": 10**400}, "rows is a number"),
        ({"name": ["a"]}, "name is a list"),
        ({"inputs": {"b": 5}}, "inputs is an object"),
        ({"spent": {"read": "1"}}, "spent is an object"),
        ({"more": "x"}, "more is a text"),
    ],
)
def test_another_type_is_named_with_its_field(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        json_shape.record(Note, WHOLE | changed)


@pytest.mark.parametrize("value", [None, 5, "x", [], {}, {"name": "a"}])
def test_what_is_no_whole_object_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):
        json_shape.record(Note, value)


def test_typed_dicts_may_hold_more_but_not_less() -> None:
    assert json_shape.fits([{"name": "a", "rows": 1, "other": None}, {"name": "b"}], list[Entry])
    assert not json_shape.fits([{"rows": 1}], list[Entry])
    assert not json_shape.fits([{"name": "a", "rows": "1"}], list[Entry])
    assert json_shape.fits([["a", 1]], list[tuple[str, int]]) and not json_shape.fits([["a"]], list[tuple[str, int]])


@pytest.mark.parametrize("text", ["", "{", "NaN", "[1e999]", '"\\ud800"', "[" * 100_000, "9" * 5_000, "\ud800"])
def test_what_could_not_be_written_again_is_no_json(text: str) -> None:
    with pytest.raises(ValueError):
        json_shape.parse(text.encode(errors="surrogatepass"))
