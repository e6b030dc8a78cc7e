"""Captions from attribute tags (IDM-VTON's rule), or without tags from the garment's measured colour and category."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from schemas.labels import Category

TAGS = ("sleeveLength", "neckLine", "item")  # IDM-VTON's order, whatever the tags' own
CATEGORY_WORDS: dict[str, str] = {Category.UPPER_BODY: "top", Category.LOWER_BODY: "bottoms", Category.DRESSES: "dress"}
UNKNOWN = "clothes"
# One garment by a plural word, which takes no article. Shirts aren't among them: IDM-VTON's "a Short Sleeve T-shirts"
# is what its models are asked for.
_PLURAL = frozenset({
    CATEGORY_WORDS[Category.LOWER_BODY], UNKNOWN, "pants", "trousers", "jeans", "leggings", "jeggings", "tights",
    "slacks", "shorts", "joggers", "sweatpants", "chinos", "culottes", "cargos", "capris", "bermudas", "pantaloons",
    "overalls", "dungarees", "pajamas", "pyjamas", "briefs", "trunks", "stockings", "underpants", "breeches",
})  # fmt: skip

# sRGB, chosen by us: the middle of what shops call so
COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (28, 28, 30), "dark grey": (78, 78, 80), "grey": (138, 138, 140), "light grey": (198, 198, 200),
    "white": (246, 246, 246), "cream": (240, 230, 208), "beige": (214, 190, 160), "brown": (112, 74, 48),
    "red": (190, 30, 40), "burgundy": (105, 30, 45), "coral": (232, 110, 96), "pink": (232, 150, 175),
    "magenta": (200, 40, 120), "orange": (240, 125, 30), "mustard": (200, 150, 40), "yellow": (245, 215, 60),
    "olive": (100, 100, 60), "green": (40, 130, 70), "dark green": (25, 65, 48), "mint": (165, 220, 195),
    "teal": (25, 125, 130), "light blue": (155, 195, 230), "blue": (45, 90, 180), "navy": (28, 36, 66),
    "purple": (100, 55, 140), "lavender": (185, 165, 215),
}  # fmt: skip


def tag_caption(tags: Sequence[Mapping[str, str | None]]) -> str | None:
    """Sleeve length, neck line and item of tags {"name", "value"}, as IDM-VTON captions VITON-HD; None without any.

    A tag that occurs twice is said twice, as upstream's reader does; words keep their case.
    """
    values = [" ".join((tag["value"] or "").split()) for name in TAGS for tag in tags if tag["name"] == name]
    return " ".join(filter(None, values)) or None


def measured_caption(garment_image: np.ndarray, garment_mask: np.ndarray | None, category: str | None) -> str:
    """Colour and category word, such as "navy top", of a garment photo [h w 3] with its mask [h w], if known."""
    word = CATEGORY_WORDS.get(category, UNKNOWN) if category else UNKNOWN
    if garment_mask is None:
        return word
    colour = colour_name(garment_image, garment_mask)
    return f"{colour} {word}" if colour else word


def person_caption(garment_caption: str) -> str:
    """IDM-VTON's test sentence for a person, "model is wearing a V", with the article that the words of V take."""
    *_, last = garment_caption.casefold().split()
    if last in _PLURAL:
        return f"model is wearing {garment_caption}"
    return f"model is wearing {'an' if garment_caption[0] in 'aeiouAEIOU' else 'a'} {garment_caption}"


def colour_name(image: np.ndarray, mask: np.ndarray) -> str | None:
    """The colour of `COLOURS` that most pixels inside the mask [h w] are nearest to in Lab; None for an empty mask.

    Measured on a picture reduced to at most 256 pixels a side.
    """
    step = max(1, max(mask.shape) // 256)
    inside = image[::step, ::step][mask[::step, ::step] > 0]
    if not len(inside):
        return None
    packed, counts = np.unique(inside @ np.array([1 << 16, 1 << 8, 1], np.int32), return_counts=True)
    distinct = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1).astype(np.uint8)
    difference = _lab(distinct)[:, None] - _lab(np.array(list(COLOURS.values()), np.uint8))
    distances = np.sqrt(sum(difference[..., channel] ** 2 for channel in range(3)))
    return list(COLOURS)[np.bincount(distances.argmin(axis=1), counts).argmax()]


def _lab(colours: np.ndarray) -> np.ndarray:
    """CIE Lab float32 [n 3] (L 0–100) of RGB uint8 [n 3]."""
    return np.asarray(cv2.cvtColor(colours[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0])
