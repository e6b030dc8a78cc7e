"""What an image processor does to a photo, taken apart: a resize to 8-bit levels, then a number for every level.

Processors of transformers compute each pixel's number in double precision, which takes longer than resizing. There are
256 levels a channel, so a table of their numbers gives the same bits, and the device looks them up: a quarter of the
bytes travel. What a processor does beyond that (cropping, padding) is found out by trying, and it then runs itself.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from annotators.networks import devices, resampling

_LEVELS = 256
_PROBE = (37, 53)  # height, width of the photo that a processor is tried on
_SEED = 7


class PhotoSteps(Protocol):
    def on_host(self, photo: np.ndarray) -> np.ndarray:
        """What is sent to the device for a photo uint8 [h w 3] RGB."""

    def on_device(self, batch: Tensor) -> Tensor:
        """What the network reads, floating [b 3 h w], for a batch of what was sent, in whatever type that has."""


@dataclass(frozen=True)
class Tabled:
    """Resized on the host; `table` float32 [3 256] holds the network's number for each channel's level."""

    resize: Callable[[np.ndarray], np.ndarray]
    table: np.ndarray

    def on_host(self, photo: np.ndarray) -> np.ndarray:
        return self.resize(photo)

    def on_device(self, batch: Tensor) -> Tensor:
        check(batch)
        rows = torch.from_numpy(self.table).to(batch.device)
        return torch.stack([row[batch[..., channel].long()] for channel, row in enumerate(rows)], dim=1)


@dataclass(frozen=True)
class Stretched:
    """Resized on the device, whatever shape the photo has, by a filter of `resampling.FILTERS`."""

    height: int
    width: int
    resample: int
    table: np.ndarray

    def on_host(self, photo: np.ndarray) -> np.ndarray:
        return photo

    def on_device(self, batch: Tensor) -> Tensor:
        check(batch)
        resized = resampling.resize(batch, self.height, self.width, self.resample)
        return Tabled(self.on_host, self.table).on_device(resized)


def check(batch: Tensor) -> None:
    """Raises ValueError unless the tensor is uint8 [b h w 3]."""
    if batch.dtype != torch.uint8 or batch.ndim != 4 or batch.shape[3] != 3:
        raise ValueError(f"photos are {batch.dtype} {list(batch.shape[1:])}; expected uint8 [h w 3]")


@dataclass(frozen=True)
class Whole:
    """Everything on the host, by the processor."""

    process: Callable[[np.ndarray], np.ndarray]

    def on_host(self, photo: np.ndarray) -> np.ndarray:
        return self.process(photo)

    def on_device(self, batch: Tensor) -> Tensor:
        return batch


Sent = list[tuple[list[int], Tensor]]  # numbers of photos, and what is sent to the device for them


def pack(steps: PhotoSteps, photos: Sequence[np.ndarray], device: torch.device) -> Sent:
    """Those of one shape together, still on the host."""
    arrays = [steps.on_host(photo) for photo in photos]
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for number, array in enumerate(arrays):
        groups[array.shape].append(number)
    return [(numbers, devices.stack([arrays[number] for number in numbers], device)) for numbers in groups.values()]


def unpack(steps: PhotoSteps, sent: Sent, device: torch.device) -> Tensor:
    """What the network reads, floating [b 3 h w], in the photos' order."""
    order = [number for numbers, _ in sent for number in numbers]
    pixels = [steps.on_device(devices.send(batch, device)) for _, batch in sent]
    if len(pixels) == 1:
        return pixels[0]
    return torch.cat(pixels)[torch.from_numpy(np.argsort(order)).to(device)]


def of_processor(processor: Any, resize_on_device: bool) -> PhotoSteps:
    """The same pixels as an image processor of transformers (backend "pil") makes, by the least work."""
    whole = Whole(partial(_processed, processor))
    try:
        return _apart(processor, whole, resize_on_device)
    except Exception:  # processors are of many classes and refuse in many ways what others take
        return whole


def _apart(processor: Any, whole: Whole, resize_on_device: bool) -> PhotoSteps:
    table = level_table(partial(_processed, processor, do_resize=False, do_center_crop=False, do_pad=False))
    photo = _photo(*_PROBE)
    height, width = whole.on_host(photo).shape[1:]
    resample = int(processor.resample)
    stretched = Stretched(height, width, resample, table)
    plain = Tabled(partial(_stretch, height, width, resample), table)
    on_device = resize_on_device and resample in resampling.FILTERS
    # Also one of the other aspect, which some processors keep, and one that all of them make smaller.
    probes = (photo, np.ascontiguousarray(photo.transpose(1, 0, 2)), _photo(2 * height + 1, 3 * width))
    for steps in (stretched, plain) if on_device else (plain,):
        if all(_same(steps, whole, probe) for probe in probes):
            return steps
    return whole


def _photo(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(_SEED).integers(0, _LEVELS, (height, width, 3), np.uint8)


def _same(steps: PhotoSteps, whole: Whole, photo: np.ndarray) -> bool:
    ours = steps.on_device(torch.from_numpy(steps.on_host(photo).copy())[None])[0].numpy()
    return np.array_equal(ours, whole.on_host(photo))


def level_table(process: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """float32 [3 256]: what `process` (uint8 [h w 3] → float32 [3 h w], each pixel by itself) makes of every level."""
    side = int(_LEVELS**0.5)
    ramp = np.repeat(np.arange(_LEVELS, dtype=np.uint8).reshape(side, side, 1), 3, axis=2)
    table: np.ndarray = process(ramp).reshape(3, _LEVELS)
    if table.dtype != np.float32:
        raise ValueError(f"levels become {table.dtype}; expected float32")
    return table


def _stretch(height: int, width: int, resample: int, photo: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling(resample)))


def _processed(processor: Any, photo: np.ndarray, **settings: bool) -> np.ndarray:
    encoded = processor(images=photo, return_tensors="np", input_data_format="channels_last", **settings)
    pixels: np.ndarray = encoded["pixel_values"][0]
    return pixels
