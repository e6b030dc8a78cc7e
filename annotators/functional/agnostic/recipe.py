"""What a file of `recipes` declares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from schemas.labels import Category

MODEL_TYPES = ("hd", "dc")
MASK_TYPES = ("upper", "lower", "overall", "inner", "outer")
EVERY_CATEGORY = tuple(Category)

REGIONS = {"upper": Category.UPPER_BODY, "lower": Category.LOWER_BODY, "overall": Category.DRESSES}

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Settings:
    """What a user may choose: the form of a recipe that has two, and AutoMasker's region ("auto": by category)."""

    model_type: str = "hd"
    mask_type: str = "auto"


@dataclass(frozen=True)
class Recipe:
    """How the `agnostic` annotator calls a recipe.

    `draw` takes a record (a dict of columns, of which it reads `reads` and, where present, `may_read`), the garment's
    category and the settings, and returns `agnostic_mask` at the photo's size and, if the recipe has one,
    `parse_agnostic`; one that leaves the drawing to others names which as "recipe". Raises ValueError for a record it
    can't draw. `regions` names what one may ask for of a photo without a record: mask type → category.
    """

    draw: Callable[[Record, str, Settings], dict[str, Any]]
    reads: tuple[str, ...] = ("parse", "keypoints")
    may_read: tuple[str, ...] = ()
    categories: tuple[Category, ...] = EVERY_CATEGORY  # of others the recipe says nothing: null
    regions: Mapping[str, Category] = field(default_factory=lambda: dict(REGIONS))
    assumed: Category | None = None  # of records whose category is null

    @property
    def by_category(self) -> bool:
        """Whether a record's category decides what is drawn, so that it can't be left out."""
        return len(self.categories) > 1 and self.assumed is None


def undressing(draw_mask: Callable[..., np.ndarray], draw_parse: Callable[..., np.ndarray]) -> Recipe:
    """A recipe for upper garments that also undresses the parse."""

    def draw(record: Record, category: str, settings: Settings) -> dict[str, np.ndarray]:
        inputs = record["parse"], record["keypoints"]
        return {"agnostic_mask": draw_mask(*inputs), "parse_agnostic": draw_parse(*inputs)}

    upper = Category.UPPER_BODY
    return Recipe(draw, categories=(upper,), regions={"upper": upper}, assumed=upper)


def check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raises ValueError naming the value and what is allowed."""
    if value not in allowed:
        raise ValueError(f"{name} {value!r}; allowed are {', '.join(allowed)}")


def check_label_map(name: str, label_map: np.ndarray) -> None:
    """Raises ValueError for anything but a label map uint8 [h w] with pixels."""
    if label_map.ndim != 2 or label_map.dtype != np.uint8 or not label_map.size:
        raise ValueError(f"{name} is {label_map.dtype} {label_map.shape}; allowed is uint8 [h w]")
