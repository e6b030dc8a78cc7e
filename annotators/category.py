"""What a garment covers, where nobody says it: by its tags, else by a parse of somebody who wears it, else assumed.

Only assumed is `upper_body`, which most try-on garments are; the note says so, and `category_assumed` tells annotators
that follow. A record whose dataset has a word of its own for the garment (`garment_type`) is never assumed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotators.common import garment_words, vocabulary
from schemas import fields, record
from schemas.labels import Category, Cihp

READS = ("garment_image",)
MAY_READ = ("tags", "parse", "paired", "garment_type", "category")
FIELDS = (fields.word("category"),)

WORN: dict[Category, tuple[Cihp, ...]] = {
    Category.UPPER_BODY: (Cihp.UPPER_CLOTHES, Cihp.COAT),
    Category.LOWER_BODY: (Cihp.PANTS, Cihp.SKIRT),
    Category.DRESSES: (Cihp.DRESS,),
}
LEAST_SHARE = 0.9  # of all clothes in a parse: below it the garment may be another one of the outfit
LEAST_AREA = 0.03  # of the frame, as for the finding `wrong_category`
ASSUMED_NOTE = f"{record.ASSUMED_CATEGORY}: neither tags nor a parse of its wearer tell what the garment covers"


@dataclass(frozen=True)
class Config:
    def build(self) -> Callable[[Sequence[dict[str, Any]]], list[dict[str, Any]]]:
        return annotate


def annotate(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """{"category"} per record, with a note on how it is known."""
    return [decide(record) for record in records]


def decide(record: Mapping[str, Any]) -> dict[str, Any]:
    """The category of a record with MAY_READ's columns, {"category_assumed": True} where nothing tells it."""
    if record.get("category") is not None:
        return {"category": record["category"]}
    by_tags = of_tags(record.get("tags") or ())
    if by_tags:
        return {"category": str(by_tags), "notes": {"category": "by the garment's tags"}}
    if record.get("garment_type"):
        return {"category": None}
    by_parse = of_parse(record.get("parse")) if record.get("paired") else None
    if by_parse:
        return {"category": str(by_parse), "notes": {"category": "by the parse of its wearer"}}
    notes = {"category": ASSUMED_NOTE}
    return {"category": str(Category.UPPER_BODY), "category_assumed": True, "notes": notes}


def of_tags(tags: Sequence[Mapping[str, str | None]]) -> Category | None:
    """The category of the tag `item` of tags {"name", "value"}; None where it says nothing, or several things."""
    items = [tag["value"] for tag in tags if tag["name"] == "item" and tag["value"]]
    categories = {_of_item(item) for item in items}
    return categories.pop() if len(categories) == 1 else None


def _of_item(item: str) -> Category | None:
    try:
        return vocabulary.category_of(item)
    except ValueError:
        return garment_words.category_of(item)


def of_parse(parse: np.ndarray | None) -> Category | None:
    """The category of nearly all clothes in CIHP ids [h w] of a garment's wearer; None for an outfit of several."""
    if parse is None:
        return None
    areas = {category: float(np.isin(parse, labels).mean()) for category, labels in WORN.items()}
    most = max(areas, key=lambda category: areas[category])
    enough = areas[most] >= max(LEAST_AREA, LEAST_SHARE * sum(areas.values()))
    return most if enough else None
