"""From a record to what Magic Clothing's networks take."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from vton_models.networks import crops, pictures
from vton_models.system import INIT_IMAGE, PROMPT, Box, Record, Tokenizer

if TYPE_CHECKING:
    import numpy as np

_GREY = 128


@dataclass(frozen=True)
class Prepare:
    """One record → uint8 tensors at the configured size, garment and garment_mask (255 = garment), and input_ids.

    The person is there where the record has one, and for an inpainting base the mask (255 = repaint). Everything is
    stretched, as Magic Clothing does with garments; of users' photos of persons, with `crop`, the sides are cut.
    Nothing is random: the training code is unpublished.
    """

    size: tuple[int, int]
    tokenizer: Tokenizer
    inpainting: bool = False
    crop: bool = False
    stored: frozenset[str] = frozenset()  # tensors that aren't made, as they are there encoded

    def __call__(self, record: Record, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """input_ids, int64 [n], are those of the prompt or else the caption ("" where there is neither)."""
        fitted: dict[str, np.ndarray] = {}
        if "shown_garment" not in self.stored:
            garment_mask = pictures.stretch(record["garment_mask"], self.size, Image.Resampling.NEAREST)
            fitted["garment"] = pictures.stretch(record["garment_image"], self.size)
            fitted["garment_mask"] = pictures.binary(garment_mask)
        if "person" not in self.stored and record.get("person_image") is not None:
            fitted["person"] = self._shown(record["person_image"], record)
        if self.inpainting:
            fitted["mask"] = pictures.binary(self._shown(record["agnostic_mask"], record))
        if record.get(INIT_IMAGE) is not None:
            fitted["init_image"] = pictures.cover(record[INIT_IMAGE], self.size)
        tensors = {name: pictures.to_tensor(picture) for name, picture in fitted.items()}
        if "input_ids" not in self.stored:
            words = record.get(PROMPT) or record.get("caption") or ""
            tensors["input_ids"] = torch.tensor(self.tokenizer(words))
        return tensors

    def without(self, tensors: frozenset[str]) -> "Prepare":
        """Of records that are read without what these tensors show."""
        return replace(self, stored=self.stored | tensors)

    def seen(self, prepared: Mapping[str, Any]) -> dict[str, Any]:
        """With the garment on mid-grey, 0 of −1–1, and the person with what is repainted in the same grey."""
        garment, grey = prepared["garment"], prepared["garment"].new_tensor(_GREY)
        shown = {"garment": torch.where(prepared["garment_mask"] >= 128, garment, grey)}
        if "mask" in prepared:
            shown["masked_person"] = torch.where(prepared["mask"] >= 128, grey, prepared["person"])
        return {**prepared, **shown}

    def visible(self, record: Record) -> Box:
        """The whole photo, or a part of it where the sides are cut."""
        height, width = record["person_image"].shape[:2]
        return crops.of_record(record, self.size) if self.crop else (0, 0, width, height)

    def _shown(self, picture: "np.ndarray", record: Record) -> "np.ndarray":
        return pictures.stretch(crops.cut(picture, self.visible(record)) if self.crop else picture, self.size)
