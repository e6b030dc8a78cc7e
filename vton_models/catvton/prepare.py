"""From a record to what CatVTON's networks take."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vton_models.networks import pictures
from vton_models.system import Box, Record, Tokenizer

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Prepare:
    """One record → uint8 tensors at the configured size: person, garment, and mask (255 = repaint) or source_person.

    Photos are stretched, as CatVTON's loaders of data sets do; with `crop`, as its pipeline does with users' photos,
    the person's sides are cut and the garment fitted on white. Nothing is random: its augmentation is unpublished.
    """

    size: tuple[int, int]
    mask_free: bool
    tokenizer: Tokenizer | None = None
    crop: bool = False

    def __call__(self, record: Record, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """With a tokenizer also input_ids, int64 [n], of the caption ("" where there is none)."""
        fit, fit_garment = pictures.stretch, pictures.stretch
        if self.crop:
            fit, fit_garment = pictures.centre_crop, pictures.fit_on_white
        fitted: dict[str, np.ndarray] = {
            "person": fit(record["person_image"], self.size),
            "garment": fit_garment(record["garment_image"], self.size),
        }
        if self.mask_free:
            fitted["source_person"] = fit(record["source_person_image"], self.size)
        else:
            fitted["mask"] = pictures.binary(fit(record["agnostic_mask"], self.size))
        tensors = {name: pictures.to_tensor(picture) for name, picture in fitted.items()}
        if self.tokenizer is not None:
            tensors["input_ids"] = torch.tensor(self.tokenizer(record.get("caption") or ""))
        return tensors

    def visible(self, record: Record) -> Box:
        """The whole photo, or its middle where the sides are cut."""
        height, width = record["person_image"].shape[:2]
        return pictures.centre((height, width), self.size) if self.crop else (0, 0, width, height)
