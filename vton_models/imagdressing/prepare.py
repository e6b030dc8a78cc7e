"""From a record to what IMAGDressing's networks take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vton_models.networks import crops, image_encoder, pictures
from vton_models.networks.pictures import Size
from vton_models.system import INIT_IMAGE, PROMPT, Box, Purpose, Record, Tokenizer

Maker = Callable[[], np.ndarray]

_WHITE = 255


@dataclass(frozen=True)
class Prepare:
    """One record → uint8 garment, `clip_garment` [3 s s] as CLIP sees it, and input_ids; to train on also the person.

    Training and validation bring the shorter side of either photo to the crop's and cut the crop: in training where
    chance says, each photo by itself. To sample from, a garment is first brought to sides that are multiples of `unit`,
    as the published scripts do, then stretched.
    """

    size: Size
    purpose: Purpose
    tokenizer: Tokenizer
    unit: int  # pixels
    seen_by_clip: int  # its side; 0 without it

    stored: frozenset[str] = frozenset()  # tensors that aren't made, as they are there encoded

    def __call__(self, record: Record, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Chance, in training, draws in this order: the person's crop, the garment's, and one of several captions."""
        chance = generator if self.purpose is Purpose.TRAINING else None
        cropped = self.purpose in (Purpose.TRAINING, Purpose.VALIDATION)
        makers = self._cropped(record, chance) if cropped else self._stretched(record)
        tensors = {name: pictures.to_tensor(make()) for name, make in makers.items() if name not in self.stored}
        if "input_ids" not in self.stored:
            tensors["input_ids"] = torch.tensor(self.tokenizer(record.get(PROMPT) or caption(record, chance)))
        return tensors

    def _cropped(self, record: Record, chance: torch.Generator | None) -> dict[str, Maker]:
        """To train on and to validate by."""
        makers: dict[str, Maker] = {
            "person": lambda: crop(record["person_image"], self.size, chance),
            "garment": lambda: crop(on_white(record["garment_image"], self.size), self.size, chance),
        }
        return makers | self._for_clip(lambda: record["garment_image"])

    def _stretched(self, record: Record) -> dict[str, Maker]:
        """To sample from."""
        garment = bounded(record["garment_image"], self.size, self.unit)
        makers = {"garment": lambda: resized(garment, self.size)} | self._for_clip(lambda: garment)
        if record.get(INIT_IMAGE) is not None:
            makers["init_image"] = lambda: pictures.cover(record[INIT_IMAGE], self.size)
        return makers

    def _for_clip(self, garment: Maker) -> dict[str, Maker]:
        side = self.seen_by_clip
        return {"clip_garment": lambda: image_encoder.shown(garment(), side)} if side else {}

    def without(self, tensors: frozenset[str]) -> "Prepare":
        """Of records that are read without what these tensors show."""
        return replace(self, stored=self.stored | tensors)

    def seen(self, prepared: Mapping[str, Any]) -> dict[str, Any]:
        """Nothing is hidden from the networks."""
        return dict(prepared)

    def visible(self, record: Record) -> Box:
        """The whole photo: no result takes a part's place."""
        height, width = record["person_image"].shape[:2]
        return 0, 0, width, height


def caption(record: Record, generator: torch.Generator | None) -> str:
    """One of `captions`, drawn at random where there is a generator, else `caption`; "" where there is none."""
    texts = [one["text"] for one in record.get("captions") or () if one["text"]]
    if generator is not None and len(texts) > 1:
        return str(texts[int(torch.randint(len(texts), (1,), generator=generator))])
    return str(record.get("caption") or next(iter(texts), ""))


def crop(image: np.ndarray, size: Size, generator: torch.Generator | None) -> np.ndarray:
    """The shorter side of [h w 3] brought to that of `size` (bilinear), then `size` cut: at random, or in the middle.

    A picture too flat for the crop is padded first, by what is at its border.
    """
    image = crops.cut(image, holding(image, size))
    scaled = covering((image.shape[0], image.shape[1]), size)
    image = resized(image, scaled)
    spare = scaled[0] - size[0], scaled[1] - size[1]
    if generator is None:
        top, left = spare[0] // 2, spare[1] // 2
    else:
        top, left = (int(torch.randint(room + 1, (1,), generator=generator)) for room in spare)
    return np.ascontiguousarray(image[top : top + size[0], left : left + size[1]])


def covering(photo: Size, size: Size) -> Size:
    """The size of a photo whose shorter side is as long as that of `size`, the other rounded down."""
    short, shorter = min(size), min(photo)
    return short * photo[0] // shorter, short * photo[1] // shorter


def holding(image: np.ndarray, size: Size) -> Box:
    """The whole picture or, where a crop of `size` doesn't fit, as little beyond its border as it takes."""
    height, width = image.shape[:2]
    scaled = covering((height, width), size)
    if scaled[0] < size[0]:
        needed = -(-width * size[0] // size[1])
        top = (height - needed) // 2
        return 0, top, width, top + needed
    if scaled[1] < size[1]:
        needed = -(-height * size[1] // size[0])
        left = (width - needed) // 2
        return left, 0, left + needed, height
    return 0, 0, width, height


def on_white(image: np.ndarray, size: Size) -> np.ndarray:
    """A garment's photo with white around it where a crop of `size` doesn't fit."""
    x0, y0, x1, y1 = holding(image, size)
    height, width = image.shape[:2]
    if (x0, y0, x1, y1) == (0, 0, width, height):
        return image
    canvas = np.full((y1 - y0, x1 - x0, 3), _WHITE, np.uint8)
    canvas[-y0 : -y0 + height, -x0 : -x0 + width] = image
    return canvas


def bounded(image: np.ndarray, size: Size, unit: int) -> np.ndarray:
    """As `resize_img` of the published scripts: the longer side as that of `size`, both down to multiples of `unit`."""
    height, width = image.shape[:2]
    ratio = min(size) / min(height, width)
    height, width = round(ratio * height), round(ratio * width)
    ratio = max(size) / max(height, width)
    height, width = round(ratio * height), round(ratio * width)
    whole = max(unit, height // unit * unit), max(unit, width // unit * unit)
    return resized(resized(image, (height, width)), whole)


def resized(image: np.ndarray, size: Size) -> np.ndarray:
    """Bilinear, aspect not kept; a picture of that size is returned."""
    if image.shape[:2] == size:
        return image
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))
