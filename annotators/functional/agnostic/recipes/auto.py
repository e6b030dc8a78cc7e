"""HR-VITON's mask, which VITON-HD ships, for upper garments; Dress Code's, which knows all three, for the others."""

from typing import Any

from annotators.functional.agnostic.recipe import Recipe, Record, Settings
from annotators.functional.agnostic.recipes import dresscode, hrviton
from schemas.labels import Category


def chosen(category: str | None) -> str:
    """The name of the recipe that draws a category; without one, clothes count as upper ones, as in VITON-HD."""
    return "hrviton" if category in (Category.UPPER_BODY, None) else "dresscode"


def _draw(record: Record, category: str, settings: Settings) -> dict[str, Any]:
    recipe = {"hrviton": hrviton, "dresscode": dresscode}[chosen(category)].RECIPE
    return recipe.draw(record, category, settings) | {"recipe": chosen(category)}


RECIPE = Recipe(_draw, may_read=dresscode.RECIPE.may_read, assumed=Category.UPPER_BODY)
