"""The wardrobe: what each garment is, cut from which cloth, and the tags that describe it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.drawing.bodies import V_CHEST, V_WAIST, Body
from pipelines.drawing.cloth import Cloth
from schemas.labels import Category, Cihp

SLEEVES = {"Sleeveless": 0.0, "Short Sleeve": 0.62, "Cropped Sleeve": 1.62, "Long Sleeve": 2.24}
EASE = {"slim-fit": 0.025, "normal-fit": 0.05, "loose-fit": 0.1}
_CUT_STRAIGHT = {"slim-fit": 0.1, "normal-fit": 0.5, "loose-fit": 0.95}  # how little the side seams follow the waist
_LABELS = {"top": Cihp.UPPER_CLOTHES, "dress": Cihp.DRESS, "pants": Cihp.PANTS, "skirt": Cihp.SKIRT}
_CATEGORIES = {"top": Category.UPPER_BODY, "dress": Category.DRESSES}
CATEGORY_NAMES = {Category.UPPER_BODY: "TOPS", Category.LOWER_BODY: "BOTTOMS", Category.DRESSES: "DRESSES"}


@dataclass(frozen=True)
class Garment:
    """`hem` is the height (trunk coordinates) where it ends, `flare` how fast a skirt widens, `tags` what names it."""

    kind: str
    cloth: Cloth
    item: str
    colour: str
    prints: str = "Solid"
    sleeve: str | None = None
    neckline: str | None = None
    fit: str = "normal-fit"
    hem: float = 2.35
    flare: float = 0.0
    details: str | None = None
    looks: str | None = "Casual"
    leg: str = "straight"

    @property
    def label(self) -> int:
        return int(_LABELS[self.kind])

    @property
    def category(self) -> Category:
        return _CATEGORIES.get(self.kind, Category.LOWER_BODY)

    @property
    def sleeve_length(self) -> float:
        """Along the arm, head heights."""
        return SLEEVES.get(self.sleeve or "Sleeveless", 0.0)

    @property
    def top(self) -> float:
        """Where the cloth begins, trunk coordinates."""
        return 1.36 if self.kind in ("pants", "skirt") else -0.05

    def half_width(self, body: Body, v: np.ndarray | float) -> np.ndarray:
        """Of the worn garment at height v, head heights."""
        v = np.asarray(v, np.float64)
        ease = EASE[self.fit]
        close = body.half_width(v)
        if self.flare:
            below = np.maximum(v - V_WAIST, 0)
            return np.asarray(np.maximum(close + ease * 0.6, body.waist + ease * 0.6 + self.flare * below))
        straight = np.maximum(body.chest, min(body.hip, float(body.half_width(self.hem))))
        blend = _CUT_STRAIGHT[self.fit] * np.clip((v - V_CHEST) / 0.4, 0, 1)
        return np.asarray(close * (1 - blend) + np.maximum(close, straight) * blend + ease)

    def tag_values(self) -> dict[str, str | None]:
        """The eleven tags in the order of VITON-HD's tag files."""
        length = {"top": "normal", "dress": "midi", "pants": "long", "skirt": "midi"}[self.kind]
        if self.kind == "top" and self.hem < 1.9:
            length = "cropped"
        return {
            "item": self.item, "details": self.details, "looks": self.looks, "colors": self.colour,
            "prints": self.prints, "textures": self.cloth.material, "sleeveLength": self.sleeve, "length": length,
            "neckLine": self.neckline, "fit": self.fit, "shape": "A-line" if self.flare else None,
        }  # fmt: skip


NAVY, WHITE, CREAM, BLACK = (38, 50, 84), (244, 243, 240), (240, 230, 208), (40, 40, 44)
RED, TEAL, MUSTARD, SAGE = (186, 46, 52), (42, 120, 122), (214, 162, 58), (142, 162, 128)
PINK, LILAC, SKY, DENIM = (232, 158, 168), (172, 152, 204), (138, 182, 216), (74, 98, 138)
CAMEL, GREEN, PURPLE, GREY = (186, 144, 100), (52, 92, 66), (92, 62, 116), (150, 152, 158)

_FLOWERS = ((208, 74, 88), (238, 168, 96), (84, 124, 84), (250, 220, 110))


def _top(cloth: Cloth, item: str, colour: str, prints: str, sleeve: str, neckline: str, **more: Any) -> Garment:
    return Garment(
        "top", cloth, item, colour, prints, f"{sleeve} Sleeve".replace("less Sleeve", "less"), neckline, **more
    )


GARMENTS: dict[str, Garment] = {
    "00001_00": _top(Cloth("stripes", (WHITE, NAVY), 0.21), "T-shirts", "White", "Stripe", "Short", "Round Neck"),
    "00002_00": _top(
        Cloth("tartan", ((176, 44, 50), (70, 22, 34), (240, 214, 160), (28, 40, 60)), 0.42), "Shirts", "Red", "Check",
        "Long", "Shirt Collar", details="Buttons", fit="loose-fit", hem=2.5,
    ),
    "00003_00": _top(
        Cloth("solid", (TEAL, CREAM), motif="HELLO", motif_width=0.74), "Tank Top", "Green", "lettering", "Sleeveless",
        "U Neck", fit="slim-fit", hem=2.25,
    ),
    "00004_00": _top(
        Cloth("solid", ((206, 204, 200),), motif="sun", motif_width=0.74, trim=(168, 168, 170)), "Sweatshirt", "Grey",
        "graphic", "Long", "Round Neck", fit="loose-fit", hem=2.3, details="Rib trim",
    ),
    "00005_00": _top(
        Cloth("dots", ((196, 54, 70), WHITE), 0.17), "T-shirts", "Red", "Dot", "Short", "V Neck", fit="slim-fit",
        hem=2.15
    ),
    "00006_00": _top(
        Cloth("floral", (CREAM, *_FLOWERS), 0.36), "Blouse", "Beige", "Floral", "Cropped", "V Neck", hem=2.2,
        looks="Romantic"
    ),
    "00007_00": _top(
        Cloth("solid", (MUSTARD, (52, 40, 36)), motif="NO RAIN", motif_width=0.66),
        "T-shirts", "Yellow", "lettering", "Short",
        "Round Neck", fit="loose-fit", hem=2.42,
    ),
    "00008_00": _top(
        Cloth("stripes", (GREEN, CREAM, (200, 110, 60)), 0.5, material="Knit"), "Knitwear", "Green", "Stripe", "Long",
        "Turtle Neck", fit="slim-fit", hem=2.3,
    ),
    "00009_00": _top(
        Cloth("blocks", (WHITE, SKY, NAVY), 1.05, trim=NAVY), "Polo Shirts", "Blue", "Color Block", "Short",
        "Shirt Collar",
        details="Buttons", hem=2.35, looks="Sporty",
    ),
    "00010_00": _top(
        Cloth("diagonal", (LILAC, WHITE, PURPLE), 0.34), "T-shirts", "Lavender", "Stripe", "Short", "Round Neck",
        hem=1.8,
        fit="loose-fit",
    ),
    "00011_00": Garment(
        "pants", Cloth("solid", (DENIM,), material="Denim", trim=(196, 150, 86)), "Jeans", "Blue", details="Pockets",
        fit="slim-fit", hem=5.5,
    ),
    "00012_00": Garment(
        "skirt", Cloth("gingham", (WHITE, (52, 108, 88)), 0.2), "Skirt", "Green", "Check", hem=3.65, flare=0.32
    ),
    "00013_00": Garment(
        "pants", Cloth("tartan", (CAMEL, (120, 88, 60), CREAM, (60, 50, 52)), 0.4), "Pants", "Camel", "Check", hem=5.5,
        looks="Classic", details="Pockets", leg="wide",
    ),
    "00014_00": Garment(
        "skirt", Cloth("floral", (NAVY, PINK, SKY, SAGE, CREAM), 0.34), "Skirt", "Navy", "Floral", hem=3.9, flare=0.22,
        looks="Romantic",
    ),
    "00015_00": Garment(
        "dress", Cloth("dots", (NAVY, WHITE), 0.2), "Dress", "Navy", "Dot", "Sleeveless", "Round Neck", hem=3.75,
        flare=0.3,
        fit="slim-fit",
    ),
    "00016_00": Garment(
        "dress", Cloth("floral", ((246, 214, 206), (214, 84, 108), (244, 150, 96), (96, 138, 96), (250, 226, 120)),
        0.4),
        "Dress", "Pink", "Floral", "Short Sleeve", "V Neck", hem=3.95, flare=0.26, looks="Romantic",
    ),
    "00017_00": Garment(
        "dress", Cloth("gingham", (WHITE, (196, 66, 66)), 0.17), "Dress", "Red", "Check", "Long Sleeve", "Shirt Collar",
        hem=3.5, flare=0.3, details="Buttons", fit="slim-fit",
    ),
    "00018_00": Garment(
        "dress", Cloth("pinstripes", (SAGE, CREAM), 0.16, motif="heart", motif_width=0.36), "Dress", "Green", "Stripe",
        "Short Sleeve", "U Neck", hem=3.6, flare=0.2, fit="slim-fit",
    ),
}  # fmt: skip
