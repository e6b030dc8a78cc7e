"""From a record to what OOTDiffusion's networks take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from annotators.functional import masks
from schemas.labels import Category
from vton_models.networks import image_encoder, pictures, text
from vton_models.system import Box, Record, Tokenizer

GREY = 127  # what is hidden of a person; also the least value of a mask that hides
LENGTHS = {"hd": 2, "dc": 3}  # ids of the text, start and end included
TEXTS = {Category.UPPER_BODY: "upperbody", Category.LOWER_BODY: "lowerbody", Category.DRESSES: "dress"}


@dataclass(frozen=True)
class Prepare:
    """One record → uint8 tensors at the configured size: person, masked_person, garment, and mask (255 = repaint).

    `garment_view` is what CLIP sees of the garment, `seen_by_clip` pixels a side, and input_ids int64 [2 or 3] the
    text: none for "hd", for "dc" what the garment is, cut before its end. Pictures are stretched, bicubic, as upstream
    does with everybody's; nothing is random, as its augmentation is unpublished.
    """

    size: tuple[int, int]
    model_type: str
    tokenizer: Tokenizer
    seen_by_clip: int
    stored: frozenset[str] = frozenset()  # tensors that aren't made, as they are there encoded

    def __call__(self, record: Record, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        mask = masks.resize(record["agnostic_mask"], *self.size) >= GREY

        @cache
        def fitted(column: str) -> np.ndarray:
            return pictures.stretch(record[column], self.size, Image.Resampling.BICUBIC)

        makers: dict[str, Callable[[], np.ndarray]] = {
            "person": lambda: fitted("person_image"),
            "masked_person": lambda: np.where(mask[..., None], np.uint8(GREY), fitted("person_image")),
            "garment": lambda: fitted("garment_image"),
            "mask": lambda: mask.astype(np.uint8) * np.uint8(255),
            "garment_view": lambda: image_encoder.shown(fitted("garment_image"), self.seen_by_clip),
        }
        tensors = {name: pictures.to_tensor(make()) for name, make in makers.items() if name not in self.stored}
        if "input_ids" not in self.stored:
            tensors["input_ids"] = torch.tensor(self._ids(record))
        return tensors

    def without(self, tensors: frozenset[str]) -> "Prepare":
        """Of records that are read without what these tensors show."""
        return replace(self, stored=self.stored | tensors)

    def seen(self, prepared: Mapping[str, Any]) -> dict[str, Any]:
        """All of it: what is hidden is grey already."""
        return dict(prepared)

    def visible(self, record: Record) -> Box:
        """The whole photo."""
        height, width = record["person_image"].shape[:2]
        return 0, 0, width, height

    def _ids(self, record: Record) -> list[int]:
        words = "" if self.model_type == "hd" else TEXTS[Category(record["category"])]
        return text.cut(self.tokenizer, words, LENGTHS[self.model_type])
