"""Sharpness, exposure, areas and perceptual hashes of a record's two photos, for the findings. No weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from annotators.functional import masks, quality
from schemas import fields

READS = ("person_image", "garment_image")
MAY_READ = ("person_mask", "parse", "garment_mask")
FIELDS = (
    fields.struct(
        "quality",
        person_sharpness=pa.float32(),  # variance of the Laplacian at 512 px
        garment_sharpness=pa.float32(),
        person_exposure=pa.float32(),  # mean luma, 0–1
        garment_exposure=pa.float32(),
        person_area=pa.float32(),  # share of the frame, 0–1; null when unknown
        garment_area=pa.float32(),
        person_hash=pa.string(),  # 256-bit pHash, hex
        garment_hash=pa.string(),
    ),
)


@dataclass(frozen=True)
class Config:
    def build(self) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
        return annotate


def annotate(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """{"quality": dict} per record."""
    return [{"quality": _measure(record)} for record in records]


def _measure(record: Mapping[str, Any]) -> dict[str, float | str | None]:
    measured: dict[str, float | str | None] = {}
    areas = {"person": _person_area(record), "garment": _share(record.get("garment_mask"))}
    for role, area in areas.items():
        photo = record[f"{role}_image"]
        measured[f"{role}_sharpness"] = quality.sharpness(photo)
        measured[f"{role}_exposure"] = quality.exposure(photo)
        measured[f"{role}_area"] = area
        measured[f"{role}_hash"] = quality.perceptual_hash(photo)
    return measured


def _person_area(record: Mapping[str, Any]) -> float | None:
    """From the person's mask, else from everything in the parse that isn't background."""
    area = _share(record.get("person_mask"))
    return _share(record.get("parse")) if area is None else area


def _share(mask: np.ndarray | None) -> float | None:
    return None if mask is None else masks.share(mask)
