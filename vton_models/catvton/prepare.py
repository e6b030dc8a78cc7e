"""From a record to what CatVTON's networks take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
    stored: frozenset[str] = frozenset()  # tensors that aren't made, as they are there encoded

    def __call__(self, record: Record, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """With a tokenizer also input_ids, int64 [n], of the caption ("" where there is none)."""
        fit_garment = pictures.fit_on_white if self.crop else pictures.stretch
        makers: dict[str, Callable[[], np.ndarray]] = {
            "person": lambda: self._shown(record, "person_image"),
            "garment": lambda: fit_garment(record["garment_image"], self.size),
        }
        if self.mask_free:
            makers["source_person"] = lambda: self._shown(record, "source_person_image")
        else:
            makers["mask"] = lambda: pictures.binary(self._shown(record, "agnostic_mask"))
        tensors = {name: pictures.to_tensor(make()) for name, make in makers.items() if name not in self.stored}
        if self.tokenizer is not None and "input_ids" not in self.stored:
            tensors["input_ids"] = torch.tensor(self.tokenizer(record.get("caption") or ""))
        return tensors

    def without(self, tensors: frozenset[str]) -> "Prepare":
        """Of records that are read without what these tensors show."""
        return replace(self, stored=self.stored | tensors)

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

    def _shown(self, record: Record, column: str) -> "np.ndarray":
        """Records are stretched whole, whatever the size of the pictures in them."""
        picture = crops.cut(record[column], self.visible(record)) if self.crop else record[column]
        return pictures.stretch(picture, self.size)
