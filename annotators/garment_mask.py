"""Garment foreground of a flat garment photo, by colour distance from its background; no weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from annotators.common.options import option
from annotators.functional.garment_mask import garment_mask
from schemas import fields

READS = ("garment_image",)
FIELDS = (fields.mask("garment_mask"),)


@dataclass(frozen=True)
class Config:
    refine: bool = option(False, "refine the edge with GrabCut: about a second more per garment")

    def build(self) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
        return GarmentMask(self)


class GarmentMask:
    def __init__(self, config: Config) -> None:
        self.refine = config.refine

    def __call__(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """{"garment_mask": uint8 [h w] 0/255} per record. Raises ValueError when nothing stands out."""
        return [{"garment_mask": garment_mask(record["garment_image"], self.refine)} for record in records]
