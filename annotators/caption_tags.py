"""Captions by IDM-VTON's rule over attribute tags; without tags from the garment's colour and category. No weights.

`garment_caption` is IDM-VTON's V ("Short Sleeve Round Neck T-shirts"), which its garment network hears as "a photo of
V"; `caption` is its test sentence for the person, "model is wearing a V". Without tags: "navy top", "model is wearing a
navy top"; a category that is only assumed is no word of a caption: "navy clothes".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from annotators.common import vocabulary
from annotators.functional import captions
from schemas import fields

READS = ("garment_image",)
MAY_READ = ("tags", "category", "garment_mask")
FIELDS = (fields.text("garment_caption"), fields.text("caption"))


@dataclass(frozen=True)
class Config:
    def build(self) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
        return annotate


def annotate(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """{"garment_caption", "caption"} per record."""
    return [_caption(record) for record in records]


def _caption(record: Mapping[str, Any]) -> dict[str, Any]:
    phrase = captions.tag_caption(record.get("tags") or ())
    if phrase is not None:
        return {"garment_caption": phrase, "caption": captions.person_caption(phrase)}
    category = vocabulary.known_category(record)
    measured = captions.measured_caption(record["garment_image"], record.get("garment_mask"), category)
    return {"garment_caption": measured, "caption": captions.person_caption(measured)}
