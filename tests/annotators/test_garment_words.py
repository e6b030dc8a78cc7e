"""Words for garments: known ones map whatever their spelling, unknown ones to nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotators.common.garment_words import WORDS, category_of
from schemas.labels import Category


@pytest.mark.parametrize(
    ("word", "category"),
    [
        ("T-Shirts", "upper_body"),
        ("women's long-sleeve t-shirt", "upper_body"),
        ("dress shirt", "upper_body"),
        ("blouse/shirt", "upper_body"),
        ("Tank_Top", "upper_body"),
        ("coats and jackets", "upper_body"),
        ("denim mini skirt", "lower_body"),
        ("LEGGINGS", "lower_body"),
        ("shirt dress", "dresses"),
        ("Jumpsuits", "dresses"),
        ("lingerie", None),
        ("shirt & dress", None),
        ("&", None),
        ("", None),
    ],
)
def test_words(word: str, category: str | None) -> None:
    assert category_of(word) == category


def test_no_word_stands_in_two_categories_and_all_are_found() -> None:
    words = [(word, category) for category, listed in WORDS.items() for word in listed]
    assert len({word for word, _ in words}) == len(words)
    for word, category in words:
        for spelling in (word, word.upper(), word.replace(" ", "-"), f" {word}."):
            assert category_of(spelling) == category, spelling


@given(st.text(max_size=60))
def test_any_text_gives_a_category_or_none(text: str) -> None:
    assert category_of(text) in [None, *Category]
