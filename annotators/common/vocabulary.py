"""Words for garments: the eleven fields of IDM-VTON's tag files, in order, the values of each, and how to say them.

The vocabulary is our own. It holds every value that specs/idm_vton.md section 3 and the sample tag files name, spelt
as they spell it, since captions are composed from the values; the rest are common words of the trade. A value comes
with the phrase that goes into the prompts of a text and image model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.labels import Category

UPPER, LOWER, DRESSES = Category.UPPER_BODY, Category.LOWER_BODY, Category.DRESSES
EVERYWHERE = (UPPER, LOWER, DRESSES)


@dataclass(frozen=True)
class Field:
    """One kind of tag: `values` maps each value to its phrase, `prompts` are sentences around a phrase.

    `absent` are phrases for garments on which the field has no value; `categories` those on which it can have one.
    """

    name: str
    values: dict[str, str]
    prompts: tuple[str, ...]
    absent: tuple[str, ...] = ()
    categories: tuple[Category, ...] = EVERYWHERE

    def sentences(self, phrase: str) -> list[str]:

        return [prompt.format(phrase) for prompt in self.prompts]

    def phrases(self) -> list[tuple[str | None, str]]:

        return [*self.values.items(), *((None, phrase) for phrase in self.absent)]


ITEMS_BY_CATEGORY = {
    UPPER: {
        "T-shirts": "a t-shirt", "Blouse": "a blouse", "Shirts": "a button-up shirt", "Tank Top": "a tank top",
        "Camisole": "a camisole with thin straps", "Bra Top": "a bra top", "Crop Top": "a crop top",
        "Tube Top": "a tube top", "Halter Top": "a halter top", "Body Suit": "a bodysuit",
        "Polo Shirts": "a polo shirt", "Sweatshirt": "a sweatshirt", "Hoodie": "a hoodie",
        "Knitwear": "a knitted jumper", "Sweater": "a sweater", "Cardigan": "a cardigan", "Vest": "a vest",
        "Jacket": "a jacket", "Blazer": "a blazer", "Denim Jacket": "a denim jacket",
        "Padded Jacket": "a padded puffer jacket", "Coat": "a coat", "Trench Coat": "a trench coat",
        "Tunic": "a tunic",
    },
    LOWER: {
        "Pants": "trousers", "Jeans": "jeans", "Leggings": "leggings", "Jogger Pants": "jogging trousers",
        "Slacks": "tailored slacks", "Shorts": "shorts", "Skirt": "a skirt", "Denim Skirt": "a denim skirt",
        "Pleated Skirt": "a pleated skirt",
    },
    DRESSES: {
        "Dress": "a dress", "Shirt Dress": "a shirt dress", "Slip Dress": "a slip dress", "Jumpsuit": "a jumpsuit",
        "Playsuit": "a playsuit", "Overalls": "dungarees", "One piece Swimsuit": "a one-piece swimsuit",
    },
}  # fmt: skip

_OBJECT = ("a photo of {}.", "a product photo of {}.", "{}, an item of clothing on a white background.")
_DETAIL = ("a photo of a garment with {}.", "a product photo of a garment with {}.")
_ADJECTIVE = ("a photo of {} clothing.", "a product photo of {} clothing.")

ITEM = Field("item", {name: phrase for items in ITEMS_BY_CATEGORY.values() for name, phrase in items.items()}, _OBJECT)

DETAILS = Field(
    "details",
    {
        "Embroidery": "embroidery", "Drop shoulder": "drop shoulders", "Pockets": "pockets",
        "See through": "see-through fabric", "unbalanced": "an asymmetric hem", "Patchwork": "patchwork",
        "Buckle": "a buckle", "Button": "buttons", "Zip up": "a zip", "Ruffle": "ruffles", "Frill": "frills",
        "Lace trim": "lace trim", "Ribbon": "a ribbon bow", "String": "drawstrings", "Belted": "a belt",
        "Pleats": "pleats", "Shirring": "shirring", "Puff sleeve": "puff sleeves", "Bell sleeve": "bell sleeves",
        "Roll up": "rolled-up cuffs", "Cut out": "cut-outs", "Slit": "a slit", "Fringe": "fringes", "Beads": "beads",
        "Sequins": "sequins", "Studs": "metal studs", "Wrap": "a wrapped front", "Backless": "an open back",
        "Off shoulder": "off-the-shoulder sleeves", "One shoulder": "one bare shoulder", "Hooded": "a hood",
        "Quilted": "quilting", "Distressed": "ripped and worn patches", "Contrast trim": "contrasting trim",
    },
    _DETAIL,
    absent=("no decoration", "a plain smooth front"),
)  # fmt: skip

LOOKS = Field(
    "looks",
    {
        "Casual": "casual", "Resort": "resort style beach holiday", "Formal": "formal business", "Sporty": "sporty",
        "Feminine": "feminine romantic", "Street": "streetwear", "Classic": "classic timeless",
        "Party": "party evening", "Bohemian": "bohemian folk",
    },
    _ADJECTIVE,
)  # fmt: skip

COLORS = Field(
    "colors",
    {
        "Black": "black", "White": "white", "Grey": "grey", "Ivory": "ivory", "Beige": "beige", "Brown": "brown",
        "Red": "red", "Wine": "wine red", "Pink": "pink", "Orange": "orange", "Yellow": "yellow", "Green": "green",
        "Khaki": "khaki", "Mint": "mint green", "Blue": "blue", "Sky Blue": "sky blue", "Navy": "navy blue",
        "Purple": "purple", "Lavender": "lavender", "Gold": "golden", "Silver": "silver",
    },
    _ADJECTIVE,
)  # fmt: skip

PRINTS = Field(
    "prints",
    {
        "Solid": "a single plain colour", "lettering": "printed lettering", "graphic": "a printed graphic picture",
        "Floral": "a floral print", "Stripe": "stripes", "Check": "a checked plaid pattern", "Dot": "polka dots",
        "Leopard": "a leopard print", "Zebra": "a zebra print", "Snake skin": "a snake skin print",
        "Camouflage": "a camouflage pattern", "Geometric": "a geometric pattern", "Paisley": "a paisley pattern",
        "Tie dye": "a tie-dye pattern", "Gradation": "a colour gradient",
        "Color block": "blocks of different colours",
    },
    _DETAIL,
)  # fmt: skip

TEXTURES = Field(
    "textures",
    {
        "Cotton": "cotton jersey", "Synthetic": "smooth synthetic fabric", "Spandex": "stretchy spandex",
        "Knit": "knitted wool", "Denim": "denim", "Linen": "linen", "Silk": "silk satin", "Chiffon": "sheer chiffon",
        "Lace": "lace", "Velvet": "velvet", "Leather": "leather", "Suede": "suede", "Corduroy": "corduroy",
        "Wool": "woven wool", "Fur": "fur", "Mesh": "mesh", "Padding": "padded nylon", "Jacquard": "jacquard",
    },
    ("a photo of a garment made of {}.", "a close look at clothing made of {}."),
)  # fmt: skip

SLEEVE_LENGTH = Field(
    "sleeveLength",
    {
        "Long Sleeve": "long-sleeved", "Short Sleeve": "short-sleeved", "Sleeveless": "sleeveless",
        "Cropped Sleeve": "three-quarter-sleeved",
    },
    _ADJECTIVE,
    categories=(UPPER, DRESSES),
)  # fmt: skip

LENGTH = Field(
    "length",
    {
        "normal": "a regular length", "cropped": "a short cropped hem above the waist", "long": "a long hem",
        "mini": "a mini length above the knees", "midi": "a midi length below the knees",
        "maxi": "a maxi length down to the feet", "ankle": "an ankle length",
    },
    _DETAIL,
)  # fmt: skip

NECK_LINE = Field(
    "neckLine",
    {
        "Round Neck": "a round crew neckline", "V Neck": "a V-shaped neckline",
        "U Neck": "a deep U-shaped scoop neckline", "Shirt Collar": "a shirt collar",
        "Turtle Neck": "a high turtleneck", "Mock Neck": "a low stand-up mock neck",
        "Square Neck": "a square neckline", "Boat Neck": "a wide boat neckline",
        "Off Shoulder": "an off-shoulder neckline", "Halter Neck": "a halter neckline",
        "Strapless": "a strapless neckline", "Sweetheart Neck": "a sweetheart neckline", "Hood": "a hood",
        "Polo Collar": "a polo collar", "Tailored Collar": "notched lapels", "Bow Neck": "a bow tied at the neck",
    },
    _DETAIL,
    categories=(UPPER, DRESSES),
)  # fmt: skip

FIT = Field(
    "fit",
    {"normal-fit": "regular fit", "tight-fit": "tight figure-hugging", "loose-fit": "loose oversized"},
    _ADJECTIVE,
)

SHAPE = Field(
    "shape",
    {
        "A-line": "A-line", "H-line": "straight-cut", "Mermaid": "mermaid-shaped", "Flare": "flared",
        "Pencil": "pencil-shaped", "Wide": "wide-legged", "Skinny": "skinny", "Boot cut": "boot-cut",
    },
    _ADJECTIVE,
    categories=(LOWER, DRESSES),
)  # fmt: skip

# The order of the tag files, which readers rely on.
FIELDS: tuple[Field, ...] = (
    ITEM, DETAILS, LOOKS, COLORS, PRINTS, TEXTURES, SLEEVE_LENGTH, LENGTH, NECK_LINE, FIT, SHAPE,
)  # fmt: skip
NAMES: tuple[str, ...] = tuple(field.name for field in FIELDS)


def known_category(record: Mapping[str, Any]) -> str | None:
    """The record's category; None where it is only assumed, as `annotators.category` says."""
    return None if record.get("category_assumed") else record.get("category")


def category_of(item: str) -> Category:
    """What a garment called `item` covers. Raises ValueError for a word that isn't one of the items."""
    for category, items in ITEMS_BY_CATEGORY.items():
        if item in items:
            return category
    raise ValueError(f"unknown item {item!r}; allowed are {', '.join(ITEM.values)}")
