"""Shops' words for garments → the part of the body that they cover."""

import re
from functools import lru_cache

from schemas.labels import Category

# Singular; `_key` makes case, spaces and punctuation equal. A suit's jacket is what its photo mostly shows. Words that
# may cover either part ("lingerie", "swimwear", "set") are left out on purpose: they give no category.
WORDS: dict[Category, tuple[str, ...]] = {
    Category.UPPER_BODY: (
        *("upper body", "upper", "top", "tops", "shirt", "t-shirt", "tee", "polo", "polo shirt", "blouse", "tunic"),
        *("tank top", "tank", "camisole", "cami", "vest", "waistcoat", "crop top", "corset", "bustier", "bra"),
        *("sweater", "jumper", "pullover", "cardigan", "knitwear", "turtleneck", "jersey", "henley", "hoodie"),
        *("sweatshirt", "jacket", "coat", "blazer", "suit", "suit jacket", "parka", "trench", "windbreaker", "cape"),
        *("overcoat", "down jacket", "puffer", "bomber", "poncho", "kimono", "outerwear", "outwear", "shrug", "gilet"),
    ),
    Category.LOWER_BODY: (
        *("lower body", "lower", "bottom", "bottoms", "pants", "pant", "trousers", "jeans", "jean", "denim", "shorts"),
        *("short", "skirt", "skort", "leggings", "legging", "tights", "jeggings", "joggers", "sweatpants", "chinos"),
        *("culottes", "bermuda", "capri", "slacks", "cargo pants", "cargos"),
    ),
    Category.DRESSES: (
        *("dress", "dresses", "gown", "jumpsuit", "romper", "playsuit", "overall", "overalls", "dungarees", "onesie"),
        *("bodysuit", "one piece", "full body", "whole body", "robe", "sundress", "cheongsam", "qipao", "hanfu"),
        *("pinafore", "catsuit", "unitard", "abaya", "kaftan", "coverall"),
    ),
}


def _key(word: str) -> str:
    return re.sub(r"[\W_]+", "", word.casefold())


_CATEGORIES = {_key(word): category for category, words in WORDS.items() for word in words}


@lru_cache(maxsize=4_096)
def category_of(words: str) -> Category | None:
    """ "T-Shirts" → upper_body, "denim mini skirt" (by its last words) → lower_body.

    None for words that aren't in `WORDS`, and for several garments ("shirt and skirt") of different categories.
    """
    categories = {_phrase(phrase) for phrase in re.split(r"[,;&+/]|\band\b", words.casefold()) if phrase.strip()}
    return categories.pop() if len(categories) == 1 else None


def _phrase(words: str) -> Category | None:
    """Of one garment: its last words, as many as mean something."""
    parts = re.split(r"[\s_-]+", words.strip())
    endings = (_key("".join(parts[start:])) for start in range(max(0, len(parts) - 4), len(parts)))
    return next(filter(None, map(_word, endings)), None)


def _word(key: str) -> Category | None:
    """By the word itself, then as a plural."""
    singular = (key, key.removesuffix("s"), key.removesuffix("es"))
    return next((_CATEGORIES[word] for word in singular if word in _CATEGORIES), None)
