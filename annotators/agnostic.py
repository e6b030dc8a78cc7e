"""Agnostic picture, mask and parse of a person photo by one of the recipes of `annotators.functional.agnostic`.

`recipe` may name several: the first fills the plain columns, each further one `agnostic_mask_<recipe>`. A recipe says
nothing about some categories (hrviton and vitonhd: anything but upper_body): its columns are null there. A record
without a category counts as upper_body, which is what VITON-HD holds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from annotators.common.options import option
from annotators.functional.agnostic import RECIPES, paint
from schemas import fields
from schemas.labels import Category

READS = ("person_image", "parse", "keypoints")
MAY_READ = ("category",)
FIELDS = (fields.image("agnostic_image"), fields.mask("agnostic_mask"), fields.label_map("parse_agnostic", "cihp"))

_RECIPE_HELP = "how the region to repaint is drawn; a,b: a fills the plain columns, b agnostic_mask_b"


@dataclass(frozen=True)
class Config:
    recipe: str = option("hrviton", _RECIPE_HELP, choices=tuple(RECIPES), many=True)

    def recipes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.recipe.split(",")))

    def reads(self) -> tuple[str, ...]:
        """The photo, and what every recipe asked for reads."""
        return tuple(dict.fromkeys(["person_image", *(c for name in self.recipes() for c in RECIPES[name].reads)]))

    def fields(self) -> tuple[pa.Field, ...]:
        return FIELDS + tuple(fields.mask(f"agnostic_mask_{name}") for name in self.recipes()[1:])

    def build(self) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
        return Agnostic(self)


class Agnostic:
    def __init__(self, config: Config) -> None:
        self.recipes = config.recipes()
        self.columns = tuple(field.name for field in config.fields())

    def __call__(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The columns of `Config.fields()` per record. Raises ValueError as the recipes do, or when a mask is empty."""
        return [self._annotate(record) for record in records]

    def _annotate(self, record: Mapping[str, Any]) -> dict[str, Any]:
        columns: dict[str, Any] = dict.fromkeys(self.columns)
        plain, *others = self.recipes
        drawn = _draw(plain, record)
        if drawn:
            columns |= drawn | {"agnostic_image": paint(record["person_image"], drawn["agnostic_mask"])}
        for name in others:
            columns[f"agnostic_mask_{name}"] = _draw(name, record).get("agnostic_mask")
        return columns


def _draw(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe's columns; none for a category it doesn't cover."""
    recipe = RECIPES[name]
    if (record.get("category") or Category.UPPER_BODY) not in recipe.categories:
        return {}
    drawn = recipe.draw(record)
    if not drawn["agnostic_mask"].any():
        raise ValueError(f"recipe {name} leaves nothing to repaint")
    return drawn
