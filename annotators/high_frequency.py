"""High-frequency map of a garment (AnyDoor's detail extractor); no weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from annotators.functional.frequency import high_frequency_map
from schemas import fields

READS = ("garment_image", "garment_mask")
FIELDS = (fields.image("high_frequency_map"),)


@dataclass(frozen=True)
class Config:
    def build(self) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
        return annotate


def annotate(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """{"high_frequency_map": uint8 [h w 3]} per record, at the garment photo's size."""
    maps = [high_frequency_map(record["garment_image"], record["garment_mask"]) for record in records]
    return [{"high_frequency_map": picture} for picture in maps]
