"""From a record to what CatVTON's networks take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vton_models.networks import crops, pictures
from vton_models.system import Box, Record, Tokenizer

if TYPE_CHECKING:
    import numpy as np

_GREY = 128


@dataclass(frozen=True)
class Prepare:
    """One record → uint8 tensors at the configured size: person, garment, and mask (255 = repaint) or source_person.

    Photos are stretched, as CatVTON's loaders of data sets do; with `crop`, as its pipeline does with users' photos,
    the person's sides are cut and the garment fitted on white. Where the pipeline cuts out the middle, the crop lies
    where the mask is. Nothing is random: its augmentation is unpublished.
    """

    size: tuple[int, int]
    mask_free: bool
    tokenizer: Tokenizer | None = None
    crop: bool = False

    def __call__(self, record: Record, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """With a tokenizer also input_ids, int64 [n], of the caption ("" where there is none)."""
        box, fit_garment = self.visible(record), pictures.fit_on_white if self.crop else pictures.stretch
        fitted: dict[str, np.ndarray] = {
            "person": self._shown(record["person_image"], box),
            "garment": fit_garment(record["garment_image"], self.size),
        }
        if self.mask_free:
            fitted["source_person"] = self._shown(record["source_person_image"], box)
        else:
            fitted["mask"] = pictures.binary(self._shown(record["agnostic_mask"], box))
        tensors = {name: pictures.to_tensor(picture) for name, picture in fitted.items()}
        if self.tokenizer is not None:
            tensors["input_ids"] = torch.tensor(self.tokenizer(record.get("caption") or ""))
        return tensors

    def seen(self, prepared: Mapping[str, Any]) -> dict[str, Any]:
        """With a mask also the masked person: mid-grey, 0 of −1–1, where the mask is set."""
        if "mask" not in prepared:
            return dict(prepared)
        person = prepared["person"]
        masked = torch.where(prepared["mask"] >= 128, person.new_tensor(_GREY), person)
        return {"person": person, "masked_person": masked, **prepared}

    def visible(self, record: Record) -> Box:
        """The whole photo, or a part of it where the sides are cut."""
        height, width = record["person_image"].shape[:2]
        return crops.of_record(record, self.size) if self.crop else (0, 0, width, height)

    def _shown(self, picture: "np.ndarray", box: Box) -> "np.ndarray":
        """Records are stretched whole, whatever the size of the pictures in them."""
        return pictures.stretch(crops.cut(picture, box) if self.crop else picture, self.size)
