"""Findings about what a record says of itself: its category against its parse, its words, and what the dataset shipped.

Areas come from `quality`, what was shipped from the notes in `provenance`. What isn't known is not a finding.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pipelines.judging.health import Check, judge
from schemas import codecs, record
from schemas.labels import Category

# `has_tags`: whether `tags` is set; None where the shards have no such column.
COLUMNS = ("quality", "category", "garment_type", "paired", "provenance", "has_tags")

AREAS: dict[str, str] = {
    Category.UPPER_BODY: "upper_area",
    Category.LOWER_BODY: "lower_area",
    Category.DRESSES: "dress_area",
}
# What a garment of the category is tried on in place of: tunics are parsed as dresses (VITON-HD's recipes take both),
# and a dress takes the place of blouse and skirt.
REPLACED: dict[str, tuple[str, ...]] = {
    Category.UPPER_BODY: ("upper_area", "dress_area"),
    Category.LOWER_BODY: ("lower_area",),
    Category.DRESSES: ("dress_area", "upper_area", "lower_area"),
}
# Of the frame. The five parses of VITON-HD here show 0.11 to 0.19 of upper clothes and 0.12 to 0.17 of trousers; a
# person at a third of their size has 0.04 of each. Below the first is speckle: 16 x 16 pixels of a 192 x 256 parse.
LEAST_WORN = 0.005
LEAST_INSTEAD = 0.03
# How the notes begin that findings are about; of other notes there may be ten a record.
BEGINNINGS = (
    record.WRONG_SIZE,
    record.SHIPPED_UNREADABLE,
    record.INVERTED,
    record.OTHER_SPACE,
    record.OFF_PERSON,
    record.TORN,
    record.MASK_AGAINST_ALPHA,
    record.ALPHA_LEFT_OUT,
    record.SIDES_ASSUMED,
    record.ASSUMED_CATEGORY,
    codecs.WHOLLY_TRANSPARENT,
)
NOT_A_MASK = "not a mask"  # how `schemas.codecs` refuses a photo in a mask's place


def findings(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows of findings.parquet for a record with `record_id` and COLUMNS."""
    return judge(row, CHECKS if row.get("provenance") else _OF_VALUES)


def _parse_without_garment(row: Mapping[str, Any]) -> str:
    area = _area(row, REPLACED.get(row.get("category") or "", ()))
    if area is None or area >= LEAST_WORN or _wrong_category(row):
        return ""
    return f"only {area:.3f} of the frame is parsed as {row['category']}, below {LEAST_WORN:g}"


def _wrong_category(row: Mapping[str, Any]) -> str:
    """Only where the person wears this garment: over a dress, a blouse may be tried on."""
    name = AREAS.get(row.get("category") or "") if row.get("paired") else None
    worn = _area(row, (name,)) if name else None
    if worn is None or worn >= LEAST_WORN:
        return ""
    areas = {category: _area(row, (name,)) for category, name in AREAS.items()}
    instead = [f"{category} on {area:.3f}" for category, area in areas.items() if area and area >= LEAST_INSTEAD]
    return f"the parse shows {' and '.join(instead)} of the frame, but no {row['category']}" if instead else ""


def _area(row: Mapping[str, Any], names: Sequence[str]) -> float | None:
    """The share of the frame that the parse gives to these garments; None when unknown."""
    areas = [(row.get("quality") or {}).get(name) for name in names]
    known = [area for area in areas if area is not None]
    return sum(known) if known else None


def _unknown_category(row: Mapping[str, Any]) -> str:
    if row.get("category") is not None or not row.get("garment_type"):
        return ""
    return f"garment_type {row['garment_type']!r} belongs to none of {', '.join(Category)}"


def _garment_without_tags(row: Mapping[str, Any]) -> str:
    return "other garments of these shards have tags, this one has none" if row.get("has_tags") is False else ""


def _unreadable_annotation(row: Mapping[str, Any]) -> str:
    notes = _noted(row, record.SHIPPED_UNREADABLE)
    return "; ".join(f"{column}: {note}" for column, note in notes if not _is_photo(column, note))


def _keypoints_off_person(row: Mapping[str, Any]) -> str:
    return "; ".join(note for column, note in _noted(row, record.OFF_PERSON) if column == "keypoints")


def _said(beginning: str) -> Callable[[Mapping[str, Any]], str]:
    """A test for notes that begin so, of whichever column."""
    return lambda row: "; ".join(f"{column}: {note}" for column, note in _noted(row, beginning))


def _agnostic_mask_is_photo(row: Mapping[str, Any]) -> str:
    notes = _noted(row, record.SHIPPED_UNREADABLE)
    return "; ".join(note for column, note in notes if _is_photo(column, note))


def _is_photo(column: str, note: str) -> bool:
    """Unofficial copies of VITON-HD hold the grey agnostic photo in the mask's place (yisol/IDM-VTON#71, #185)."""
    return column.startswith("agnostic_mask") and NOT_A_MASK in note


def _noted(row: Mapping[str, Any], beginning: str) -> Iterator[tuple[str, str]]:
    """(column, note) from where the note begins so; settings of an annotator may stand before it."""
    assert beginning in BEGINNINGS, "findings are asked about these notes only"
    for entry in row.get("provenance") or ():
        _, separator, rest = (entry["note"] or "").partition(beginning)
        if separator:
            yield entry["column"], f"{separator}{rest}"


# What a note in the provenance says, whatever the record is of.
OF_ANY_KIND = (
    Check("wrong_size", "warning", _said(record.WRONG_SIZE)),
    Check("unreadable_annotation", "warning", _unreadable_annotation),
    Check("transparent_picture", "warning", _said(codecs.WHOLLY_TRANSPARENT)),
)
_OF_VALUES = (
    Check("parse_without_garment", "warning", _parse_without_garment),
    Check("wrong_category", "warning", _wrong_category),
    Check("unknown_category", "warning", _unknown_category),
    Check("garment_without_tags", "info", _garment_without_tags),
)
CHECKS = (
    *_OF_VALUES,
    *OF_ANY_KIND,
    Check("agnostic_mask_is_photo", "warning", _agnostic_mask_is_photo),
    Check("inverted_mask", "warning", _said(record.INVERTED)),
    Check("contradicting_masks", "warning", _said(record.MASK_AGAINST_ALPHA)),
    Check("torn_garment_mask", "warning", _said(record.TORN)),
    Check("alpha_not_mask", "info", _said(record.ALPHA_LEFT_OUT)),
    Check("label_space", "warning", _said(record.OTHER_SPACE)),
    Check("keypoints_off_person", "warning", _keypoints_off_person),
    Check("sides_assumed", "warning", _said(record.SIDES_ASSUMED)),
    Check("assumed_category", "warning", _said(record.ASSUMED_CATEGORY)),
)
KINDS = tuple(check.kind for check in CHECKS)
