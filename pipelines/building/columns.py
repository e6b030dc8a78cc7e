"""Which columns follow from a file, or from another column."""

from collections.abc import Iterable

# A shipped half of a pair decides the other.
HALVES = {"agnostic_image": "agnostic_mask", "agnostic_mask": "agnostic_image"}

# What a file fills that isn't one column alone. A DensePose part map and its UV are two files; together they are
# `densepose`, and the map alone is enough for the picture.
_FILLS: dict[str, tuple[str, ...]] = {
    "keypoints": ("keypoints", "keypoints_face", "keypoints_hands"),
    "parse_atr": ("parse_atr", "parse"),
    "parse_lip": ("parse_lip", "parse"),
    "densepose": ("densepose", "densepose_image"),
    "densepose_parts": ("densepose", "densepose_image"),
    "densepose_uv": ("densepose",),
}


DERIVED = frozenset({"parse", "densepose_image"})  # made from other shipped columns where they aren't shipped


_PERHAPS = frozenset({"keypoints_face", "keypoints_hands"})  # only the file itself tells


def columns_of(reference: str) -> tuple[str, ...]:
    """The columns that one referenced file may fill, those derived from it included."""
    return _FILLS.get(reference, (reference,))


def promised(references: Iterable[str]) -> frozenset[str]:
    """The columns that a record with these references gets from its files if all of them can be read."""
    names = frozenset(references)
    filled = frozenset(column for name in names for column in columns_of(name)) - _PERHAPS
    return filled - {"densepose"} if "densepose" not in names and "densepose_uv" not in names else filled
