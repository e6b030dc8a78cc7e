"""From a record to what IDM-VTON's networks take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vton_models.idm_vton import captions
from vton_models.idm_vton.augment import augment
from vton_models.networks import crops, image_encoder, pictures
from vton_models.system import Box, Purpose, Record, Tokenizer

_GREY = 128
_GUIDED = (Purpose.RECORDS, Purpose.PHOTOS)  # where captions say "a"


@dataclass(frozen=True)
class Prepare:
    """One record → uint8 tensors: person, mask (255 = repaint), pose, garment, and the garment for the image encoder.

    Photos are stretched, as upstream's loaders do with data sets; users' photos lose their sides, as in its demo, but
    where the mask is. Training is augmented.
    """

    size: tuple[int, int]
    prompt_size: int
    captions: str
    tokenizer: Tokenizer
    purpose: Purpose

    def __call__(self, record: Record, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Also input_ids and garment_input_ids, int64 [n]: the person's and the garment's sentence."""
        box = self.visible(record)
        fitted = {
            "person": self._shown(record["person_image"], box),
            "mask": pictures.binary(self._shown(record["agnostic_mask"], box)),
            "pose": self._shown(record["densepose_image"], box),
            "garment": self._stretched(record["garment_image"]),
        }
        if self.purpose is Purpose.TRAINING and generator is not None:
            fitted = augment(fitted, generator)
        fitted["garment_prompt"] = image_encoder.shown(fitted["garment"], self.prompt_size)
        tensors = {name: pictures.to_tensor(picture) for name, picture in fitted.items()}
        of_garment, of_person = captions.sentences(record, self.captions, self.purpose in _GUIDED)
        tensors["input_ids"] = torch.tensor(self.tokenizer(of_person))
        tensors["garment_input_ids"] = torch.tensor(self.tokenizer(of_garment))
        return tensors

    def seen(self, prepared: Mapping[str, Any]) -> dict[str, Any]:
        """Also the masked person: mid-grey, 0 of −1–1, where the mask is set."""
        person = prepared["person"]
        masked = torch.where(prepared["mask"] >= 128, person.new_tensor(_GREY), person)
        return {"person": person, "masked_person": masked, **prepared}

    def visible(self, record: Record) -> Box:
        """The whole photo, or a part of it where the sides are cut."""
        height, width = record["person_image"].shape[:2]
        return crops.of_record(record, self.size) if self.purpose is Purpose.PHOTOS else (0, 0, width, height)

    def _shown(self, picture: np.ndarray, box: Box) -> np.ndarray:
        """Records are stretched whole, whatever the size of the pictures in them."""
        return self._stretched(crops.cut(picture, box) if self.purpose is Purpose.PHOTOS else picture)

    def _stretched(self, picture: np.ndarray) -> np.ndarray:
        return pictures.stretch(picture, self.size, Image.Resampling.BICUBIC)
