"""Agnostic picture, mask and parse of a person photo by one of the recipes of `annotators.functional.agnostic`.

`recipe` may name several: the first fills the plain columns, each further one `agnostic_mask_<recipe>`. `auto` draws
upper garments as `hrviton` does and all others as `dresscode`, and notes which. A recipe says nothing about some
categories (hrviton and vitonhd: anything but upper_body): its columns are null there, and `parse_agnostic` is null for
recipes that don't undress the parse. Records without the column `category` count as upper_body, which is what VITON-HD
holds; where it is there but null, recipes that go by the category give null.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from annotators.functional.agnostic import MASK_TYPES, MODEL_TYPES, RECIPES, Recipe, Settings, paint
from schemas import fields
from schemas.cli.options import option
from schemas.labels import Category

READS = ("person_image", "parse", "keypoints")
FIELDS = (fields.image("agnostic_image"), fields.mask("agnostic_mask"), fields.label_map("parse_agnostic", "cihp"))

_RECIPE_HELP = "how the region to repaint is drawn; a,b: a fills the plain columns, b agnostic_mask_b"
_MODEL_TYPE_HELP = "form of ootdiffusion, ladi and leffa: for weights trained on VITON-HD (hd) or Dress Code (dc)"
_MASK_TYPE_HELP = "region that catvton repaints; auto: upper, lower or overall, by category"


@dataclass(frozen=True)
class Config:
    recipe: str = option("auto", _RECIPE_HELP, choices=tuple(RECIPES), many=True)
    model_type: str = option("hd", _MODEL_TYPE_HELP, choices=MODEL_TYPES)
    mask_type: str = option("auto", _MASK_TYPE_HELP, choices=("auto", *MASK_TYPES))

    def recipes(self) -> dict[str, Recipe]:
        """Those asked for, by name, in order."""
        return {name: RECIPES[name] for name in self.recipe.split(",")}

    def reads(self) -> tuple[str, ...]:
        """The photo, and what every recipe asked for reads."""
        return tuple(dict.fromkeys(["person_image", *(c for recipe in self.recipes().values() for c in recipe.reads)]))

    def may_read(self) -> tuple[str, ...]:
        """The category, and what the recipes use where a record has it."""
        return tuple(dict.fromkeys(["category", *(c for recipe in self.recipes().values() for c in recipe.may_read)]))

    def fields(self) -> tuple[pa.Field, ...]:
        return FIELDS + tuple(fields.mask(f"agnostic_mask_{name}") for name in [*self.recipes()][1:])

    def build(self) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
        return Agnostic(self)


class Agnostic:
    def __init__(self, config: Config) -> None:
        self.recipes = config.recipes()
        self.settings = Settings(config.model_type, config.mask_type)
        self.columns = tuple(field.name for field in config.fields())

    def __call__(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The columns of `Config.fields()` per record. Raises ValueError as the recipes do, or when a mask is empty."""
        return [self._annotate(record) for record in records]

    def _annotate(self, record: Mapping[str, Any]) -> dict[str, Any]:
        columns: dict[str, Any] = dict.fromkeys(self.columns)
        plain, *others = self.recipes
        drawn = self._draw(plain, record)
        by = drawn.pop("recipe", plain)
        notes = dict.fromkeys(drawn, f"drawn by {by}") if by != plain else {}
        if drawn:
            columns |= drawn | {"agnostic_image": paint(record["person_image"], drawn["agnostic_mask"])}
        for name in others:
            columns[f"agnostic_mask_{name}"] = self._draw(name, record).get("agnostic_mask")
        for column in (column for column in self.columns if columns[column] is None):
            notes[column] = self._why_null(column, record, by)
        return columns | ({"notes": notes} if notes else {})

    def _why_null(self, column: str, record: Mapping[str, Any], by: str) -> str:
        """Also the way on; `by` drew the plain columns."""
        if column == "parse_agnostic" and record.get("category") in self.recipes.get(by, RECIPES[by]).categories:
            return f"recipe {by} doesn't undress the parse; hrviton and vitonhd do"
        name = column.removeprefix("agnostic_mask_") if column.startswith("agnostic_mask_") else by
        if record.get("category") is None:
            return f"recipe {name} goes by the category, which is unknown; --agnostic-recipe auto draws every record"
        categories = ", ".join(RECIPES[name].categories)
        return f"recipe {name} draws {categories} only; --agnostic-recipe auto draws every category"

    def _draw(self, name: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """The recipe's columns; none for a category that it doesn't cover, or has to know and doesn't."""
        recipe, category = self.recipes[name], record.get("category", Category.UPPER_BODY)
        category = recipe.assumed if category is None else category
        if category not in recipe.categories:
            return {}
        drawn = recipe.draw(record, category, self.settings)
        if not drawn["agnostic_mask"].any():
            raise ValueError(f"recipe {name} leaves nothing to repaint")
        return drawn
