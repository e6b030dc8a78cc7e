"""Numbers in messages agree with their nouns and verbs."""

import pytest

from schemas.messages import counted, share


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, ("record",), "0 records"),
        (1, ("record",), "1 record"),
        (2, ("record",), "2 records"),
        (1, ("entry", "entries"), "1 entry"),
        (3, ("entry", "entries"), "3 entries"),
    ],
)
def test_counted(number: int, words: tuple[str, ...], text: str) -> None:
    assert counted(number, *words) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(1, 1, "1 of 1 record lacks"), (1, 7, "1 of 7 records lacks"), (2, 7, "2 of 7 records lack")],
)
def test_the_verb_agrees_with_the_part(part: int, whole: int, text: str) -> None:
    assert share(part, whole, "record", "lacks", "lack") == text
